"""The states that a batch needs: equal prefixes have equal states, so each is computed once.

Attention is causal, hence the state at position p depends on tokens 0..p alone. A batch of two-hop
queries repeats its subjects and its (subject, relation) pairs many times over: of 512 queries over
a graph of 126 subjects, position 0 has at most 126 different states. The batch is therefore a tree
of prefixes, and one *node* represents all rows with the same prefix. Nothing is approximated; a
node's gradient is the sum over its rows. Padding and positions after the predicted one have no
nodes. Before the first block a state depends on its token and position alone, so that block's norm,
queries, keys and values are computed once for each distinct (position, token) and the nodes look
them up.

Node counts depend on the data, so this is for CPUs; on a GPU shapes must stay fixed. Even on a CPU
oneDNN compiles a kernel for every new shape of a bf16 product (measured: 1.4 ms instead of 0.5 ms),
so the nodes of each position are padded to a multiple of `GRAIN` with copies that nothing reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

Distinct = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From keys to the index of each among the distinct ones, and where each of those first appears."""

GRAIN = 32
"""Node counts per position are multiples of this."""


@dataclass(frozen=True)
class Lookups:
    """What the queries of one position attend to."""

    position: int
    start: int
    stop: int
    """Rows of the query list that belong to this position."""
    seen: Int[Tensor, " keys"]
    """Nodes attended to: those at position 0 for every query, then those at position 1, ..."""


@dataclass(frozen=True)
class QueryNodes:
    """The states one attention layer has to compute, ordered by position."""

    rows: Int[Tensor, " queries"] | slice
    """The nodes they come from, or for the first block the (position, token) pairs; slice(None)
    means all of them."""
    first: int
    """How many of them are at position 0: those see only themselves and need no query vector."""
    lookups: tuple[Lookups, ...]
    """One entry per position above 0."""
    repeated: bool = False
    """Whether there are many more of them than of their inputs."""

    @property
    def later(self) -> Int[Tensor, " later"] | slice:
        """The inputs of those above position 0."""
        return slice(self.first, None) if isinstance(self.rows, slice) else self.rows[self.first :]


@dataclass(frozen=True)
class PrefixTree:
    """A batch as a tree of prefixes; nodes are ordered by position."""

    tokens: Int[Tensor, " pairs"]
    """Token of each distinct (position, token), ordered by position."""
    token_sizes: tuple[int, ...]
    """Number of distinct tokens at each position."""
    sizes: tuple[int, ...]
    """Number of nodes at each position."""
    first: QueryNodes
    """The states that the first of several blocks computes: all nodes, from (position, token)
    pairs."""
    inner: QueryNodes
    """The states that the blocks between the first and the last compute: all nodes."""
    last: QueryNodes
    """The states that the last block computes: the predicted node of every row."""
    predicted: Int[Tensor, " predictions"]
    """For each prediction, its entry in the last block's queries."""

    def of_block(self, i: int, depth: int) -> QueryNodes:
        """The states that block i of `depth` computes."""
        return self.last if i == depth - 1 else self.first if i == 0 else self.inner


