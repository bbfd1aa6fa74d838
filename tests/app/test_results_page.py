"""docs/results.md: its tables are what runs measure, and nothing else of it is changed."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from comparison_corpora import CORPORA
from hand_wired import hand_wired, random_model, save_as_run

from analyses.stored import stored_result
from app.results import __main__ as command
from app.results import routes
from app.results.beyond import LEAST, beyond_shortcuts
from app.results.experiments import EXPERIMENTS, Arm, Experiment, Published
from app.results.measure import MEASURES, measured
from app.results.routes import FOLLOWS, WAYS, by_relation
from app.results.tables import experiment_table, replaced
from circuits.corpus.shortcuts import shortcut_answers
from circuits.errors import HopscopeError
from circuits.recipes.schema import load_recipe
from circuits.runs.run import open_run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results.md"


def test_every_arm_is_a_valid_recipe_and_every_row_a_measure() -> None:
    for experiment in EXPERIMENTS:
        assert set(experiment.measures) <= set(MEASURES)
        recipes = [load_recipe(arm.recipe_file, arm.settings) for arm in experiment.arms]
        assert all(recipes.count(recipe) == 1 for recipe in recipes)


def test_the_page_has_a_place_for_every_result() -> None:
    places = re.findall(r"<!-- table (\w+) -->", PAGE.read_text(encoding="utf-8"))
    assert sorted(places) == sorted(command.NAMES)


def test_a_run_is_measured_as_it_is_certified() -> None:
    run = open_run(ROOT / "assets" / "demo")
    found, last = measured(run), run.rows()[-1]
    assert found["id"] == last["accuracy/id_test"] == 0.978
    assert (found["memorized_step"], found["generalized_step"]) == (600, 5500)
    assert found["io"] == last["accuracy/io_test"]
    assert found["verdict"] == "composes through the bridge in part"


def test_ways_of_all_relations_add_up_and_count_every_right_answer() -> None:
    run = open_run(ROOT / "assets" / "demo")
    table = by_relation([run])
    assert table.loc["all", "n"] == table["n"].iloc[:-1].sum() == 978
    assert table[list(WAYS)].sum(axis=1).to_numpy() == pytest.approx(1)
    alone = table.loc["all", WAYS[0]] + table.loc["all", WAYS[1]]
    assert alone == pytest.approx(measured(run)["route_mean"])
    assert table.loc["all", FOLLOWS] == pytest.approx(0.556, abs=0.02)  # of the right ones


def test_the_way_of_an_answer_does_not_depend_on_the_donor_that_was_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = open_run(ROOT / "assets" / "demo")
    before = by_relation([run])
    stored = stored_result(run, "evidence")
    assert stored is not None
    others = stored.assign(swap_example=stored.swap_example.where(stored.swap_example < 0, 0))
    monkeypatch.setattr(routes, "stored_result", lambda *_: others)
    after = by_relation([run])
    assert after.loc["all", FOLLOWS] == 0
    assert after.loc[before.index, list(WAYS)].equals(before[list(WAYS)])


def test_nearly_all_answers_of_textbook_come_by_the_route_only() -> None:
    table = by_relation([open_run(ROOT / "assets" / "textbook")])
    assert (table[WAYS[0]] > 0.7).all()
    assert table.loc["all", WAYS[0]] > 0.9


def test_a_table_shows_the_mean_over_seeds_and_each_verdict() -> None:
    arms = {"a": [{"id": v, "verdict": "memorizes"} for v in (0.1, 0.2, 0.3)]}
    experiment = Experiment("x", "what", (Arm("a", "demo"),), ("id", "ood"))
    assert experiment_table(experiment, arms).splitlines() == [
        "| what | a |",
        "| --- | --- |",
        "| ID | .20 [.00, .45] |",
        "| OOD | – |",
        "| verdicts | 3 memorizes |",
    ]


def test_published_numbers_stand_beside_those_of_runs_and_no_certificate_is_a_dash() -> None:
    theirs = Published("*Paper*", {"id": ".93"})
    experiment = Experiment("x", "what", (Arm("a", "demo"),), ("id", "ood"), (theirs,))
    assert experiment_table(experiment, {"a": [{"id": 0.5}] * 3}).splitlines() == [
        "| what | a | *Paper* |",
        "| --- | --- | --- |",
        "| ID | .50 [.50, .50] | .93 |",
        "| OOD | – | – |",
        "| verdicts | – | – |",
    ]


def test_a_model_that_composes_is_right_where_no_shortcut_is(tmp_path: Path) -> None:
    wired = hand_wired()
    run = save_as_run(tmp_path / "run", wired.corpus, {0: wired.model})
    asked = run.queries("id_test")
    given = np.array(list(shortcut_answers(wired.corpus, asked).values()))
    nobody = [i for i, answer in enumerate(asked.answer_ids) if answer not in given[:, i]]
    assert LEAST <= len(nobody) < len(asked)
    assert beyond_shortcuts(run) == {"id_beyond": 1.0, "id_beyond_n": len(nobody)}


def test_a_run_of_comparisons_is_measured_beside_its_shortcuts(tmp_path: Path) -> None:
    corpus = CORPORA["order"]
    run = save_as_run(tmp_path / "run", corpus, {0: random_model(corpus)})
    found = measured(run)
    assert found["id"] == run.rows()[-1]["accuracy/id_test"]
    assert found["id_shortcut"] == max(run.baselines["id_test"].values())
    assert found["ood_n"] == len(run.queries("ood_test"))
    assert "verdict" not in found


def test_a_result_on_2wiki_asks_for_its_questions_and_is_left_out_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HopscopeError, match="--two-wiki"):
        command.results(["wild"], runs=tmp_path, page=PAGE)
    asked: list[str] = []
    monkeypatch.setattr(command, "_experiment", lambda e, *_: asked.append(e.name) or ("", []))
    monkeypatch.setattr(command, "_placed", lambda page, text, *_: text)
    monkeypatch.setattr(command, "_keep_rows", lambda *_: None)
    monkeypatch.setattr(command, "ROUTES", "none")
    command.results(None, runs=tmp_path, page=PAGE)
    assert asked == [e.name for e in EXPERIMENTS if e.name != "wild"]


def test_a_page_without_the_place_is_refused_and_kept(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="no <!-- table phi -->"):
        replaced("# Results", "phi", "| a |")


def test_the_command_rewrites_one_table_and_leaves_the_sentences(tmp_path: Path) -> None:
    """With the demo as its only seed: a finished run is not trained again."""
    shutil.copytree(ROOT / "assets" / "demo", tmp_path / "runs" / "demo" / "seed=0")
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- table routes -->\n<!-- end -->\nafter\n", encoding="utf-8")
    command.results(["routes"], runs=tmp_path / "runs", page=page, seeds=1, jobs=1)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- table routes -->\n| second relation | answers |")
    assert text.endswith("<!-- end -->\nafter\n")


def test_an_unknown_result_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="phi"):
        command.results(["phy"], runs=tmp_path, page=PAGE)
