"""Features are scored against the known bridge, and stored as one result of all checkpoints."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawn_numbers import assert_both_renderers_draw
from hand_wired import hand_wired, save_as_run
from sklearn.metrics import average_precision_score, roc_auc_score
from worded import padded, reworded, worded

from analyses.catalog import CATALOG
from analyses.figures import figure, figures
from analyses.fitting import usual_analyses
from analyses.over_training import crosscoder
from analyses.over_training.separation import auroc, average_precision
from analyses.stored import stored_result
from analyses.walk import analyze
from circuits.errors import HopscopeError
from circuits.runs.run import Run

QUICK = {
    "penalty": 10,
    "features": 64,
    "active": 4,
    "fit_steps": 150,
    "learning_rate": 1e-2,
    "checkpoints": 3,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that is blank until step 200, and wired from then on."""
    wired, blank = hand_wired(16, 12), hand_wired(16, 12).model
    with torch.no_grad():
        for parameter in blank.parameters():
            parameter.zero_()
    models = {0: blank, 100: blank, 200: wired.model, 300: wired.model}
    return save_as_run(tmp_path_factory.mktemp("runs") / "run", wired.corpus, models)


@pytest.fixture(scope="module")
def found(run: Run):
    return analyze(run, "crosscoder", **QUICK)


def test_features_of_the_wired_bridge_are_found_and_born_with_it(found) -> None:
    scores = found.auroc
    assert scores.sel(kind="probe") > 0.9
    assert scores.sel(kind="feature") > scores.sel(kind="shuffled") + 0.2
    assert found.step.values.tolist() == [0, 100, 300]
    assert found.probe_auroc.values[0] == pytest.approx(0.5)  # a blank model's states are all equal
    assert found.found > 0.3
    assert found.born.values.tolist() == [0, 0, 1]
    assert set(found.birth.values[np.isfinite(found.birth.values)].tolist()) == {300}


def test_scores_are_those_of_a_loop_over_bridges(run: Run, found) -> None:
    options = CATALOG["crosscoder"].options(QUICK)
    prompts = crosscoder.Prompts.drawn(run.corpus, options)
    assert len(np.unique(prompts.tokens, axis=0)) == len(prompts.tokens)
    tails = {tuple(f[:2]): f[2] for f in run.corpus.graph.facts.tolist()}
    first = run.corpus.vocab.first_relation
    assert prompts.bridge.tolist() == [tails[h, r - first] for h, r in prompts.tokens.tolist()]
    states = [run.model(step)(prompts.tokens, stop_at_layer=1)[:, -1] for step in found.step.values]
    fitted, judged = prompts.fitted, ~prompts.fitted
    coder = crosscoder.Crosscoder.fit(
        torch.stack(states)[:, fitted].detach(), 64, 4, steps=150, learning_rate=1e-2, seed=0
    )
    codes = coder.codes(torch.stack(states).detach()).numpy()
    names = [run.corpus.vocab.name(int(b)) for b in prompts.bridge]
    for b, bridge in enumerate(found.bridge.values):
        is_it = np.array(names) == bridge
        precision = [
            average_precision_score(is_it[fitted], codes[fitted, f]) for f in range(codes.shape[1])
        ]
        best = int(found.feature_of[b])
        assert precision[best] == pytest.approx(max(precision))
        expected = roc_auc_score(is_it[judged], codes[judged, best])
        assert found.auroc_bridge[b].sel(kind="feature").item() == pytest.approx(expected, abs=1e-6)


