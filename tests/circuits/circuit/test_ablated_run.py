"""A run with some edges kept equals one that sums each component's inputs edge by edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import random_corpus, random_model
from torch import Tensor

from circuits.circuit.ablated_run import AblatedRun, kept_logits
from circuits.circuit.nodes_and_edges import Edge, Node, candidate_edges
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine

CORPUS = random_corpus()
TOKENS = CORPUS.splits["train_inferred"].tokens[:7]
CORRUPTED = CORPUS.splits["train_inferred"].tokens[7:14]
GRAPHS = [(None, False), (2, False), (None, True), (2, True)]


def run_edge_by_edge(model: HookedTransformer, edges: tuple[Edge, ...], kept: set[Edge]) -> Tensor:
    """Each component reads, per input, what kept senders write now and others in the corrupted run.

    Written from the definition, with the model's own modules and without a residual stream.
    """
    _, clean = model.run_with_cache(TOKENS)
    _, corrupted = model.run_with_cache(CORRUPTED)
    now: dict[Node, Tensor] = {}
    then: dict[Node, Tensor] = {}
    for node in {edge.sender for edge in edges if edge.sender.kind == "embed"}:
        now[node] = clean["blocks.0.hook_resid_pre"][:, node.position]
        then[node] = corrupted["blocks.0.hook_resid_pre"][:, node.position]
    n_pos = TOKENS.shape[1]
    for receiver in sorted({e.receiver for e in edges}, key=lambda v: v.order):
        into = [edge for edge in edges if edge.receiver == receiver]
        i, p = receiver.layer, receiver.position

        def read(part: str | None, position: int, into=into) -> Tensor:
            seen = [e for e in into if e.part in (None, part) and e.sender.position == position]
            total = sum(now[e.sender] if e in kept else then[e.sender] for e in seen)
            # output biases of attention belong to no head
            if any(e.sender.kind == "head" for e in seen):
                layers = {e.sender.layer for e in seen if e.sender.kind == "head"}
                total = total + sum(model.blocks[j].attn.b_O for j in layers)
            return total

        if receiver.kind == "output":
            return model.logits_of(read(None, n_pos - 1))
        if receiver.kind == "mlp":
            block = model.blocks[i]
            now[receiver] = block.mlp(block.ln2(read(None, p)))
            then[receiver] = corrupted[f"blocks.{i}.hook_mlp_out"][:, p]
            continue
        now[receiver] = _attention(model, receiver, read)
        if receiver.head is None:
            then[receiver] = corrupted[f"blocks.{i}.hook_attn_out"][:, p]
        else:
            z = corrupted[f"blocks.{i}.attn.hook_z"][:, p, receiver.head]
            then[receiver] = z @ model.blocks[i].attn.W_O[receiver.head]
    raise AssertionError


def _attention(model: HookedTransformer, node: Node, read) -> Tensor:
    block, p = model.blocks[node.layer], node.position
    attn = block.attn
    q = torch.einsum("nm,hmd->nhd", block.ln1(read("q", p)), attn.W_Q) + attn.b_Q
    k, v = (
        torch.stack(
            [
                torch.einsum("nm,hmd->nhd", block.ln1(read(part, j)), weight) + bias
                for j in range(p + 1)
            ],
            1,
        )
        for part, weight, bias in (("k", attn.W_K, attn.b_K), ("v", attn.W_V, attn.b_V))
    )
    weights = (torch.einsum("nhd,nkhd->nhk", q, k) / model.cfg.d_head**0.5).softmax(-1)
    z = torch.einsum("nhk,nkhd->nhd", weights, v)
    if node.head is not None:
        return z[:, node.head] @ attn.W_O[node.head]
    return torch.einsum("nhd,hdm->nm", z, attn.W_O) + attn.b_O


def random_model_with_biases() -> HookedTransformer:
    model = random_model(CORPUS, n_layers=2)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".b_" in name:
            parameter.data.normal_(std=0.1, generator=generator)
    return model


@pytest.mark.parametrize(("heads", "parts"), GRAPHS)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@torch.no_grad()
def test_keeping_some_edges_equals_summing_every_input_edge_by_edge(heads, parts, share) -> None:
    model = random_model_with_biases()
    engine = PatchEngine(model)
    clean, corrupted = engine.trace(TOKENS), engine.trace(CORRUPTED)
    edges = candidate_edges(2, 3, heads, parts=parts)
    rng = np.random.default_rng(int(100 * share))
    kept = {edge for edge in edges if rng.random() < share}
    fast = kept_logits(engine, clean, AblatedRun(engine, corrupted, "interchange", 7), edges, kept)
    slow = run_edge_by_edge(model, edges, kept)
    torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("heads", "parts"), GRAPHS)
@pytest.mark.parametrize("ablation", ["mean", "interchange"])
def test_keeping_every_edge_is_the_clean_run_and_keeping_none_the_ablated(
    ablation, heads, parts
) -> None:
    model = random_model(CORPUS, n_layers=3)
    engine = PatchEngine(model)
    clean, corrupted = engine.trace(TOKENS), engine.trace(CORRUPTED)
    ablated = AblatedRun(engine, corrupted, ablation, 7)
    edges = candidate_edges(3, 3, heads, parts=parts)
    every = kept_logits(engine, clean, ablated, edges, edges)
    none = kept_logits(engine, clean, ablated, edges, ())
    end = corrupted.resid[-1][:, -1]
    end = end.mean(0).expand_as(end) if ablation == "mean" else end
    torch.testing.assert_close(every, engine.logits(clean.resid[-1][:, -1]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(none, engine.logits(end), atol=1e-5, rtol=1e-5)
