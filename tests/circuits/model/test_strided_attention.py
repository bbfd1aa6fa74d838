"""Attention in one call equals attention in PyTorch's operations, wherever keys and values lie."""

from __future__ import annotations

import pytest
import torch

from circuits.model.cpu.kernels import kernels
from circuits.model.cpu.strided_attention import strided_attention
from circuits.patching.short_attention import _attend_by_keys

needs_kernels = pytest.mark.skipif(
    kernels(torch.float32) is None, reason="no C compiler, or no OpenMP of GNU's"
)


def _inputs(batch: tuple[int, ...], queries: int, seen: int, heads: int, d_head: int):
    """Queries, keys and values as they come from one product, and past ones of all cells."""
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(*batch, seen, 3, heads, d_head, generator=generator)
    q, k, v = (part[..., -queries:, :, :] for part in qkv.unbind(-3))
    past = torch.randn(batch[-1], 2, seen - queries, heads, d_head, generator=generator)
    pairs = ((past[:, i].unbind(1), own.unbind(-3)) for i, own in enumerate((k, v)))
    return (q, *([*before, *own] for before, own in pairs))


@needs_kernels
@pytest.mark.parametrize("d_head", [5, 16, 24, 32, 64])
@pytest.mark.parametrize("batch", [(7,), (3, 7)], ids=["runs", "cells of runs"])
@pytest.mark.parametrize(("queries", "seen"), [(1, 1), (1, 3), (2, 3), (4, 4), (3, 5)])
def test_it_equals_pytorch(batch, queries, seen, d_head):
    given = _inputs(batch, queries, seen, 3, d_head)
    found = strided_attention(*given)
    torch.testing.assert_close(found, _attend_by_keys(*given), rtol=1e-5, atol=1e-6)


@needs_kernels
@pytest.mark.parametrize("heads", [1, 12, 17, 33])
def test_any_number_of_heads(heads):
    given = _inputs((3, 7), 2, 4, heads, 16)
    found = strided_attention(*given)
    torch.testing.assert_close(found, _attend_by_keys(*given), rtol=1e-5, atol=1e-6)


@needs_kernels
def test_shares_are_exact_from_equal_scores_to_all_but_none():
    """One query of 1 and keys of falling numbers: the share of each is e to their difference."""
    falling = [torch.full((1, 1, 1), -float(x)) for x in (0, 1e-6, 0.3, 1, 20, 80, 86, 200, 1e30)]
    exact = torch.cat(falling, 1).double().flatten().softmax(0)
    for i, share in enumerate(exact):
        values = [torch.full((1, 1, 1), float(i == j)) for j in range(len(falling))]
        found = strided_attention(torch.ones(1, 1, 1, 1), falling, values)
        torch.testing.assert_close(found.item(), share.item(), rtol=3e-7, atol=1e-37)


@needs_kernels
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_cells_that_share_their_queries(n_threads):
    q, keys, values = _inputs((3, 7), 2, 3, 4, 8)
    shared = q[:1].expand(3, -1, -1, -1, -1)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        found = strided_attention(shared, keys, values)
    finally:
        torch.set_num_threads(before)
    expected = _attend_by_keys(shared, keys, values)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@needs_kernels
def test_heads_that_do_not_lie_side_by_side_are_taken_as_well():
    q, keys, values = _inputs((7,), 2, 3, 4, 8)
    apart = [x.mT.contiguous().mT for x in (q, *keys, *values)]
    found = strided_attention(apart[0], apart[1:4], apart[4:])
    expected = _attend_by_keys(q, keys, values)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_gradients_and_other_dtypes_are_left_to_pytorch():
    q, keys, values = _inputs((7,), 2, 3, 4, 8)
    assert strided_attention(q.clone().requires_grad_(), keys, values) is None
    doubles = [[x.double() for x in part] for part in (keys, values)]
    assert strided_attention(q.double(), *doubles) is None
    mixed = [[x.bfloat16() for x in keys], values]
    assert strided_attention(q, *mixed) is None
    assert strided_attention(*_inputs((2,), 1, 2, 1, 4097)) is None