def test_questions_with_junk_behind_them_give_the_same_features(run: Run, found) -> None:
    junk = SimpleNamespace(corpus=reworded(run.corpus, padded), model=run.model)
    again = crosscoder.run(junk, found.step.values.tolist(), CATALOG["crosscoder"].options(QUICK))  # type: ignore[arg-type]
    for key in ("auroc_bridge", "probe_auroc", "birth", "explained"):
        np.testing.assert_allclose(again[key], found[key], rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("backwards", [False, True])
def test_prompts_of_many_tokens_end_where_the_first_hop_is_complete(
    run: Run, backwards: bool
) -> None:
    corpus = reworded(run.corpus, lambda queries: worded(queries, backwards=backwards))
    prompts = crosscoder.Prompts.drawn(corpus, CATALOG["crosscoder"].options(QUICK))
    beginnings = {}
    for query, spans in zip(asked := corpus.queries("train_inferred"), asked.spans, strict=True):
        end = spans[1, 1]
        if spans[0, 1] <= end:  # the subject stands before relation 1
            beginnings[query.tokens[:end]] = query.bridge
    assert len(prompts.end) == len(beginnings)
    for tokens, end, bridge in zip(prompts.tokens, prompts.end, prompts.bridge, strict=True):
        assert beginnings[tuple(tokens[: end + 1].tolist())] == bridge
        assert not tokens[end + 1 :].any()


@pytest.mark.parametrize("backwards", [False, True])
def test_no_first_hop_is_held_out_in_one_wording_and_fitted_in_another(
    run: Run, backwards: bool
) -> None:
    corpus = reworded(run.corpus, lambda queries: worded(queries, backwards=backwards))
    prompts = crosscoder.Prompts.drawn(corpus, CATALOG["crosscoder"].options(QUICK))
    asked = corpus.queries("train_inferred")
    first_hop = {
        query.tokens[: spans[1, 1]]: query.names[:2]
        for query, spans in zip(asked, asked.spans, strict=True)
    }
    hops = [
        first_hop[tuple(tokens[: end + 1].tolist())]
        for tokens, end in zip(prompts.tokens, prompts.end, strict=True)
    ]
    assert len(set(hops)) < len(hops)
    sides = [{hop for hop, on in zip(hops, prompts.fitted, strict=True) if on == s} for s in (0, 1)]
    assert not sides[0] & sides[1]
    assert len(sides[0]) == round(len(set(hops)) / 3)


def test_a_second_walk_reads_the_stored_result_and_other_checkpoints_replace_it(
    run: Run, found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crosscoder, "run", lambda *_: pytest.fail("it was computed again"))
    again = analyze(run, "crosscoder", **QUICK)
    assert again.equals(found)
    assert stored_result(run, "crosscoder", **QUICK).equals(found)
    monkeypatch.undo()
    other = analyze(run, "crosscoder", steps=[100, 300], **QUICK)
    assert other.step.values.tolist() == [100, 300]
    assert analyze(run, "crosscoder", **QUICK).equals(found)


def test_checkpoints_are_spread_evenly_and_early_with_both_ends(run: Run) -> None:
    long = SimpleNamespace(steps=list(range(0, 6100, 100)))
    options = CATALOG["crosscoder"].options({"checkpoints": 10})
    chosen = crosscoder.steps(long, options)  # type: ignore[arg-type]
    assert chosen == [0, 100, 300, 800, 1500, 2200, 3000, 4500, 6000]
    few = CATALOG["crosscoder"].options({"checkpoints": 2})
    assert crosscoder.steps(run, few) == [0, 100, 300]


def test_it_is_run_only_if_it_is_named() -> None:
    assert "crosscoder" not in usual_analyses("composition")
    assert "attention_knockout" in usual_analyses("composition")


def test_its_figures_are_drawn_by_both_renderers(found) -> None:
    for name in figures(found):
        assert_both_renderers_draw(figure(found, name, step=300))


def test_separation_is_scikit_learns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (40, 3)) * rng.random((1, 3))  # with many ties
    member = rng.random((40, 5)) < 0.2
    for found, expected in (
        (auroc(scores, member), roc_auc_score),
        (average_precision(scores, member), average_precision_score),
    ):
        slow = [[expected(member[:, g], scores[:, s]) for g in range(5)] for s in range(3)]
        np.testing.assert_allclose(found, slow)


def test_what_cannot_be_measured_is_refused_in_a_sentence(run: Run) -> None:
    for given, words in (
        ({"layer": 9}, "layer = 9"),
        ({"position": "nowhere"}, "position"),
        ({"steps": [100]}, "2 checkpoints"),
    ):
        with pytest.raises(HopscopeError, match=words):
            analyze(run, "crosscoder", **QUICK, **given)
