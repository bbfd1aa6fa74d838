"""A question that was asked, whether or not it is in the corpus."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """A question as tokens, with its true values (None: not in the graph)."""

    tokens: tuple[int, ...]
    values: tuple[int | None, ...]
    """What has to be looked up: the bridge; of a comparison both entities' values. Value i is
    looked for at position i + 1."""
    answer: int | None
