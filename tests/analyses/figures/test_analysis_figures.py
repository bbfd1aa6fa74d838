"""Every figure of every analysis can be drawn from what the walk stores, for both tasks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from comparison_corpora import CORPORA
from hand_wired import hand_wired, random_model, save_as_run

from analyses.catalog import CATALOG
from analyses.figures import FIGURES, figure, figures
from analyses.figures.specs.charts import Panels
from analyses.walk import analyze

QUICK = {
    "edit_propagation": {"n_edits": 5, "max_steps": 2},
    "bridge_subspace": {"train": 50, "learn_steps": 2},
    "probes": {"n_train": 100},
    "transfer": {"pairs": 5, "tune_steps": 2},
    "tuned_lens": {"n_train": 50, "adam_steps": 2},
}
PAIRS = [(task, name) for name, entry in CATALOG.items() for task in entry.tasks]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("runs")
    corpora = {"composition": hand_wired(16, 6).corpus, "comparison": CORPORA["order"]}
    return {
        task: save_as_run(
            folder / task, corpus, {step: random_model(corpus, seed=step) for step in (0, 10)}
        )
        for task, corpus in corpora.items()
    }


def result(runs: dict, task: str, name: str) -> xr.Dataset:
    return analyze(runs[task], name, progress=False, n_jobs=1, **QUICK.get(name, {}), examples=40)


@pytest.mark.parametrize(("task", "name"), [pair for pair in PAIRS if pair[1] in FIGURES])
def test_every_figure_shows_numbers_and_says_what_they_are(
    runs: dict, task: str, name: str
) -> None:
    ds = result(runs, task, name)
    assert list(figures(ds)) == list(FIGURES[name])
    drawn = {}
    for figure_name in FIGURES[name]:
        spec = figure(ds, figure_name)
        assert spec.name == figure_name
        assert spec.title
        assert spec.provenance["analysis"] == name
        drawn[figure_name] = np.isfinite(spec.frame().select_dtypes("number")).any(axis=None)
        json.dumps(spec.to_json())
        for panel in spec.panels if isinstance(spec, Panels) else ():
            assert panel.title
    # A random model may have no right answer that could be broken, and has no circuit.
    for name_of_nothing in ("broken", "edges_over_training", "stability"):
        drawn.pop(name_of_nothing, None)
    assert all(drawn.values()), drawn


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_every_mean_has_its_interval_around_it(runs: dict, task: str, name: str) -> None:
    ds = result(runs, task, name)
    for variable in ds.data_vars:
        if f"{variable}_low" in ds:
            mean, low, high = (ds[f"{variable}{part}"].values for part in ("", "_low", "_high"))
            known = np.isfinite(low)
            mean, low, high = (part[known].astype(float) for part in (mean, low, high))
            slack = 1e-5 + 2e-3 * np.abs(mean)  # some are stored in half precision
            assert (low <= mean + slack).all(), variable
            assert (high >= mean - slack).all(), variable


def test_results_that_cost_much_are_made_of_the_last_checkpoint_only(runs: dict) -> None:
    ds = result(runs, "composition", "edit_propagation")
    assert ds.step.values.tolist() == [10]
    both = analyze(
        runs["composition"], "edit_propagation", progress=False, n_jobs=1, steps=[0, 10],
        **QUICK["edit_propagation"], examples=40,
    )  # fmt: skip
    assert both.step.values.tolist() == [0, 10]


def test_every_analysis_is_explained_in_two_sentences() -> None:
    for entry in CATALOG.values():
        assert entry.about.count(". ") == 1, entry.name
        assert entry.about.endswith(".")
        assert entry.name.endswith(entry.module.rsplit(".", 1)[1])
