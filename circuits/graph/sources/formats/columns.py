"""Which column of a table, or which key of an object, is subject, relation and object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ROLES = ("subject", "relation", "object")

_ROLE_OF = {
    name: role
    for role, names in (
        ("subject", "subject subj s head h source src from"),
        ("relation", "relation relationship rel r predicate pred p property"),
        ("object", "object obj o tail t target dst destination to"),
    )
    for name in names.split()
}
_RELATION_OF_THREE = ("type", "label", "edge")  # in a wider table these may be anything
_TELLING = 4  # letters at least; shorter words may be entities

EXPECTED = "subject, relation and object (or head, relation, tail; source, predicate, target; ...)"


@dataclass(frozen=True)
class Columns:
    """Index of each role among the columns."""

    subject: int
    relation: int
    object: int
    width: int
    """Number of columns, those that are left out included."""

    @property
    def in_order(self) -> bool:
        """Whether the table is nothing but subject, relation, object."""
        return (self.subject, self.relation, self.object, self.width) == (0, 1, 2, 3)


IN_ORDER = Columns(0, 1, 2, 3)


def role_of(name: str) -> str | None:
    """The role that a column's name denotes: "relation" for "Predicate"."""
    return _ROLE_OF.get(_plain(name))


def _plain(name: str) -> str:
    return name.strip().strip("\"'").lstrip("#?:").strip().casefold()


def columns_named(names: Sequence[str]) -> Columns | None:
    """The columns of a table with this header; None unless each role has exactly one.

    >>> columns_named(["head", "tail", "relation"])
    Columns(subject=0, relation=2, object=1, width=3)
    >>> columns_named(["Lyon", "country", "France"]) is None
    True
    """
    roles = [role_of(name) for name in names]
    if "relation" not in roles and len(names) == 3:
        roles = [
            "relation" if _plain(name) in _RELATION_OF_THREE else role
            for name, role in zip(names, roles, strict=True)
        ]
    if any(roles.count(role) != 1 for role in ROLES):
        return None
    subject, relation, obj = (roles.index(role) for role in ROLES)
    return Columns(subject, relation, obj, len(names))


def half_a_header(names: Sequence[str]) -> list[str]:
    """The column names in a line that looks like a header without being a known one."""
    telling = [n for n in names if role_of(n) and len(_plain(n)) >= _TELLING]
    return telling if len({role_of(n) for n in telling}) >= 2 else []


def described(columns: Columns, names: Sequence[str]) -> str:
    """In words: "subject from 'head', relation from 'rel', object from 'tail'; left out: 'id'"."""
    used = (columns.subject, columns.relation, columns.object)
    said = ", ".join(f"{role} from {names[at]!r}" for role, at in zip(ROLES, used, strict=True))
    return said + left_out(name for at, name in enumerate(names) if at not in used)


def left_out(names: Iterable[str]) -> str:
    """The end of a sentence that names the columns which are not read."""
    rest = ", ".join(map(repr, names))
    return f"; left out: {rest}" if rest else ""
