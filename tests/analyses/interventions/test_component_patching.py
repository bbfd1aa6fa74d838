"""Component, path and attribution patching show what the hand-wired components carry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_numbers import assert_both_renderers_draw, numbers_of
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.figures import figure
from analyses.joining import joined_splits
from analyses.questions.contrasts import draw_contrasts
from analyses.questions.examples import Examples, draw_examples
from circuits.errors import HopscopeError
from circuits.patching import COMPONENTS, HEAD_COMPONENTS, Patch, run_patched

WIRED = hand_wired()
EXAMPLES = draw_examples(WIRED.corpus, "train_inferred", 60)


def run(name: str, model: torch.nn.Module = WIRED.model, examples: Examples = EXAMPLES, **options):
    entry = CATALOG[name]
    return entry.run(model, examples, entry.options(options))


def test_each_wired_component_carries_its_token_and_no_other_does() -> None:
    ds = run("component_patching")
    share = (ds.effect / ds.total).fillna(0).round(3)
    first, second = WIRED.first_hop, WIRED.second_hop
    carries = {
        ("attn_out", "subject", first, "relation_1"),
        ("mlp_out", "subject", first, "relation_1"),
        ("mlp_out", "relation_1", first, "relation_1"),
        ("attn_out", "subject", second, "relation_2"),
        ("attn_out", "relation_1", second, "relation_2"),
        *(("mlp_out", token, second, "relation_2") for token in ds.corrupted.values.tolist()),
    }
    outputs = share.sel(component=["attn_out", "mlp_out"])
    found = outputs.where(outputs != 0).to_series().dropna()
    assert {tuple(place) for place in found.index} == carries
    assert (found == 1).all()


def test_only_the_working_heads_carry_anything() -> None:
    ds = run("component_patching")
    z = (ds.head_effect.sel(head_component="z") / ds.total).fillna(0)
    assert (z.sel(head=0) == 0).all()
    place = {"corrupted": "subject", "position": "relation_1", "layer": WIRED.first_hop}
    assert z.sel(head=1, **place) == pytest.approx(1, abs=1e-3)


def test_a_flip_is_counted_where_the_answer_changes() -> None:
    ds = run("component_patching", components=("resid_pre", "resid_post"))
    assert "head_effect" not in ds
    assert (ds.flipped.sel(component="resid_pre", corrupted="subject", position="subject").values
            == [1, 0]).all()  # fmt: skip
    assert ds.flipped.sel(
        component="resid_post", corrupted="subject", position="relation_1", layer=0
    ) == 1  # fmt: skip


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_cell_equals_a_run_with_that_patch(component: str) -> None:
    model = random_model(WIRED.corpus)
    ds = run("component_patching", model, components=(component,))
    contrasts = draw_contrasts(EXAMPLES, 0)
    queries, corrupted = EXAMPLES.queries, ds.corrupted.values.tolist()
    clean = run_patched(model, queries.tokens, [])
    for index, layer, p in [(0, 0, 1), (0, 1, 2), (1, 0, 2), (2, 1, 2)]:
        contrast = contrasts[index]
        patch = Patch(component, (layer,), (p,), (1,) if component in HEAD_COMPONENTS else None)
        logits = run_patched(model, queries.tokens, [patch], torch.from_numpy(contrast.tokens))
        fall = contrast.logit_difference(clean, queries.answer)
        fall = fall - contrast.logit_difference(logits, queries.answer)
        expected = fall.numpy()[contrast.valid].mean()
        at = {"corrupted": corrupted[index], "layer": layer, "position": corrupted[p]}
        name = "head_effect" if component in HEAD_COMPONENTS else "effect"
        found = ds[name].sel(**at).squeeze()
        found = found.sel(head=1) if component in HEAD_COMPONENTS else found
        assert float(found) == pytest.approx(expected, abs=2e-3)


def test_paths_of_the_wired_model_go_through_values_and_not_through_queries_or_keys() -> None:
    ds = run("path_patching")
    largest = np.nanmax(np.abs(ds.effect.values), axis=0)
    strong = {e for e, value in zip(ds.edge.values.tolist(), largest, strict=True) if value > 1e-3}
    assert strong == {
        "embed[subject]>head.0.1[relation_1].v",
        "head.0.1[relation_1]>mlp.0[relation_1]",
        "embed[relation_1]>mlp.0[relation_1]",
        "mlp.0[relation_1]>head.1.1[relation_2].v",
        "head.1.1[relation_2]>mlp.1[relation_2]",
        "embed[relation_2]>mlp.1[relation_2]",
        "mlp.1[relation_2]>output",
    }
    assert (ds.placebo.fillna(0) == 0).all()
    assert ds.flipped.sel(edge="mlp.1[relation_2]>output", corrupted="subject") == 1


def test_single_edges_can_be_asked_for_by_name() -> None:
    names = ("mlp.1[relation_2]>output", "embed[subject]>attn.0[relation_1]")
    ds = run("path_patching", edges=names, heads=False, parts=False)
    assert tuple(ds.edge.values) == names
    with pytest.raises(HopscopeError, match="edge"):
        run("path_patching", edges=("mlp.9[relation_2]>output",))


def test_attribution_equals_patching_on_a_linear_model() -> None:
    model = random_model(WIRED.corpus, normalization_type=None)
    with torch.no_grad():
        for block in model.blocks:
            block.mlp.W_out.zero_()
            block.attn.W_Q.zero_()  # attention is then uniform, whatever the question
    ds = run("attribution", model)
    for estimate in ds.estimate.values:
        np.testing.assert_allclose(
            ds.attribution.sel(estimate=estimate), ds.patched, atol=2e-3, rtol=2e-3
        )
        np.testing.assert_allclose(
            ds.head_attribution.sel(estimate=estimate), ds.head_patched, atol=2e-3, rtol=2e-3
        )
    assert (ds.pearson.sel(of=["all", "resid_pre", "attn_out", "z"]) > 0.999).all()


def test_attribution_says_how_many_questions_have_each_corruption() -> None:
    ds = run("attribution")
    assert ds.n_valid.values.tolist() == run("component_patching").n_valid.values.tolist()
    one = joined_splits({"train_inferred": (ds, EXAMPLES)}, 5, {"analysis": "attribution"})
    one["n_valid"][..., 1] = 3
    assert "n = 3 to " in figure(one, "agreement").subtitle


def test_integrated_gradients_predict_better_than_the_clean_gradient() -> None:
    model = random_model(WIRED.corpus, init_range=0.6)
    ds = run("attribution", model, steps=8)
    error = abs(ds.attribution - ds.patched).mean(["corrupted", "layer", "position"])
    assert (error.sel(estimate="integrated") < error.sel(estimate="gradient")).all()
    assert (ds.pearson_low <= ds.pearson).all()
    assert (ds.pearson <= ds.pearson_high).all()


@pytest.mark.parametrize(
    ("analysis", "name"),
    [
        ("component_patching", "effects"),
        ("component_patching", "heads"),
        ("path_patching", "strongest_paths"),
        ("attribution", "agreement"),
    ],
)
def test_every_figure_can_be_drawn_by_both_renderers(analysis: str, name: str) -> None:
    one = run(analysis)
    ds = joined_splits({"train_inferred": (one, EXAMPLES)}, 5, {"analysis": analysis})
    spec = figure(ds, name)
    assert len(numbers_of(spec)) > 0 or any(edge.shown for edge in spec.edges)
    assert_both_renderers_draw(spec)
