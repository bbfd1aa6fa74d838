"""Whether the rows of `evidences_id` stand in the order of `evidences`, and what if not.

In some records of 2WikiMultiHopQA they do not (4 of 289 that were looked at), and zipping the two
lists then says that Canada is Russia. Per record:

1. The orders in question are the permutations of the id rows whose relations are those of the
   evidences. If there is one, it is taken; if none, the ids belong to something else.
2. An order is the better, the fewer names it gives two ids, the fewer names it gives an id that
   contradicts what other records say, the fewer ids it gives two names of which another record
   does not know, and the more often other records agree, in this order of importance.
3. The order as it stands is kept if no other is better and those that are as good split and merge
   the same names. Otherwise the best order is taken if it is the only best one; else the ids of
   the record are left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from typing import Any

from circuits.graph.sources.two_wiki_names import normalised, wikidata_id

_MOST_ROWS = 6  # 720 orders; questions have two to five evidences
_EXAMPLES = 10

NameRow = tuple[str, str, str]
IdRow = tuple[str | None, str | None]
"""Ids of subject and object."""
Pair = tuple[str, str]
"""A normalised name and an id."""


@dataclass(frozen=True)
class Identified:
    """The evidences of a record and their ids as they stand in the file."""

    identity: str
    evidences: tuple[NameRow, ...]
    ids: tuple[IdRow, ...]
    """Empty where the record has none."""
    relations: tuple[str, ...]
    """The relations that stand between the ids."""

    @cached_property
    def orders(self) -> list[tuple[IdRow, ...]]:
        """The distinct orders of the id rows that agree in relations, as it stands first."""
        wanted = tuple(relation for _, relation, _ in self.evidences)
        n = len(self.ids)
        if sorted(wanted) != sorted(self.relations):
            return []
        if n > _MOST_ROWS:
            return [self.ids] if wanted == self.relations else []
        agreeing = (
            tuple(self.ids[i] for i in order)
            for order in permutations(range(n))
            if all(wanted[at] == self.relations[i] for at, i in enumerate(order))
        )
        return list(dict.fromkeys(agreeing))

    @property
    def in_order(self) -> bool:
        """Whether the relations of the id rows stand in the order of the evidences."""
        return self.relations == tuple(relation for _, relation, _ in self.evidences)

    def pairs(self, order: Sequence[IdRow]) -> Iterator[Pair]:
        """Each name with its id, if the ids stand in this order."""
        for (subject, _, obj), (i, j) in zip(self.evidences, order, strict=True):
            if i:
                yield normalised(subject), i
            if j:
                yield normalised(obj), j


@dataclass
class IdReport:
    """How the ids of all records were taken."""

    records_with_ids: int = 0
    aligned: int = 0
    """Records whose rows were put into another order."""
    left_out: int = 0
    """Records whose ids were not used."""
    examples: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """What was not as it stands, for people."""
        if not self.aligned + self.left_out:
            return []
        return [
            f"Rows of evidences_id stand in another order than evidences in {self.aligned:,} of "
            f"{self.records_with_ids:,} questions (put in order by names known elsewhere), and "
            f"possibly in {self.left_out:,} more, whose ids are left out; e.g. question "
            f"{', '.join(self.examples[:3])}."
        ]


def aligned_ids(records: Sequence[Identified]) -> tuple[list[tuple[IdRow, ...]], IdReport]:
    """The ids of each record in the order of its evidences; none where that is not clear."""
    known = _Known(records)
    report = IdReport(records_with_ids=sum(bool(r.ids) for r in records))
    aligned = []
    for record in records:
        order = _order(record, known) if record.ids else ()
        aligned.append(order)
        if order == record.ids and (record.in_order or not record.ids):
            continue
        report.aligned += bool(order)
        report.left_out += not order
        report.examples = [*report.examples, record.identity][:_EXAMPLES]
    return aligned, report


class _Known:
    """Which names have which ids in records that raise no doubt."""

    def __init__(self, records: Sequence[Identified]) -> None:
        self.counts: Counter[Pair] = Counter()
        self.ids: defaultdict[str, set[str]] = defaultdict(set)
        self.sure: dict[int, set[Pair]] = {}
        for record in records:
            if record.ids and record.in_order:
                pairs = set(record.pairs(record.ids))
                if _conflicts(pairs, set()) == _NO_CONFLICTS:
                    self.sure[id(record)] = pairs
                    self.counts.update(pairs)
        for name, identity in self.counts:
            self.ids[name].add(identity)

    def elsewhere(self, record: Identified, pair: Pair) -> int:
        """Number of other records that say so."""
        return self.counts[pair] - (pair in self.sure.get(id(record), ()))

    def contradicted(self, record: Identified, pair: Pair) -> bool:
        """Whether other records give this name ids, and never this one."""
        name, _ = pair
        if self.elsewhere(record, pair):
            return False
        return any(self.elsewhere(record, (name, other)) for other in self.ids.get(name, ()))

    def raises_no_doubt(self, record: Identified) -> bool:
        """Whether the ids as they stand contradict neither each other nor other records."""
        sure = self.sure.get(id(record))
        return sure is not None and not any(self.contradicted(record, pair) for pair in sure)


Groups = frozenset[tuple[str, frozenset[str]]]


@dataclass(frozen=True)
class _Conflicts:
    """What one order would say that looks wrong."""

    split: Groups
    """Names with several ids."""
    merged: Groups
    """Ids with several names, at least one of which no other record gives it."""


def _conflicts(pairs: set[Pair], agreed: set[Pair]) -> _Conflicts:
    ids: defaultdict[str, set[str]] = defaultdict(set)
    names: defaultdict[str, set[str]] = defaultdict(set)
    for name, identity in pairs:
        ids[name].add(identity)
        names[identity].add(name)
    unsure = {identity for _, identity in pairs - agreed}
    return _Conflicts(
        frozenset((name, frozenset(of)) for name, of in ids.items() if len(of) > 1),
        frozenset((i, frozenset(of)) for i, of in names.items() if len(of) > 1 and i in unsure),
    )


_NO_CONFLICTS = _Conflicts(frozenset(), frozenset())


def _order(record: Identified, known: _Known) -> tuple[IdRow, ...]:
    """The order to take; empty if none is to be trusted."""
    if record.in_order and known.raises_no_doubt(record):
        return record.ids
    orders = record.orders
    if len(orders) < 2:
        return orders[0] if orders else ()
    conflicts = {}
    faults = {}
    for order in orders:
        pairs = set(record.pairs(order))
        agreed = {pair for pair in pairs if known.elsewhere(record, pair)}
        found = conflicts[order] = _conflicts(pairs, agreed)
        against = sum(known.contradicted(record, pair) for pair in pairs)
        faults[order] = len(found.split), against, len(found.merged), -len(agreed)
    least = min(faults.values())
    best = [order for order in orders if faults[order] == least]
    one_reading = len({conflicts[order] for order in best}) == 1
    if record.in_order and record.ids in best and one_reading:
        return record.ids
    return best[0] if len(best) == 1 else ()


def identified(
    identity: str, evidences: Sequence[NameRow], id_rows: Sequence[Sequence[Any]]
) -> Identified:
    """The record; ids in another number than evidences are none."""
    if len(id_rows) != len(evidences):  # questions without ids have an empty list
        id_rows = ()
    return Identified(
        identity,
        tuple(evidences),
        tuple((wikidata_id(row[0]), wikidata_id(row[2])) for row in id_rows),
        tuple(str(row[1]).strip() for row in id_rows),
    )
