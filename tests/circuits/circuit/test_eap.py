"""EAP and EAP-IG equal gradients taken one edge at a time, and exact patching for small changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_model
from torch import Tensor

from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import draw_examples
from circuits.circuit.contrast_runs import ContrastRuns
from circuits.circuit.eap import predicted_effects
from circuits.circuit.nodes_and_edges import Edge, Node, candidate_edges
from circuits.circuit.path_patching import path_outcomes
from circuits.model.transformer import HookedTransformer, resid_name

WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)
EXAMPLES = draw_examples(WIRED.corpus, "train_inferred", 60)
GRAPHS = [(None, False), (2, False), (None, True), (2, True)]


def slow_eap(
    model: HookedTransformer,
    edge: Edge,
    clean: Tensor,
    corrupted: Tensor,
    metric: Callable[[Tensor], Tensor],
    places: list[float],
) -> Tensor:
    """Minus the gradient by the receiver's input times the sender's change, by plain autograd.

    Hooks add a zero to what this receiver alone reads, and the metric is differentiated by it.
    """
    with torch.no_grad():
        _, before = model.run_with_cache(clean)
        _, after = model.run_with_cache(corrupted)
        change = _written(model, after, edge.sender) - _written(model, before, edge.sender)
        start, end = before[resid_name(model, 0)], after[resid_name(model, 0)]
    total = torch.zeros(len(clean))
    for place in places:
        resid = start + place * (end - start)
        added = torch.zeros_like(change, requires_grad=True)
        with torch.enable_grad(), model.hooks(_reading_also(model, edge, added, resid)):
            (gradient,) = torch.autograd.grad(metric(model(resid, start_at_layer=0)), added)
        total -= (gradient * change).sum(-1) / len(places)
    return total


def _reading_also(model: HookedTransformer, edge: Edge, added: Tensor, resid: Tensor) -> list:
    """Hooks by which the receiver, and nothing else, reads `added` at the sender's position."""
    i, p, at = edge.receiver.layer, edge.receiver.position, edge.sender.position
    if edge.receiver.kind == "output":
        return [(resid_name(model, model.depth), _adding(added, at))]
    block = model.blocks[i]
    with torch.no_grad():
        _, cache = model.run_with_cache(resid, start_at_layer=0)
    if edge.receiver.kind == "mlp":
        read = block.ln2(cache[f"blocks.{i}.hook_resid_mid"][:, p] + added)
        return [(f"blocks.{i}.hook_mlp_out", _writing(block.mlp(read), (slice(None), p)))]
    x = cache[f"blocks.{i}.hook_resid_pre"]
    moved = _adding(added, at)(x.clone(), None)
    attn = block.attn
    q, k, v = (
        torch.einsum("npm,hmd->nphd", block.ln1(moved if edge.part in (None, part) else x), w) + b
        for part, w, b in (
            ("q", attn.W_Q, attn.b_Q), ("k", attn.W_K, attn.b_K), ("v", attn.W_V, attn.b_V),
        )
    )  # fmt: skip
    scores = torch.einsum("nhd,nkhd->nhk", q[:, p], k[:, : p + 1]) / model.cfg.d_head**0.5
    z = torch.einsum("nhk,nkhd->nhd", scores.softmax(-1), v[:, : p + 1])
    heads = slice(None) if edge.receiver.head is None else edge.receiver.head
    where = (slice(None), p, heads)
    return [(f"blocks.{i}.attn.hook_z", _writing(z[:, heads], where))]


def _written(model: HookedTransformer, cache, node: Node) -> Tensor:
    i, p = node.layer, node.position
    if node.kind == "embed":
        return cache[resid_name(model, 0)][:, p]
    if node.kind == "head":
        return (
            cache[f"blocks.{i}.attn.hook_z"][:, p, node.head] @ model.blocks[i].attn.W_O[node.head]
        )
    return cache[f"blocks.{i}.hook_{node.kind}_out"][:, p]


def _adding(added: Tensor, position: int):
    def hook(x: Tensor, hook) -> Tensor:
        x = x.clone()
        x[:, position] = x[:, position] + added
        return x

    return hook


def _writing(value: Tensor, where):
    def hook(x: Tensor, hook) -> Tensor:
        x = x.clone()
        x[where] = value
        return x

    return hook


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("metric", ["logit_difference", "log_probability"])
@pytest.mark.parametrize(("heads", "parts"), GRAPHS)
def test_predictions_equal_gradients_taken_one_edge_at_a_time(heads, parts, metric, steps) -> None:
    model = random_model(WIRED.corpus, n_layers=2)
    tokens = WIRED.corpus.splits["train_inferred"].tokens
    clean, corrupted = tokens[:6], tokens[6:12]
    answer = torch.arange(6)
    runs = ContrastRuns.between(
        model, clean, corrupted, answer=answer, other=answer + 1, metric=metric
    )
    edges = candidate_edges(2, 3, heads, parts=parts)
    edges = edges[:: 1 + len(edges) // 40]
    found = predicted_effects(runs, edges, steps=steps)[:, 0]
    places = [(k + 0.5) / steps for k in range(steps)] or [0.0]
    for i, edge in enumerate(edges):

        def value(logits: Tensor) -> Tensor:
            return runs.score(0, logits[:, -1]).sum()

        slow = slow_eap(model, edge, clean, corrupted, value, places)
        np.testing.assert_allclose(found[:, i], slow, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("heads", "parts"), GRAPHS)
@pytest.mark.parametrize("steps", [0, 4])
def test_for_a_small_change_of_the_tokens_the_prediction_is_the_effect(heads, parts, steps) -> None:
    model = random_model(WIRED.corpus, n_layers=3).double()
    runs = contrast_runs(model, EXAMPLES, 0)
    start = runs.clean.resid[0]
    near, near_placebo = (
        tuple(runs.engine.trace(start + 1e-5 * (source.resid[0] - start)) for source in sources)
        for sources in (runs.corrupted, runs.placebo)
    )
    runs = replace(runs, corrupted=near, placebo=near_placebo)
    edges = candidate_edges(3, 3, heads, parts=parts)
    both = path_outcomes(runs, edges, effect_only=True)
    for exact, placebo in zip(both, (False, True), strict=True):
        guess = predicted_effects(runs, edges, steps=steps, placebo=placebo)
        np.testing.assert_array_equal(np.isfinite(guess), np.isfinite(exact[..., 0]))
        scale = np.nanmax(np.abs(exact))
        assert scale > 1e-7
        np.testing.assert_allclose(guess, exact[..., 0], atol=5e-3 * scale)


def test_at_many_steps_the_predictions_of_all_edges_into_the_output_add_up_to_the_whole() -> None:
    """Without a final norm the output is linear, so they do so for any number of steps."""
    model = random_model(WIRED.corpus, n_layers=2, normalization_type=None)
    runs = contrast_runs(model, EXAMPLES, 0)
    edges = [edge for edge in candidate_edges(2, 3) if edge.receiver.kind == "output"]
    for steps in (0, 1, 5):
        added = np.nansum(predicted_effects(runs, edges, steps=steps), -1)
        added[np.isnan(runs.totals())] = np.nan
        np.testing.assert_allclose(added, runs.totals(), atol=1e-4)