def prefix_tree(
    tokens: Int[Tensor, "batch pos"],
    predict_at: Int[Tensor, " predictions"] | None,
    n_blocks: int,
    distinct: Distinct,
    of_row: Int[Tensor, " predictions"] | None = None,
) -> PrefixTree:
    """Build the tree for a batch.

    Args:
        tokens: Token ids of its rows.
        predict_at: Position of each prediction; None: the last one of every row.
        n_blocks: Blocks of the model.
        distinct: How keys are numbered.
        of_row: Row of each prediction; None: one prediction per row, in order.
    """
    tokens = tokens.long()  # keys would overflow in a smaller type
    batch, pos = tokens.shape
    predicted_at = torch.full((batch,), pos - 1) if predict_at is None else predict_at.long()
    depth = pos if predict_at is None else int(predicted_at.max()) + 1
    at = predicted_at  # the last position that each row needs
    if of_row is not None:
        at = torch.zeros(batch, dtype=torch.int64)
        at.scatter_reduce_(0, of_row.long(), predicted_at, "amax")
    nodes, pairs = (_Numbering(depth, batch, distinct) for _ in range(2))
    everyone = torch.arange(batch)
    chosen: list[Tensor] = []  # per position: one batch row for each node
    distinct_tokens: list[Tensor] = []
    for p in range(depth):
        rows = (at >= p).nonzero()[:, 0] if predict_at is not None and p else everyone
        here = tokens[rows, p]
        token_of_pair = pairs.add(rows, here)
        distinct_tokens.append(tokens[token_of_pair, p])
        if p:
            parents = nodes.of_row[p - 1, rows]
            chosen.append(nodes.add(rows, here * nodes.count + parents))
        else:
            nodes.repeat(pairs)
            chosen.append(token_of_pair)
    numbers = pairs.of_row if n_blocks == 1 else nodes.of_row
    if of_row is not None:
        numbers = numbers[:, of_row]
    last, predicted = _predicted(numbers, predicted_at)
    return PrefixTree(
        torch.cat(distinct_tokens),
        tuple(pairs.sizes),
        tuple(nodes.sizes),
        _first_queries(pairs.of_row, chosen),
        QueryNodes(slice(None), len(chosen[0]), _lookups(nodes.of_row, chosen)),
        last,
        predicted,
    )


class _Numbering:
    """Numbers the prefixes that rows have in common, position by position."""

    def __init__(self, depth: int, batch: int, distinct: Distinct) -> None:
        self.of_row = torch.full((depth, batch), -1)
        """By position: the number of every row, -1 where it has none."""
        self.sizes: list[int] = []
        self.count = 0
        self._distinct = distinct

    def add(self, rows: Int[Tensor, " n"], key: Int[Tensor, " n"]) -> Int[Tensor, " numbers"]:
        """Number the distinct keys of the next position; returns a row of each, padded."""
        number, first = self._distinct(key)
        self.of_row[len(self.sizes), rows] = number + self.count
        chosen = _padded(rows[first])
        self.sizes.append(len(chosen))
        self.count += len(chosen)
        return chosen

    def repeat(self, other: _Numbering) -> None:
        """Adopt the numbers of the only position so far."""
        self.of_row[0] = other.of_row[0]
        self.sizes, self.count = list(other.sizes), other.count


def _lookups(of_row: Int[Tensor, "pos batch"], chosen: list[Tensor]) -> tuple[Lookups, ...]:
    """What all nodes above position 0 attend to, where `of_row` numbers it."""
    lookups = []
    start = len(chosen[0])
    for position, rows in enumerate(chosen[1:], start=1):
        seen = of_row[: position + 1, rows].flatten()
        lookups.append(Lookups(position, start, start + len(rows), seen))
        start += len(rows)
    return tuple(lookups)


def _first_queries(of_row: Int[Tensor, "pos batch"], chosen: list[Tensor]) -> QueryNodes:
    """All nodes, from the (position, token) pairs that `of_row` numbers."""
    own = torch.cat([numbers[rows] for numbers, rows in zip(of_row, chosen, strict=True)])
    return QueryNodes(own, len(chosen[0]), _lookups(of_row, chosen), repeated=True)


def _predicted(
    of_row: Int[Tensor, "pos predictions"], at: Int[Tensor, " predictions"]
) -> tuple[QueryNodes, Int[Tensor, " predictions"]]:
    """The queries of the last block, and each prediction's place among them."""
    place = torch.empty_like(at)
    nodes: list[Tensor] = []
    lookups = []
    start = first = 0
    for position in range(len(of_row)):
        rows = (at == position).nonzero()[:, 0]
        if not len(rows):
            continue
        place[rows] = torch.arange(start, start + len(rows))
        rows = _padded(rows)
        stop = start + len(rows)
        seen = of_row[: position + 1, rows]
        nodes.append(seen[position])
        if position:
            lookups.append(Lookups(position, start, stop, seen.flatten()))
        else:
            first = stop
        start = stop
    return QueryNodes(torch.cat(nodes), first, tuple(lookups)), place


def _padded(rows: Int[Tensor, " n"]) -> Int[Tensor, " padded"]:
    """The rows and, up to a multiple of `GRAIN`, the first one again and again."""
    missing = -len(rows) % GRAIN
    return torch.cat([rows, rows[:1].expand(missing)]) if missing else rows
