"""Every analysis of the catalog has figures, made here from a hand-wired model's real results."""

from __future__ import annotations

import json

import pytest
from drawn_numbers import assert_both_renderers_draw
from hand_wired import hand_wired, save_as_run

from analyses import CATALOG, analyze
from analyses.figures import FIGURES, figure, figures

QUICK = (
    "trace_classes",
    "attention",
    "attention_knockout",
    "weights",
    "back_patching",
    "coverage",
    "mixing",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    wired = hand_wired()
    folder = tmp_path_factory.mktemp("runs") / "wired"
    return save_as_run(folder, wired.corpus, {0: wired.model, 100: wired.model})


def test_every_analysis_of_the_catalog_has_figures():
    assert set(CATALOG) <= set(FIGURES)


@pytest.mark.parametrize("name", QUICK)
def test_figures_are_drawn_from_the_results_as_they_are(run, name):
    ds = analyze(run, name, n_jobs=1, progress=False)
    for key in figures(ds):
        spec = figure(ds, key, step=100)
        json.dumps(spec.to_json(), allow_nan=False)
        assert_both_renderers_draw(spec)


def test_the_wired_heads_attention_stands_in_its_cell(run):
    spec = figure(analyze(run, "attention", n_jobs=1, progress=False), step=100)
    at_last = spec.panels[-1]
    row, column = at_last.rows.index("1.1"), at_last.columns.index("relation 1")
    assert at_last.values[row, column] == pytest.approx(1.0)


def test_mixing_is_set_beside_no_mixing_only_where_that_was_measured(run):
    ds = analyze(run, "mixing", n_jobs=1, progress=False)
    with_zero = [series.label for series in figure(ds, "gain_over_training").series]
    assert "without mixing" in with_zero
    without = figure(ds.sel(strength=[0.5, 1.0]), "gain_over_training")
    assert [series.label for series in without.series] == with_zero[1:]
