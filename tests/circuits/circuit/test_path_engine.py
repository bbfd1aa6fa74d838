"""Batched path patching equals hooks put in by hand, edge by edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import random_corpus, random_model
from torch import Tensor

from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import draw_examples
from circuits.circuit.nodes_and_edges import Edge, Node, candidate_edges
from circuits.circuit.path_engine import PathPatch, PathPatcher, edges_in_use
from circuits.circuit.path_patching import path_outcomes
from circuits.model.transformer import HookedTransformer, resid_name
from circuits.patching.engine import PatchEngine

CORPUS = random_corpus()
TOKENS = CORPUS.splits["train_inferred"].tokens[:7]
CORRUPTED = CORPUS.splits["train_inferred"].tokens[7:14]


def one_edge_by_hooks(model: HookedTransformer, edge: Edge) -> Tensor:
    """Logits at the last position, by up to three hooked runs."""
    _, clean = model.run_with_cache(TOKENS)
    _, corrupted = model.run_with_cache(CORRUPTED)
    sender, receiver = edge.sender, edge.receiver
    change = _written(model, corrupted, sender) - _written(model, clean, sender)
    i, p, at = receiver.layer, receiver.position, sender.position
    if receiver.kind == "output":
        end = clean[resid_name(model, model.depth)][:, -1]
        return model.logits_of(end + change)
    if receiver.kind == "mlp":
        block = model.blocks[i]
        mid = clean[f"blocks.{i}.hook_resid_mid"][:, p] + change
        new = block.mlp(block.ln2(mid[:, None]))[:, 0]
        return _patched(model, {f"blocks.{i}.hook_mlp_out": ((slice(None), p), new)})
    resid = clean[f"blocks.{i}.hook_resid_pre"].clone()
    resid[:, at] += change
    taken: dict[str, Tensor] = {}
    inputs = {f"blocks.{i}.attn.hook_{part}" for part in "qkv"}
    with model.hooks([(resid_name(model, i), lambda x, hook: resid)]):
        _, read = model.run_with_cache(TOKENS)
    taken = {name: read[name][:, at] for name in inputs if edge.part in (None, name[-1])}
    if at != p:
        taken.pop(f"blocks.{i}.attn.hook_q", None)
    fwd = [(name, _writer((slice(None), at), value)) for name, value in taken.items()]
    with model.hooks(fwd):
        _, mixed = model.run_with_cache(TOKENS)
    z = f"blocks.{i}.attn.hook_z"
    heads = slice(None) if receiver.head is None else receiver.head
    where = (slice(None), p, heads)
    return _patched(model, {z: (where, mixed[z][where])})


def _written(model: HookedTransformer, cache, node: Node) -> Tensor:
    i, p = node.layer, node.position
    if node.kind == "embed":
        return cache[resid_name(model, 0)][:, p]
    if node.kind == "head":
        z = cache[f"blocks.{i}.attn.hook_z"][:, p, node.head]
        return z @ model.blocks[i].attn.W_O[node.head]
    return cache[f"blocks.{i}.hook_{node.kind}_out"][:, p]


def _writer(where, value):
    def write(x: Tensor, hook) -> Tensor:
        x = x.clone()
        x[where] = value
        return x

    return write


def _patched(model: HookedTransformer, writes) -> Tensor:
    hooks = [(name, _writer(where, value)) for name, (where, value) in writes.items()]
    return model.run_with_hooks(TOKENS, fwd_hooks=hooks)[:, -1]


@pytest.mark.parametrize("normalization", ["LN", "RMS", None])
@pytest.mark.parametrize(("heads", "parts"), [(None, False), (2, False), (None, True), (2, True)])
def test_every_edge_equals_the_same_patch_made_with_hooks(normalization, heads, parts) -> None:
    model = random_model(CORPUS, normalization_type=normalization)
    engine = PatchEngine(model)
    edges = candidate_edges(2, 3, heads, parts=parts)
    edges = edges[:: 1 + len(edges) // 60]
    patcher = PathPatcher(engine, engine.trace(TOKENS), [engine.trace(CORRUPTED)])
    patches = [PathPatch(edge, 0) for edge in edges]
    fast = patcher.scores(patches, lambda logits, cells: logits)
    with torch.no_grad():
        slow = torch.stack([one_edge_by_hooks(model, edge) for edge in edges])
    torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-4)


def test_a_clean_source_changes_nothing() -> None:
    engine = PatchEngine(random_model(CORPUS))
    clean = engine.trace(TOKENS)
    patcher = PathPatcher(engine, clean, [clean])
    patches = [PathPatch(edge, 0) for edge in candidate_edges(2, 3, 2, parts=True)]
    fast = patcher.scores(patches, lambda logits, cells: logits)
    expected = engine.logits(clean.resid[-1][:, -1]).expand_as(fast)
    torch.testing.assert_close(fast, expected, atol=1e-5, rtol=1e-5)


def test_a_corrupted_token_is_sent_only_from_its_position_on() -> None:
    edges = candidate_edges(2, 3)
    senders = {edges[i].sender for i in edges_in_use(edges, (1,))}
    assert {(s.kind, s.position) for s in senders if s.kind == "embed"} == {("embed", 1)}
    assert {s.position for s in senders} == {1, 2}


def test_outcomes_of_questions_that_have_a_corruption_equal_those_of_all_in_one() -> None:
    """Only the questions that are asked for are run; each alone gives what all together give."""
    model = random_model(CORPUS, n_layers=2)
    examples = draw_examples(CORPUS, "train_inferred", 60)
    runs = contrast_runs(model, examples, 0)
    edges = candidate_edges(2, 3)
    real, placebo = path_outcomes(runs, edges)
    counts = [int((c.valid & c.placebo_valid).sum()) for c in runs.contrasts]
    assert 0 < min(counts) < len(examples)  # placebos of some questions
    answer = examples.queries.answer
    whole = PathPatcher(runs.engine, runs.clean, runs.sources)
    before = runs.clean_logits
    for source in range(2 * len(runs.contrasts)):
        contrast, placebos = runs.contrasts[source % 3], source >= 3
        found = (placebo if placebos else real)[:, source % 3]
        asked = contrast.valid & contrast.placebo_valid if placebos else contrast.valid
        reached = edges_in_use(edges, contrast.changed)
        assert np.isnan(found[~asked]).all()
        assert np.isnan(np.delete(found, reached, axis=1)).all()
        for i in reached:
            (logits,) = whole.scores([PathPatch(edges[i], source)], lambda logits, cells: logits)
            fall = contrast.logit_difference(before, answer) - contrast.logit_difference(
                logits, answer
            )
            np.testing.assert_allclose(found[asked, i, 0], fall[asked], atol=2e-5)
            chance = logits.softmax(-1)[np.arange(len(asked)), answer]
            np.testing.assert_allclose(found[asked, i, 1], chance[asked], atol=2e-5)
            flipped = logits.argmax(-1) != before.argmax(-1)
            np.testing.assert_array_equal(found[asked, i, 2], flipped[asked])
