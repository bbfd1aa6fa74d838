"""Names of the roles of a question, by its kind."""

from __future__ import annotations

from typing import Literal

Span = Literal["last", "all", "after", "through"]
"""Which tokens belong to a role (`circuits.corpus.role_spans`)."""

QueryKind = Literal["atomic", "composition", "comparison", "identity"]

POSITIONS: dict[QueryKind, tuple[str, ...]] = {
    "atomic": ("subject", "relation_1"),
    "identity": ("subject", "relation_1"),
    "composition": ("subject", "relation_1", "relation_2"),
    "comparison": ("attribute", "entity_1", "entity_2"),
}
"""Names of the token positions by kind; the prediction is read at the last one.

Three-hop compositions add "relation_3".
"""

MARKED = ("attribute", "query_mark", "entity_1", "mask", "entity_2")
"""Positions of comparisons as *Grokked Transformers* asks them, with two marks that are the same in
every question; only runs that were imported have them."""
MARKS = ("query_mark", "mask")
ANSWER = "answer"
"""The role of the last token of a sentence that does not end with a name: the answer follows it."""


def position_names(kind: QueryKind, width: int) -> tuple[str, ...]:
    """Name of each of `width` token positions.

    >>> position_names("composition", 4)
    ('subject', 'relation_1', 'relation_2', 'relation_3')
    """
    if kind == "comparison" and width == len(MARKED):
        return MARKED
    base = POSITIONS[kind]
    return base + tuple(f"relation_{i}" for i in range(len(base), width))


def name_columns(kind: QueryKind, width: int) -> list[int]:
    """Positions that hold names: all but marks.

    >>> name_columns("comparison", 5)
    [0, 2, 4]
    """
    return [i for i, name in enumerate(position_names(kind, width)) if name not in MARKS]
