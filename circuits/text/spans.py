"""From characters to tokens: the tokens of a role are those that overlap its characters.

Byte-level tokenizers put the blank before a word into its token, a character of several bytes may
be several tokens with the same offsets, and a token may hold the last character of a name and the
first one after it. Overlap is right in all these cases, whether or not offsets are trimmed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

Offsets = Sequence[tuple[int, int]]
"""First character and end (exclusive) of each token of a text."""


def token_spans(
    offsets: Offsets, characters: Int[np.ndarray, "roles 2"]
) -> Int[np.ndarray, "roles 2"]:
    """Tokens [start, end) that overlap each span of characters; an empty span where none does.

    Args:
        offsets: Characters of each token of one text.
        characters: Characters [start, end) of each role in the same text.

    >>> token_spans([(0, 4), (4, 9), (9, 10)], np.array([[5, 9], [1, 3]])).tolist()
    [[1, 2], [0, 1]]
    """
    starts, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    overlap = (starts < characters[:, 1:]) & (ends > characters[:, :1]) & (ends > starts)
    if not overlap.size:
        return np.zeros((len(characters), 2), np.int64)
    first, last = overlap.argmax(1), len(offsets) - overlap[:, ::-1].argmax(1)
    return np.stack([first, np.where(overlap.any(1), last, first)], 1).astype(np.int64)
