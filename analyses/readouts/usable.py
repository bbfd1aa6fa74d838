"""Which states the answer can still depend on, known from the architecture alone.

Attention is the only way from one position to another. After the last block there is no attention,
so S[depth, p] at any position before the last reaches no output that is asked for: it can be read,
and nothing uses it. Every other state S[i, p] has at least one block behind it.

This matters because of an identity. Attention is causal, so S[i, p] of a question is bit for bit
S[i, p] of the shorter prompt that ends at p. S[depth, relation_1] of (h, r1, r2) is therefore the
last state of the atomic prompt (h, r1), which training makes predict the bridge: "the bridge is
readable there" holds for every model that memorized its facts, whatever it does with questions.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool


def usable_states(depth: int, n_positions: int) -> Bool[np.ndarray, "layer position"]:
    """Which states S[i, p], i = 0 to depth, the logits at the last position can depend on.

    >>> usable_states(2, 3).astype(int)
    array([[1, 1, 1],
           [1, 1, 1],
           [0, 0, 1]])
    """
    usable = np.ones((depth + 1, n_positions), bool)
    usable[depth, :-1] = False
    return usable
