"""The questions of an analysis: drawn once per split, the same for every checkpoint."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Examples:
    """Some queries of one split."""

    split: str
    queries: Queries
    """The drawn queries."""
    rows: Int[np.ndarray, " n"]
    """Their rows in the split, rising."""
    corpus: Corpus
    _memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """Make what does not depend on the checkpoint once, and keep it with the examples."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]


def draw_examples(corpus: Corpus, split: str, n: int = 300, seed: int = 0) -> Examples:
    """Draw `n` queries of a split without replacement; all of them where there are fewer."""
    queries = corpus.queries(split)
    rng = np.random.default_rng([seed, zlib.crc32(split.encode())])
    rows = np.sort(rng.permutation(len(queries))[:n])
    return Examples(split, queries.take(rows), rows, corpus)
