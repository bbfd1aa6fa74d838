"""Both papers' figures from runs: what feeds which panel, what is missing, what is published."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import tiny_recipe
from typer.testing import CliRunner

from analyses.figures.papers.accuracies import curve
from analyses.figures.papers.build import papers
from analyses.figures.papers.families import Family, families, nearest, of_kind, series_of
from analyses.figures.papers.grokked import figure_2
from analyses.figures.papers.wild import figure_1, table_3
from analyses.figures.renderers.latex import table_to_latex
from analyses.figures.specs.charts import Lines
from analyses.figures.specs.facts import Table
from app.cli.main import cli
from circuits.errors import HopscopeError
from circuits.runs.run import open_run

DEMO = Path(__file__).parents[3] / "assets" / "demo"


class Given:
    """A run as far as families read it."""

    def __init__(self, name: str, **settings) -> None:
        self.path, self.recipe = Path(name), tiny_recipe(**settings)


def names(found: list[Family]) -> list[tuple[str, ...]]:
    return [family.names for family in found]


def test_runs_that_differ_in_seed_checkpoints_or_device_are_one_family() -> None:
    runs = [
        Given("a", seed=1),
        Given("b", seed=0, checkpoints__every=20),
        Given("c", seed=2, training__device="auto"),
        Given("d", seed=0, augmentation__phi=1.5),
        Given("again", seed=1, evaluation__every=5),
    ]
    assert names(families(runs)) == [("b", "a", "c"), ("d",)]


def test_a_series_is_of_families_that_differ_in_one_thing_alone() -> None:
    found = families(
        [
            Given("p2", augmentation__phi=2.0),
            Given("p1", augmentation__phi=1.0),
            Given("other", augmentation__phi=1.5, training__lr=0.5),
            Given("big", source__options={"n_entities": 20, "n_relations": 6, "out_degree": 4}),
        ]
    )
    assert names(series_of(found, "phi")) == [("p1",), ("p2",)]
    assert names(series_of(found, "size")) == [("p2",), ("big",)]
    assert series_of(found[:1], "phi") == []
    assert nearest(found, 1.1).names == ("p1",)
    assert nearest([], 1.1) is None


def test_real_facts_stand_for_wild_and_drawn_ones_for_grokked() -> None:
    found = families([Given("drawn"), Given("real", source={"name": "geonames"})])
    assert names(of_kind(found, "composition", real=True)) == [("real",)]
    assert names(of_kind(found, "composition", real=False)) == [("drawn",)]
    assert of_kind(found, "comparison") == []


@pytest.fixture(scope="module")
def demo() -> Family:
    return families([open_run(DEMO)])[0]


def test_the_accuracy_of_one_run_is_its_own_with_an_interval_over_questions(demo) -> None:
    found = curve(demo, "id_test")
    rows = open_run(DEMO).rows()
    np.testing.assert_array_equal(found.mean, [row["accuracy/id_test"] for row in rows])
    assert (found.questions, found.over) == (1000, "questions")
    assert found.low[-1] < found.mean[-1] < found.high[-1]
    assert curve(demo, "injected") is None


def test_our_column_stands_beside_the_published_ones_and_says_so(demo) -> None:
    table = table_3({"comparison": None, "composition": demo})
    assert [c for c in table.columns if "(published)" in c] == [
        "original data (published)", "GPT-4o (published)", "o1-mini (published)",
        "grokked (published)",
    ]  # fmt: skip
    row = dict(zip(table.columns, table.rows[3], strict=True))
    assert row["questions"] == "composition, ID test"
    assert (row["grokked (published)"], row["ours"]) == (0.93, pytest.approx(0.978))
    assert dict(zip(table.columns, table.rows[0], strict=True))["ours"] is None
    bars = figure_1({"comparison": None, "composition": demo}).panels
    assert [s.label for s in bars[1].series][-1] == "ours"
    assert bars[0].subtitle == "no run of this task was given"
    assert [r.value for r in bars[0].references] == [0.5]
    best = max(open_run(DEMO).baselines["id_test"].values())
    assert bars[1].references[0].value == pytest.approx(best)


def test_an_epoch_is_every_trained_question_and_fact_once(demo) -> None:
    assert demo.trained == 9040 + 1458 + 162
    panel = figure_2([], [demo]).panels[0]
    assert isinstance(panel, Lines)
    assert panel.series[0].x[-1] == pytest.approx(6000 * 1024 / demo.trained)
    assert panel.series[0].label == "40 countries"


def test_the_command_draws_what_it_can_and_names_what_makes_the_rest(tmp_path) -> None:
    done = CliRunner().invoke(
        cli, ["paper", str(DEMO), str(DEMO), "--out", str(tmp_path), "--format", "csv"]
    )
    assert done.exit_code == 0, done.output
    assert "Wild figures 1 and 4 and table 3, composition: demo (geonames, phi 6.2, 1 seed)" in (
        done.output
    )
    assert "missing: Grokked figure 2, by phi; make it with: hopscope sweep textbook" in done.output
    assert "hopscope train wild-comparison" in done.output
    written = {path.name for path in tmp_path.iterdir()}
    assert {"wild_table_3.tex", "wild_table_3.csv", "grokked_figure_9_c.csv"} <= written
    record = json.loads((tmp_path / "grokked_figure_9_a.json").read_text())
    assert record["provenance"]["selection"] == {"step": 600, "split": "train_inferred"}
    assert str(DEMO.parent) not in "".join(p.read_text() for p in tmp_path.glob("*.json"))


def test_every_command_that_makes_what_is_missing_is_one() -> None:
    from analyses.figures.papers.build import COMMANDS
    from circuits.recipes.schema import load_recipe
    from train.recipes import recipe_file

    for command in COMMANDS.values():
        words = command.split()
        assert words[:2] in (["hopscope", "train"], ["hopscope", "sweep"])
        grid = [words[i + 1] for i, word in enumerate(words) if word == "--grid"]
        overrides = [f"{key}={v.split(',')[0]}" for key, v in (g.split("=") for g in grid)]
        load_recipe(recipe_file(words[2]), overrides)


def test_no_run_and_a_folder_without_runs_are_refused_in_a_sentence(tmp_path) -> None:
    with pytest.raises(HopscopeError, match="name at least one run"):
        papers([])
    done = CliRunner().invoke(cli, ["paper", str(tmp_path), "--out", str(tmp_path / "out")])
    assert "there is no run in" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_run_that_does_not_say_how_it_was_made_is_left_out_with_the_reason(monkeypatch) -> None:
    whole, imported = open_run(DEMO), open_run(DEMO)
    monkeypatch.setattr(type(whole), "knows", lambda run, name: run is whole or name == "splits")
    object.__setattr__(imported, "path", Path("imported"))
    monkeypatch.setattr("analyses.figures.papers.build._grokked", lambda found, made: None)
    made = papers([imported, whole])
    assert list(made.left_out) == ["imported"]
    assert "does not say how it was made (source, augmentation" in made.left_out["imported"]
    assert "demo" in made.fed_by["Wild figures 1 and 4 and table 3, composition"]
    with pytest.raises(HopscopeError, match="does not say how it was made"):
        papers([imported])


def test_names_are_literal_in_latex_and_every_row_is_written() -> None:
    rows = tuple((f"a_{i} & 50% \\x", 0.5) for i in range(45))
    spec = Table(name="t", title="T", columns=("n#", "v"), rows=rows, formats=("", ".2f"))
    text = table_to_latex(spec)
    assert text.count(r"\& 50\% \textbackslash{}x & 0.50 \\") == 45
    assert r"n\# & v \\" in text
    assert text.startswith("% T\n\\begin{tabular}{lr}")
    with pytest.raises(HopscopeError, match="only a table"):
        table_to_latex(Lines(name="l", title="L", series=()))


def test_sheets_and_papers_load_no_torch(tmp_path) -> None:
    """Nothing here runs a model."""
    code = (
        "import sys; from typer.testing import CliRunner; from app.cli.main import cli; "
        f"done = CliRunner().invoke(cli, ['paper', {str(DEMO)!r}, '--out', {str(tmp_path)!r}, "
        "'--format', 'csv']); print(done.exit_code, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["0", "False"]
