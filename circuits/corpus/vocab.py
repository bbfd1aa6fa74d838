"""The vocabulary: one token per entity, per relation and per special symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.errors import unknown_name


@dataclass(frozen=True)
class Vocab:
    """Token ids are laid out as entities, then relations, then special symbols.

    A name may denote both an entity and a relation ("capital"), so ids are looked up by kind and
    never by bare name.

    >>> vocab = Vocab(("Euro", "France"), ("currency",))
    >>> vocab.entity("France"), vocab.relation("currency"), vocab.name(2)
    (1, 2, 'currency')
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    specials: tuple[str, ...] = ()
    """Symbols that are neither entity nor relation, e.g. comparison labels or "itself"."""

    def __len__(self) -> int:
        return len(self.entities) + len(self.relations) + len(self.specials)

    def __repr__(self) -> str:
        return f"Vocab({len(self.entities):,} entities, {len(self.relations):,} relations)"

    @property
    def first_relation(self) -> int:
        """Token id of relation 0: relation r has token `first_relation + r`."""
        return len(self.entities)

    @property
    def first_special(self) -> int:
        """Token id of special symbol 0."""
        return len(self.entities) + len(self.relations)

    def name(self, token: int) -> str:
        """The readable name of a token id."""
        names: Sequence[str] = self.entities
        for names, first in (
            (self.entities, 0),
            (self.relations, self.first_relation),
            (self.specials, self.first_special),
        ):
            if 0 <= token - first < len(names):
                return names[token - first]
        raise unknown_name("token id", str(token), [f"0 to {len(self) - 1}"])

    def entity(self, name: str) -> int:
        """Token id of an entity; `HopscopeError` names the nearest one if it is unknown."""
        return _index("entity", name, self.entities)

    def relation(self, name: str) -> int:
        """Token id of a relation."""
        return self.first_relation + _index("relation", name, self.relations)

    def special(self, name: str) -> int:
        """Token id of a special symbol."""
        return self.first_special + _index("special symbol", name, self.specials)


def _index(kind: str, name: str, names: tuple[str, ...]) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise unknown_name(kind, name, names) from None
