"""Coverage: which questions pattern matching can reach from the trained ones (arXiv 2505.20278).

The coverage principle: a model that matches patterns can replace parts of a question by others that
training has shown to act alike, and nothing else. Definitions as in the paper's sections on
functional equivalence and k-cutoff, and in the authors' `determine_coverage.py`:

1. A fragment is what a question has at some positions; its context is what it has at the others.
2. Two fragments are functionally k-equivalent if trained questions show both of them in at least k
   shared contexts, and with the same answer in every shared one. The relation is closed
   transitively.
3. Two questions, trained or asked, are neighbours if they have the same answer and the same context
   of k-equivalent fragments.
4. A question is covered at k if a path of neighbours leads from it to a trained question. Its
   k-cutoff is the largest such k: 0 if k = 1 does not cover it, `EVERY` if it is trained itself.

By default the fragment is the first hop (subject, relation_1), whose equivalence is the bridge.
`every_fragment` gives all parts of a question; real graphs have other equivalences (duplicate
relations, inverses), through which a question can be covered without its bridge.

By construction a question with an OOD first hop has k-cutoff 0 under the first hop, which occurs in
no trained question. With an OOD last hop it is covered only by first hops that lead elsewhere and
happen to agree. Trained atomic facts share no context with questions and do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int
from scipy.sparse.csgraph import connected_components

from circuits.corpus.queries import Queries

FIRST_HOP = ((0, 1),)
"""Positions of the fragments that are replaced by default."""
EVERY = np.iinfo(np.int16).max
"""The k-cutoff of a trained question."""
_PAIRS_AT_ONCE = 200_000


def every_fragment(n_positions: int) -> tuple[tuple[int, ...], ...]:
    """All parts of a question, each as its positions.

    >>> every_fragment(3)
    ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
    """
    sizes = range(1, n_positions)
    return tuple(c for size in sizes for c in combinations(range(n_positions), size))


def k_cutoff(
    trained: Queries, asked: Queries, fragments: Sequence[tuple[int, ...]] = FIRST_HOP
) -> Int[np.ndarray, " n"]:
    """The largest k at which each asked question is covered by the trained ones.

    Args:
        trained: Trained questions; each has one answer.
        asked: Questions of the same kind.
        fragments: Which parts of a question are replaced, as positions.

    >>> from circuits import open_run
    >>> corpus = open_run("assets/demo").corpus
    >>> cutoffs = k_cutoff(corpus.queries("train_inferred"), corpus.queries("id_test"))
    >>> cutoffs.min(), np.median(cutoffs)
    (np.int16(1), np.float64(6.0))
    """
    tokens = np.concatenate([trained.asked_ids, asked.asked_ids]).astype(np.int64)
    answer = np.concatenate([trained.answer_ids, asked.answer_ids])
    n = len(trained)
    parts = [_Part.of(tokens, answer, n, positions) for positions in fragments]
    cutoff = np.where(_occurs_in(tokens[n:], tokens[:n]), EVERY, 0).astype(np.int16)
    highest = max((int(part.evidence.max(initial=0)) for part in parts), default=0)
    for k in range(1, highest + 1):
        covered = _covered(parts, k, n) & (cutoff < EVERY)
        if not covered.any():
            break
        cutoff[covered] = k
    return cutoff


class _Part:
    """Questions as fragment and context at given positions, and how far fragments act alike."""

    def __init__(
        self,
        fragment: Int[np.ndarray, " questions"],
        context: Int[np.ndarray, " questions"],
        pairs: Int[np.ndarray, "pair 2"],
        evidence: Int[np.ndarray, " pair"],
    ) -> None:
        self.fragment = fragment
        self.context = context
        """Context and answer: neighbours share both."""
        self.pairs = pairs
        """Fragments that are equivalent for some k."""
        self.evidence = evidence
        """The largest such k: the number of contexts that they share."""

    @classmethod
    def of(
        cls,
        tokens: Int[np.ndarray, "questions pos"],
        answer: Int[np.ndarray, " questions"],
        n_trained: int,
        positions: tuple[int, ...],
    ) -> _Part:
        inside = np.isin(np.arange(tokens.shape[1]), positions)
        fragment, place = _numbered(tokens[:, inside]), _numbered(tokens[:, ~inside])
        context = _numbered(np.column_stack([place, answer]))
        size = int(fragment.max(initial=-1)) + 1
        shows, behaves = (
            _incidence(fragment[:n_trained], columns[:n_trained], size)
            for columns in (place, context)
        )
        agree = sp.triu(behaves @ behaves.T, k=1).tocoo()
        pairs = np.column_stack([agree.row, agree.col])
        shared = _shared(shows, pairs)
        alike = shared == agree.data  # no context in which the answers differ
        return cls(fragment, context, pairs[alike], shared[alike])

    def classes(self, k: int) -> Int[np.ndarray, " questions"]:
        """Class of k-equivalent fragments of each question."""
        size = int(self.fragment.max(initial=-1)) + 1
        first, second = self.pairs[self.evidence >= k].T
        links = sp.coo_array((np.ones(len(first)), (first, second)), shape=(size, size))
        return connected_components(links, directed=False)[1][self.fragment]


def _covered(parts: Sequence[_Part], k: int, n_trained: int) -> Bool[np.ndarray, " asked"]:
    """Which asked questions are connected to a trained one.

    Neighbours of one kind of fragment form groups, so questions are linked to their groups.
    """
    n = len(parts[0].fragment)
    groups, first_free = [], n
    for part in parts:
        group = _numbered(np.column_stack([part.classes(k), part.context]))
        groups.append(first_free + group)
        first_free += int(group.max(initial=-1)) + 1
    ends = np.concatenate(groups)
    starts = np.tile(np.arange(n), len(parts))
    links = sp.coo_array((np.ones(len(ends)), (starts, ends)), shape=(first_free, first_free))
    label = connected_components(links, directed=False)[1]
    return np.isin(label[n_trained:n], label[:n_trained])


def _shared(shows: sp.csr_array, pairs: Int[np.ndarray, "pair 2"]) -> Int[np.ndarray, " pair"]:
    """Number of contexts in which both fragments of each pair are shown."""
    found = [
        shows[some[:, 0]].multiply(shows[some[:, 1]]).sum(1)
        for some in np.split(pairs, range(_PAIRS_AT_ONCE, len(pairs), _PAIRS_AT_ONCE))
    ]
    return np.concatenate(found).astype(np.int64)


def _incidence(
    rows: Int[np.ndarray, " n"], columns: Int[np.ndarray, " n"], size: int
) -> sp.csr_array:
    """A table with 1 where a row occurs with a column."""
    width = int(columns.max(initial=-1)) + 1
    table = sp.csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(size, width))
    table.data[:] = 1  # repeated entries were added up
    return table


def _numbered(table: Int[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
    """A number from 0 for each distinct row."""
    return np.unique(table, axis=0, return_inverse=True)[1].reshape(len(table))


def _occurs_in(
    table: Int[np.ndarray, "n pos"], other: Int[np.ndarray, "m pos"]
) -> Bool[np.ndarray, " n"]:
    number = _numbered(np.concatenate([table, other]))
    return np.isin(number[: len(table)], number[len(table) :])
