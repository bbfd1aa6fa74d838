"""The fields of the page Heads."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from app.instrument.packed_fields import PackedMeasure


class HeadScore(TypedDict):
    """A score of heads; `place` says which position it is read at, "chosen" by the user or fixed.

    `end` is the end of its colour scale, the same at every step and split.
    """

    name: str
    label: str
    unit: str
    place: str
    end: float


class HeadsOfSplit(TypedDict):
    """Measures of one split: `pattern` (step, layer, head, query, key), and scores by name.

    A score has the axes step, layer and head, and query where its place is chosen.
    """

    pattern: NotRequired[PackedMeasure]
    scores: dict[str, PackedMeasure]


class Heads(TypedDict):
    """The page Heads; `head` (layer, head) and `pair` (query, key) are what it begins with."""

    layers: int
    heads: int
    scores: list[HeadScore]
    splits: dict[str, HeadsOfSplit]
    head: list[int]
    pair: list[int]
    about: str
