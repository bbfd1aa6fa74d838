"""The graph of components: counted, named and refused."""

from __future__ import annotations

import pytest

from circuits.circuit.nodes_and_edges import (
    bounded_candidate_edges,
    candidate_edges,
    n_candidate_edges,
    named_edges,
)
from circuits.errors import HopscopeError


def test_an_unknown_edge_is_refused_with_the_nearest_name() -> None:
    edges = candidate_edges(2, 3)
    names = ("subject", "relation_1", "relation_2")
    assert named_edges(["mlp.1[relation_2]>output"], edges, names)[0].receiver.kind == "output"
    with pytest.raises(HopscopeError, match=r"mlp\.1\[relation_2\]>output"):
        named_edges(["mlp.1[relation_2]>outptu"], edges, names)


def test_candidate_edges_are_counted_by_hand_for_two_layers_and_three_positions() -> None:
    edges = candidate_edges(2, 3)
    into = {kind: sum(e.receiver.kind == kind for e in edges) for kind in ("attn", "mlp", "output")}
    # attention of block 0: 1 + 2 + 3, of block 1: three senders at each of three positions;
    # MLPs of block 0: two senders each, of block 1: four; the output: five
    assert into == {"attn": 6 + 9, "mlp": 6 + 4, "output": 5}
    assert len(set(edges)) == len(edges)
    assert all(e.sender.order < e.receiver.order for e in edges)


@pytest.mark.parametrize(
    ("depth", "n_pos", "n_heads", "parts"),
    [(1, 1, None, False), (2, 3, None, True), (3, 2, 3, False), (2, 5, 2, True)],
)
def test_edges_are_counted_without_making_them(depth, n_pos, n_heads, parts) -> None:
    edges = candidate_edges(depth, n_pos, n_heads, parts=parts)
    assert n_candidate_edges(depth, n_pos, n_heads, parts=parts) == len(edges)


def test_gpt2_has_the_edges_that_the_mib_benchmark_counts() -> None:
    assert n_candidate_edges(12, 1, 12, parts=True) == 32_491


@pytest.mark.parametrize("shape", [(12, 15, 12), (10**9, 10**9, None)])
def test_too_many_edges_are_refused_before_one_is_made(shape) -> None:
    with pytest.raises(HopscopeError, match=r"edges, more than 200,000; take shorter prompts"):
        bounded_candidate_edges(*shape)
