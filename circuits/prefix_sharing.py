"""Which states a batch needs at all: equal prefixes have equal states, so each is computed once.

Attention is causal, hence the state at position p depends on tokens 0..p alone. A batch of two-hop
queries repeats its subjects and its (subject, relation) pairs many times over: of 512 queries over
a graph of 126 subjects, position 0 has at most 126 different states. The batch is therefore a tree
of prefixes, and one *node* stands for all rows that begin alike. Nothing is approximated; a node's
gradient is the sum over its rows. Padding and whatever lies behind the predicted position has no
node.

Node counts depend on the data, so this is for CPUs; on a GPU shapes must stay fixed. Even on a CPU
oneDNN compiles a kernel for every new shape of a bf16 product (measured: 1.4 ms instead of 0.5 ms),
so the nodes of each position are padded to a multiple of `GRAIN` with copies nothing depends on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

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
class Queries:
    """The states one attention layer has to compute, ordered by position."""

    rows: Int[Tensor, " queries"] | slice
    """Their nodes; slice(None) stands for all nodes."""
    first: int
    """How many of them are at position 0: those see themselves only and need no query vector."""
    lookups: tuple[Lookups, ...]
    """One entry per position above 0."""


@dataclass(frozen=True)
class PrefixTree:
    """A batch as a tree of prefixes; nodes are ordered by position."""

    tokens: Int[Tensor, " nodes"]
    """Last token of each prefix."""
    sizes: tuple[int, ...]
    """Number of nodes at each position."""
    inner: Queries
    """What every block but the last computes: all nodes."""
    last: Queries
    """What the last block computes: the predicted node of every row."""
    predicted: Int[Tensor, " batch"]
    """For each row of the batch, its entry in the last block's queries."""


def prefix_tree(
    tokens: Int[Tensor, "batch pos"], predict_at: Int[Tensor, " batch"] | None
) -> PrefixTree:
    """Build the tree for a batch; predict_at None means the last position of every row."""
    batch, pos = tokens.shape
    at = torch.full((batch,), pos - 1) if predict_at is None else predict_at
    depth = pos if predict_at is None else int(at.max()) + 1
    ancestors: list[Tensor] = []  # per position: node of every row there, -1 where it has none
    node_tokens: list[Tensor] = []
    parents: list[list[Tensor]] = []  # per position: its nodes' ancestors at 0, 1, ..., itself
    start = 0
    for p in range(depth):
        rows = (at >= p).nonzero()[:, 0] if predict_at is not None and p else torch.arange(batch)
        local, first_row = _distinct(tokens[rows, p], ancestors[-1][rows] if p else None, start)
        node_of_row = torch.full((batch,), -1)
        node_of_row[rows] = local + start
        ancestors.append(node_of_row)
        chosen = _padded(rows[first_row])
        node_tokens.append(tokens[chosen, p])
        parents.append([nodes[chosen] for nodes in ancestors])
        start += len(chosen)
    sizes = tuple(len(nodes) for nodes in node_tokens)
    last, predicted = _predicted(ancestors, at)
    return PrefixTree(torch.cat(node_tokens), sizes, _all_nodes(parents, sizes), last, predicted)


def _distinct(token: Tensor, parent: Tensor | None, n_parents: int) -> tuple[Tensor, Tensor]:
    """Number the different (parent, token) pairs; also the first place where each occurs."""
    key = token if parent is None else token * n_parents + parent
    _, number = torch.unique(key, return_inverse=True)
    n = int(number.max()) + 1
    place = torch.arange(len(key))
    return number, place.new_full((n,), len(key)).scatter_reduce_(0, number, place, "amin")


def _all_nodes(parents: list[list[Tensor]], sizes: tuple[int, ...]) -> Queries:
    lookups = []
    start = 0
    for position, size in enumerate(sizes):
        if position:
            seen = torch.cat(parents[position])
            lookups.append(Lookups(position, start, start + size, seen))
        start += size
    return Queries(slice(None), sizes[0], tuple(lookups))


def _predicted(ancestors: list[Tensor], at: Tensor) -> tuple[Queries, Tensor]:
    """The queries of the last block, and each batch row's place among them."""
    place = torch.empty_like(at)
    nodes: list[Tensor] = []
    lookups = []
    start = first = 0
    for position, of_row in enumerate(ancestors):
        rows = (at == position).nonzero()[:, 0]
        if not len(rows):
            continue
        place[rows] = torch.arange(start, start + len(rows))
        rows = _padded(rows)
        stop = start + len(rows)
        nodes.append(of_row[rows])
        if position:
            seen = torch.cat([ancestor[rows] for ancestor in ancestors[: position + 1]])
            lookups.append(Lookups(position, start, stop, seen))
        else:
            first = stop
        start = stop
    return Queries(torch.cat(nodes), first, tuple(lookups)), place


def _padded(rows: Int[Tensor, " n"]) -> Int[Tensor, " padded"]:
    """The rows and, up to a multiple of `GRAIN`, the first one again and again."""
    return torch.cat([rows, rows[:1].expand(-len(rows) % GRAIN)])
