"""Batched path patching equals hooks put in by hand, edge by edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from edge_by_hooks import one_edge_by_hooks
from hand_wired import random_corpus, random_model

from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import draw_examples
from circuits.circuit.nodes_and_edges import candidate_edges
from circuits.circuit.path_engine import PathPatch, PathPatcher, edges_in_use
from circuits.circuit.path_patching import path_outcomes
from circuits.patching.engine import PatchEngine

CORPUS = random_corpus()
TOKENS = CORPUS.splits["train_inferred"].tokens[:7]
CORRUPTED = CORPUS.splits["train_inferred"].tokens[7:14]


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
        slow = torch.stack([one_edge_by_hooks(model, edge, TOKENS, CORRUPTED) for edge in edges])
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
