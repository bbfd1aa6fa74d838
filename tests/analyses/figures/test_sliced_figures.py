"""Figures on a slice: of its questions alone, and a sentence where that is not possible."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from analyses import Slice, stored_result
from analyses.figures.nothing import replace_by_sentence
from analyses.figures.sliced_figures import WHOLE, figures_on
from analyses.figures.specs.charts import HeatMap, Lines, Panels
from analyses.figures.verify import verify
from analyses.over_training.first_usable import first_usable
from analyses.slices.cutting import cut_to
from analyses.slices.properties import SplitQuestions
from app.cli.main import cli
from app.shell.exporting import _files, _of_page
from circuits import open_run
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import LEAST_EXAMPLES

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
        ("logit_lens_mrr_added", "against a placebo question, whose rank is stored of no single"),
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


ELSEWHERE = Slice(bridge="Mumbai")
"""A bridge of trained and OOD questions, and of no ID test question."""
UNMEASURED = Slice(bridge="Abuja")
"""A bridge of ID test questions, of which none is among the 300 that the analyses ask."""


def exported(folder: Path, *how: str) -> tuple[str, dict[str, str]]:
    """What the command says, and the data that it writes, by figure."""
    command = ["export", "assets/demo", "--format", "csv", "--out", str(folder), *how]
    done = CliRunner().invoke(cli, command)
    return f"{done.output}{done.exception or ''}", {
        path.stem: path.read_text() for path in folder.glob("*.csv")
    }


@pytest.mark.parametrize("chosen", [ELSEWHERE, UNMEASURED])
def test_no_figure_is_written_of_a_split_without_a_question_of_the_slice(
    tmp_path: Path, chosen: Slice
) -> None:
    said, written = exported(tmp_path, "logit_lens", "mixing", "--slice", str(chosen))
    assert written == {}
    assert f"No measured question of ID test is in the slice ({chosen.words}); choose " in said
    assert "trained questions" in said
    assert "or leave out a condition." in said


def test_one_sentence_names_the_figures_without_a_question_of_the_slice(tmp_path: Path) -> None:
    """Swaps in a subspace were asked of ID test alone, which has none."""
    how = ["--slice", str(ELSEWHERE), "--split", "ood_test"]
    figures = ["bridge_patching", "bridge_subspace", "circuit_discovery", "logit_lens"]
    said, written = exported(tmp_path, *figures, *how)
    assert "no question of the slice, so left out: bridge_subspace_subspace_swaps\n" in said
    assert "left out circuit_discovery_faithfulness: This analysis was run on trained" in said
    assert {"bridge_patching_success", "logit_lens_mrr"} <= set(written)
    assert not any("nothing to show" in text for text in written.values())


def test_a_curve_without_a_question_of_the_slice_is_not_in_the_legend() -> None:
    spec = figures_on(demo(), ELSEWHERE)["bridge_patching_success_over_training"].make(
        None, "ood_test"
    )
    assert isinstance(spec, Lines)
    assert all(np.isfinite(series.y).any() for series in spec.series)
    assert "without a question: control: same bridge" in spec.subtitle


def test_a_name_that_no_question_has_is_refused_once_with_the_nearest(tmp_path: Path) -> None:
    said, written = exported(tmp_path, "--slice", "bridge=Mumbay")
    assert written == {}
    assert said.count("No question has the bridge 'Mumbay'; did you mean 'Mumbai'?") == 1
    said, _ = exported(tmp_path, "--slice", "attribute=colour")
    assert "No question has an attribute; leave it out of the slice." in said


def test_the_page_leaves_out_what_the_command_leaves_out() -> None:
    figures = [f for f in figures_on(demo(), ELSEWHERE).values() if f.analysis == "logit_lens"]
    with pytest.raises(HopscopeError, match="choose trained questions or OOD test"):
        _files(figures, 6000, "id_test", "csv", "column")
    files, _ = _files(figures, 6000, "ood_test", "csv", "column")
    assert "logit_lens_mrr.csv" in files


def test_a_figure_of_the_page_that_shows_nothing_is_not_exported() -> None:
    heat = figures_on(demo(), SOME)["logit_lens_mrr"].make(6000, "id_test")
    nothing = replace_by_sentence(heat, "No question could be measured.")
    files, left_out = _files([_of_page(heat), _of_page(nothing)], 6000, "id_test", "csv", "column")
    assert sorted(files) == ["mrr.csv", "mrr.json"]
    assert left_out == ["left out mrr: No question could be measured."]


def test_the_order_of_a_few_questions_is_a_share_without_an_interval() -> None:
    """Two of OOD test are in the slice, and none of ID test."""
    lens = stored_result(demo(), "logit_lens")
    figures = figures_on(demo(), ELSEWHERE)
    found = figures["first_usable_order"].result
    assert found is not None
    cut = found().sel(split="ood_test")
    rows = SplitQuestions(demo(), "ood_test").rows(ELSEWHERE)
    mine = np.isin(lens["example_row"].sel(split="ood_test").values, rows)
    assert 0 < mine.sum() < LEAST_EXAMPLES
    one = first_usable(lens).sel(split="ood_test").first_layer_example
    expected = (one.transpose("step", "name", "example").values[..., mine] >= 0).mean(-1)
    assert np.allclose(cut.decoded.transpose("step", "name"), expected)
    assert np.isnan(cut.decoded_low).all()
    assert int(cut.decoded_n.max()) == mine.sum()
    assert "n = 2" in figures["first_usable_order"].make(6000, "ood_test").subtitle
