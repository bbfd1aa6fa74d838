"""Figures on a slice: of its questions alone, and a sentence where that is not possible."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from typer.testing import CliRunner

from analyses import Slice, stored_result
from analyses.figures.sliced_figures import WHOLE, figures_on
from analyses.figures.specs.charts import HeatMap, Lines, Panels
from analyses.figures.verify import verify
from analyses.slices.cutting import cut_to
from analyses.slices.properties import SplitQuestions
from app.cli.main import cli
from app.shell.exporting import _files
from circuits import open_run
from circuits.errors import HopscopeError
from circuits.runs.run import Run

SOME = Slice(relation_1="farthest city")


@lru_cache
def demo() -> Run:
    return open_run("assets/demo")


def test_a_figure_on_a_slice_shows_the_mean_over_its_questions() -> None:
    spec = figures_on(demo(), SOME)["logit_lens_mrr"].make(6000, "id_test")
    lens = stored_result(demo(), "logit_lens").sel(split="id_test", step=6000, target="bridge")
    rows = SplitQuestions(demo(), "id_test").rows(SOME)
    mine = np.isin(lens["example_row"].values, rows)
    rank = lens["rank_example"].transpose("example", "layer", "position").values[mine]
    assert isinstance(spec, Panels)
    bridge = next(panel for panel in spec.panels if panel.name == "bridge")
    assert isinstance(bridge, HeatMap)
    assert np.allclose(bridge.values, (1 / (rank + 1)).mean(0), atol=1e-6)
    assert f"n = {mine.sum()}" in spec.subtitle
    assert spec.subtitle.endswith("slice: first relation farthest city")


@pytest.mark.parametrize("name", ["logit_lens", "causal_tracing", "bridge_patching"])
def test_a_result_cut_to_all_questions_is_the_stored_one(name: str) -> None:
    ds = stored_result(demo(), name)
    every = {str(s): np.arange(len(demo().queries(str(s)))) for s in ds["split"].values}
    cut = cut_to(ds, every, SOME)
    for variable in (v for v in cut.data_vars if v in ds):
        if str(variable).endswith(("_low", "_high")):  # other intervals, see `analyses.slices`
            continue
        found = cut[variable].transpose(*ds[variable].dims).values
        assert np.allclose(found, ds[variable].values, atol=2e-3, equal_nan=True), variable


def test_the_accuracy_has_the_curve_of_the_slice_beside_those_of_the_splits() -> None:
    spec = figures_on(demo(), SOME)["training_accuracy"].make(None, "id_test")
    assert isinstance(spec, Lines)
    assert spec.series[-1].label == "ID test, slice (n = 24)"
    questions = SplitQuestions(demo(), "id_test")
    keep = np.isin(questions.known_rows, questions.rows(SOME))
    assert spec.series[-1].y.tolist() == questions.right[:, keep].mean(1).tolist()


@pytest.mark.parametrize(
    ("figure", "why"),
    [
        ("component_patching_heads", "stores no values of single questions"),
        ("circuit_discovery_found_circuit", "numbers that are not stored of single questions"),
        *WHOLE.items(),
    ],
)
def test_a_figure_that_cannot_be_read_on_a_slice_says_why(figure: str, why: str) -> None:
    with pytest.raises(HopscopeError, match=why):
        figures_on(demo(), SOME)[figure].make(6000)


def test_the_command_and_the_page_export_the_slice_and_it_is_verified(tmp_path) -> None:
    how = ["--slice", str(SOME), "--split", "id_test", "--step", "6000"]
    command = ["export", "assets/demo", "logit_lens", "--format", "csv", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli, [*command, *how])
    assert done.exit_code == 0
    assert "cannot be read on a slice, so left out: logit_lens_mrr_added" in done.output
    assert {(one.name, one.status) for one in verify(demo(), tmp_path)} == {
        (f"logit_lens_{name}", "matches")
        for name in ("mrr", "mrr_over_training", "mrr_map_over_training")
    }
    figures = [f for f in figures_on(demo(), SOME).values() if f.analysis == "logit_lens"]
    files, left_out = _files(figures, 6000, "id_test", "csv", "column")
    assert left_out == ["cannot be read on a slice, so left out: logit_lens_mrr_added"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("bridges=Paris", "unknown condition"),
        ("bridge=Nowhere", "Nowhere"),
        ("relation_1=farthest city,relation_2=farthest city,bridge=Tokyo", "leave out a condition"),
    ],
)
def test_a_slice_that_is_none_is_refused_in_a_sentence(tmp_path, given: str, sentence: str) -> None:
    command = ["export", "assets/demo", "logit_lens_mrr", "--slice", given, "--out", str(tmp_path)]
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code != 0
    assert sentence in f"{refused.output}{refused.exception}"
    assert not list(tmp_path.iterdir())
