"""Every figure of every analysis can be drawn from what the walk stores, for both tasks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from comparison_corpora import CORPORA
from drawn_numbers import numbers_of
from hand_wired import hand_wired, random_model, save_as_run

from analyses.catalog import CATALOG
from analyses.figures import FIGURES, figure, figures
from analyses.figures.specs.charts import Panels
from analyses.walk import analyze

QUICK = {
    "edit_propagation": {"n_edits": 5, "max_steps": 2},
    "bridge_subspace": {"train": 50, "learn_steps": 2},
    "interchange": {"train": 50, "epochs": 1},
    "sparse_probes": {"bridges": 5, "k": (1, 2)},
    "probes": {"n_train": 100},
    "transfer": {"pairs": 5, "tune_steps": 2},
    "tuned_lens": {"n_train": 50, "adam_steps": 2},
    "crosscoder": {"features": 16, "active": 2, "fit_steps": 3},
    "learning_coefficient": {"burn_in": 1, "draws": 2, "lr": 1e-9, "heads": False},
}
EMPTY = {"answers_lost", "broken", "edges_over_training", "stability"}
"""A random model may have no right answer that could be broken or lost, and has no circuit."""
DIAGRAMS = {"found_circuit"}
TABLES = {"certificate"}  # tests/analyses/certificate holds their numbers
PAIRS = [
    (task, name)
    for name, entry in CATALOG.items()
    for task in entry.tasks
    if not entry.needs_text  # tests/analyses/latent has those
]


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
    if name == "learning_coefficient":
        pytest.importorskip("devinterp", reason="devinterp is an optional package")
    return analyze(runs[task], name, progress=False, n_jobs=1, **QUICK.get(name, {}), examples=40)


@pytest.mark.parametrize(("task", "name"), [pair for pair in PAIRS if pair[1] in FIGURES])
def test_every_figure_shows_stored_numbers_of_what_it_names(
    runs: dict, task: str, name: str
) -> None:
    ds = result(runs, task, name)
    assert list(figures(ds)) == list(FIGURES[name])
    for figure_name in FIGURES[name]:
        spec = figure(ds, figure_name)
        assert spec.name == figure_name
        assert spec.title
        assert spec.provenance["analysis"] == name
        json.dumps(spec.to_json())
        for panel in spec.panels if isinstance(spec, Panels) else ():
            assert panel.title
        selected = ds.sel({k: v for k, v in spec.provenance["selection"].items() if k in ds.dims})
        stored = selected
        if figure_name == "strength_change":
            stored = selected - ds.sel(step=0)
        shown = numbers_of(spec)
        assert len(shown) > 0 or figure_name in EMPTY | DIAGRAMS | TABLES, figure_name
        assert np.isin(shown, numbers_in(stored)).all(), figure_name


def numbers_in(ds: xr.Dataset) -> np.ndarray:
    parts = [v.values.astype(float) for v in ds.data_vars.values() if v.dtype.kind in "fiu"]
    return np.concatenate([part.ravel() for part in parts])


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
