"""The model as a graph of components: what writes into the residual stream, and what reads it.

Every component reads the sum of all that was written before it at the positions that it sees, so
there is an edge from each sender to each later receiver (Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits"; edges as in Wang et al., arXiv 2211.00593, section 3.1).
A component is one place: attention of block 0 at relation_1 and at relation_2 are two nodes.

Names: "embed[subject]", "attn.0[relation_1]", "head.0.3[relation_1]", "mlp.1[relation_2]",
"output"; an edge is "embed[subject]>attn.0[relation_1]", and ">attn.0[relation_1].k" where only
the keys (q, k, v) see the sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from circuits.errors import HopscopeError, unknown_name

Kind = Literal["embed", "attn", "head", "mlp", "output"]
Part = Literal["q", "k", "v"]
PARTS: tuple[Part, ...] = ("q", "k", "v")

MOST_EDGES = 200_000
"""More would take hours and gigabytes; GPT-2 small has 11,347 between layers for 12 tokens."""


@dataclass(frozen=True)
class Node:
    """A component at one position."""

    kind: Kind
    layer: int
    """Block; -1 for the embedding, the depth for the output."""
    position: int
    head: int | None = None

    @property
    def order(self) -> int:
        """Rises along the computation; equal where two nodes cannot see each other."""
        return 2 * self.layer + (self.kind in ("mlp", "embed"))

    def name(self, positions: Sequence[str]) -> str:
        """The name used in stored results."""
        if self.kind == "output":
            return "output"
        block = "" if self.kind == "embed" else f".{self.layer}"
        head = "" if self.head is None else f".{self.head}"
        return f"{self.kind}{block}{head}[{positions[self.position]}]"


@dataclass(frozen=True)
class Edge:
    """What a sender contributes to the input of a receiver."""

    sender: Node
    receiver: Node
    part: Part | None = None
    """The input of an attention layer that sees the sender; None: all its inputs."""

    def name(self, positions: Sequence[str]) -> str:
        """The name used in stored results."""
        part = f".{self.part}" if self.part else ""
        return f"{self.sender.name(positions)}>{self.receiver.name(positions)}{part}"


def components(depth: int, n_pos: int, n_heads: int | None) -> Iterator[Node]:
    """All senders, in order of computation; heads instead of whole attention if n_heads."""
    for p in range(n_pos):
        yield Node("embed", -1, p)
    for i in range(depth):
        for p in range(n_pos):
            if n_heads is None:
                yield Node("attn", i, p)
            else:
                yield from (Node("head", i, p, h) for h in range(n_heads))
        yield from (Node("mlp", i, p) for p in range(n_pos))


def candidate_edges(
    depth: int, n_pos: int, n_heads: int | None = None, *, parts: bool = False
) -> tuple[Edge, ...]:
    """Every edge through which something can reach the output at the last position.

    Args:
        depth: Number of blocks.
        n_pos: Number of positions.
        n_heads: Tell heads apart; None: attention layers as a whole.
        parts: Tell the inputs q, k and v of attention apart.
    """
    nodes = list(components(depth, n_pos, n_heads))
    useful = [v for v in nodes if v.layer < depth - 1 or v.position == n_pos - 1]
    found = []
    for receiver in [*useful, Node("output", depth, n_pos - 1)]:
        for sender in nodes:
            if sender.order < receiver.order and _sees(receiver, sender):
                seen = _inputs(receiver, sender) if parts else (None,)
                found += [Edge(sender, receiver, part) for part in seen]
    return tuple(found)


def n_candidate_edges(
    depth: int, n_pos: int, n_heads: int | None = None, *, parts: bool = False
) -> int:
    """How many edges `candidate_edges` gives, without making one.

    >>> n_candidate_edges(2, 3) == len(candidate_edges(2, 3))
    True
    """
    per_layer = n_heads or 1
    total = 1 + depth * (per_layer + 1)  # into the output
    for i in range(depth):
        senders = 1 + i * (per_layer + 1)  # at each position
        for p in range(n_pos) if i < depth - 1 else (n_pos - 1,):
            into_one = senders * (3 + 2 * p if parts else 1 + p)
            total += per_layer * into_one + senders + per_layer
    return total


def bounded_candidate_edges(
    depth: int, n_pos: int, n_heads: int | None = None, *, parts: bool = False
) -> tuple[Edge, ...]:
    """`candidate_edges`, or a refusal before too many are made."""
    n_edges = depth * n_pos  # fewer than there are, and known at once
    if n_edges <= MOST_EDGES:
        n_edges = n_candidate_edges(depth, n_pos, n_heads, parts=parts)
    if n_edges > MOST_EDGES:
        raise HopscopeError(
            f"{depth} blocks and prompts of {n_pos} tokens have at least {n_edges:,} edges, more "
            f"than {MOST_EDGES:,}; take shorter prompts, or take heads and their inputs together."
        )
    return candidate_edges(depth, n_pos, n_heads, parts=parts)


def named_edges(
    names: Sequence[str], edges: Sequence[Edge], positions: Sequence[str]
) -> tuple[Edge, ...]:
    """The edges of these names; an unknown name is refused."""
    known = {edge.name(positions): edge for edge in edges}
    for name in names:
        if name not in known:
            raise unknown_name("edge", name, known)
    return tuple(known[name] for name in names)


def parsed_edge(name: str) -> tuple[tuple[str, int, str], tuple[str, int, str]]:
    """(kind, block, position) of sender and receiver of a named edge, for figures."""
    sender, receiver = name.split(">")
    return _parsed(sender), _parsed(receiver)


def _parsed(name: str) -> tuple[str, int, str]:
    component, _, rest = name.partition("[")
    kind, *numbers = component.split(".")
    return kind, int(numbers[0]) if numbers else -1, rest.partition("]")[0]


def _sees(receiver: Node, sender: Node) -> bool:
    if receiver.kind in ("attn", "head"):
        return sender.position <= receiver.position
    return sender.position == receiver.position


def _inputs(receiver: Node, sender: Node) -> tuple[Part | None, ...]:
    if receiver.kind not in ("attn", "head"):
        return (None,)
    return PARTS if sender.position == receiver.position else ("k", "v")
