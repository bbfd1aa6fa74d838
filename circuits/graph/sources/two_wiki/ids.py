"""Put the rows of `evidences_id` into the order of `evidences`, where the data allows it.

In some records of 2WikiMultiHopQA the orders differ (4 of 289 inspected), and zipping the two lists
then says that Canada is Russia. Per record:

1. Candidates are the permutations of the id rows whose relations match those of the evidences. A
   single candidate is taken; without any, the ids belong to something else.
2. Candidates are ranked by these counts, in this order: names with two ids (fewer is better);
   disagreement with the ids that other records give its names, as shares summed over names (less is
   better); ids with two names unknown to other records (fewer is better); records that agree (more
   is better).
3. The order in the file is kept if no other is better and all equally good ones split and merge the
   same names. Otherwise the best order is taken if it is unique; if not, the record's ids are left
   out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from typing import Any

from circuits.graph.sources.two_wiki.names import normalised, wikidata_id

_MOST_ROWS = 6  # 720 orders; questions have two to five evidences
_EXAMPLES = 10

NameRow = tuple[str, str, str]
IdRow = tuple[str | None, str | None]
"""Ids of subject and object."""
Pair = tuple[str, str]
"""A normalised name and an id."""


@dataclass(frozen=True)
class Identified:
    """The evidences of a record and their ids in the order of the file."""

    identity: str
    evidences: tuple[NameRow, ...]
    ids: tuple[IdRow, ...]
    """Empty where the record has none."""
    relations: tuple[str, ...]
    """The relations between the ids."""
    unusable: bool = False
    """Whether the file has ids for the record, but not as many as evidences."""

    @cached_property
    def orders(self) -> list[tuple[IdRow, ...]]:
        """The distinct orders of the id rows that match in relations, the file's order first."""
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
    """Records whose rows were reordered."""
    left_out: int = 0
    """Records whose ids were not used because their order is not clear."""
    unusable: int = 0
    """Records with more or fewer rows of ids than evidences; their ids were not used."""
    examples: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """What was reordered or left out, in words."""
        said = []
        if self.aligned:
            said.append(
                f"Rows of evidences_id stand in another order than evidences in {self.aligned:,} "
                f"of {self.records_with_ids:,} questions with ids; they were put in order."
            )
        if self.left_out:
            said.append(
                f"Rows of evidences_id may stand in another order than evidences in "
                f"{self.left_out:,} of {self.records_with_ids:,} questions with ids, and nothing "
                "tells which is right; these ids are left out, so names alone decide there."
            )
        if self.unusable:
            said.append(
                f"evidences_id and evidences differ in length in {self.unusable:,} questions; "
                "these ids are left out, so names alone decide there."
            )
        return said and [*said, f"Such questions: {', '.join(self.examples)}."]


def aligned_ids(records: Sequence[Identified]) -> tuple[list[tuple[IdRow, ...]], IdReport]:
    """The ids of each record in the order of its evidences; empty if that order is unclear."""
    known = _Known(records)
    report = IdReport(
        records_with_ids=sum(bool(r.ids) for r in records),
        unusable=sum(r.unusable for r in records),
    )
    aligned = []
    for record in records:
        order = _order(record, known) if record.ids else ()
        aligned.append(order)
        if order == record.ids and not record.unusable and (record.in_order or not record.ids):
            continue
        report.aligned += bool(order)
        report.left_out += bool(record.ids) and not order
        report.examples = [*report.examples, record.identity][:_EXAMPLES]
    return aligned, report


class _Known:
    """Which ids names have in records whose rows do not contradict each other."""

    def __init__(self, records: Sequence[Identified]) -> None:
        self._counts: Counter[Pair] = Counter()
        self._sure: dict[int, set[Pair]] = {}
        for record in records:
            if record.ids and record.in_order:
                pairs = set(record.pairs(record.ids))
                if len({n for n, _ in pairs}) == len(pairs) == len({i for _, i in pairs}):
                    self._sure[id(record)] = pairs
                    self._counts.update(pairs)
        self._ids: defaultdict[str, set[str]] = defaultdict(set)
        for name, identity in self._counts:
            self._ids[name].add(identity)

    def share(self, record: Identified, pair: Pair) -> float | None:
        """Share of this id among the ids that other records give the name; None without any.

        A few of those records have their rows in a wrong order, too.
        """
        own = self._sure.get(id(record), set())
        name = pair[0]
        counts = {i: self._counts[name, i] - ((name, i) in own) for i in self._ids.get(name, ())}
        total = sum(counts.values())
        return counts.get(pair[1], 0) / total if total else None

    def raises_no_doubt(self, record: Identified) -> bool:
        """Whether the ids in the file's order contradict neither each other nor other records."""
        own = self._sure.get(id(record))
        return own is not None and all(
            len(self._ids[pair[0]]) == 1 or self.share(record, pair) in (None, 1.0) for pair in own
        )


Groups = frozenset[tuple[str, frozenset[str]]]


@dataclass(frozen=True)
class _Conflicts:
    """The implausible statements that one order implies."""

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


def _order(record: Identified, known: _Known) -> tuple[IdRow, ...]:
    """The order to take; empty if none can be trusted."""
    if record.in_order and known.raises_no_doubt(record):
        return record.ids
    orders = record.orders
    if len(orders) < 2:
        return orders[0] if orders else ()
    conflicts = {}
    faults = {}
    for order in orders:
        pairs = set(record.pairs(order))
        shares = {p: share for p in pairs if (share := known.share(record, p)) is not None}
        found = conflicts[order] = _conflicts(
            pairs, {p for p, share in shares.items() if share > 0.5}
        )
        against = sum(1 - share for share in sorted(shares.values()))
        faults[order] = len(found.split), against, len(found.merged), -sum(sorted(shares.values()))
    least = min(faults.values())
    best = [order for order in orders if faults[order] == least]
    one_reading = len({conflicts[order] for order in best}) == 1
    if record.in_order and record.ids in best and one_reading:
        return record.ids
    return best[0] if len(best) == 1 else ()


def identified(
    identity: str, evidences: Sequence[NameRow], id_rows: Sequence[Sequence[Any]]
) -> Identified:
    """The record; ids that are not as many as the evidences are dropped."""
    usable = len(id_rows) == len(evidences)
    rows = id_rows if usable else ()
    wanted = tuple(relation for _, relation, _ in evidences)
    relations = tuple(str(row[1]).strip() for row in rows)
    if not set(wanted) & set(relations):  # another vocabulary, which does not reveal the order
        relations = wanted if rows else ()
    return Identified(
        identity,
        tuple(evidences),
        tuple((wikidata_id(row[0]), wikidata_id(row[2])) for row in rows),
        relations,
        unusable=len(id_rows) > 0 and not usable,
    )
