"""Every page of the dashboard on a small real run, without a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from dashboard_runs import analyzed_run, compared_run
from streamlit.testing.v1 import AppTest

from analyses.slices.properties import SplitQuestions
from app.logic.lab import patch_lab
from app.shell import folders, importing, slicing
from circuits import open_run
from circuits.errors import HopscopeError

PAGES = ("formation", "question", "lab", "slices", "data", "runs", "compare", "training")
MAIN = Path(__file__).parents[2] / "app" / "dashboard.py"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dashboard")
    analyzed_run(root / "small")
    return root


@pytest.fixture
def runs(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder of this test's own, with one run called "small" and no demo."""
    st.cache_resource.clear()
    root = tmp_path / "runs"
    shutil.copytree(source, root)
    monkeypatch.setenv(folders.ENVIRONMENT, str(root))
    monkeypatch.setattr(folders, "DEMOS", ())
    return root


def opened(page: str, **parameters: str) -> AppTest:
    app = AppTest.from_string(f"from app.views.{page} import page\npage()", default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key] = value
    return app.run()


def errors(app: AppTest) -> list[str]:
    return [read(element.value) for element in app.error] + [e.value for e in app.exception]


def text_of(app: AppTest) -> str:
    kinds = (app.error, app.warning, app.info, app.caption, app.markdown, app.success)
    return read("\n".join(str(element.value) for kind in kinds for element in kind))


def read(markdown: str) -> str:
    """What people see of text whose punctuation has a backslash before it."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_on_a_finished_run_without_error(runs: Path, page: str) -> None:
    assert errors(opened(page)) == []


def test_the_main_script_opens_the_formation_page(runs: Path) -> None:
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert errors(app) == []
    assert "None of the 64 facts is real" in text_of(app)
    assert not app.markdown  # no bare text of the script is shown


def test_the_page_keeps_its_place_without_the_notice_and_with_a_slice(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What moves is drawn anew in the browser: the instrument, and a popover that is open closes.

    The notice stands there only until the page's libraries have been read.
    """
    monkeypatch.delitem(importing._LOADED, "app.views.formation", raising=False)
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    first = places(app.main)
    assert app.run().query_params["run"] == "small"
    again = places(app.main)
    app.query_params["slice"] = "relation_1=r_1"
    sliced = places(app.run().main)
    assert "small" in app.query_params["run"]
    assert {"bidi_component", "popover"} <= set(first)
    assert first == again
    assert {kind: sliced[kind] for kind in first} == first


def places(block: Any, path: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Where the first block or element of every kind that redrawing would be seen of is.

    What is in a popover moves with it.
    """
    found: dict[str, tuple[int, ...]] = {}
    for i, child in getattr(block, "children", {}).items():
        if child.type in ("bidi_component", "popover"):
            found.setdefault(child.type, (*path, i))
        if child.type != "popover":
            found = places(child, (*path, i)) | found
    return found


@pytest.mark.parametrize("page", PAGES)
def test_without_runs_a_page_says_how_to_get_one(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv(folders.ENVIRONMENT, str(empty))
    monkeypatch.setattr(folders, "DEMOS", ())
    app = opened(page)
    assert errors(app) == []
    words = "hopscope train" if page != "training" else "Start a training"
    assert words in text_of(app)


def test_run_and_step_are_read_from_and_written_to_the_address(runs: Path) -> None:
    app = opened("formation", run="small", step="20")
    assert app.query_params["run"] == "small"
    assert app.query_params["step"] == "20"


def test_a_step_between_checkpoints_becomes_the_nearest(runs: Path) -> None:
    assert opened("formation", step="23").query_params["step"] == "20"


@pytest.mark.parametrize("nonsense", ["../../etc", "/etc/passwd", "nothing", "\u202e<b>x</b>"])
def test_a_run_that_is_not_there_is_named_and_another_shown(runs: Path, nonsense: str) -> None:
    app = opened("formation", run=nonsense)
    assert errors(app) == []
    assert "no run called" in text_of(app)
    assert app.query_params["run"] == "small"


def test_nonsense_in_the_address_is_survived(runs: Path) -> None:
    app = opened("question", step="many", question="a|b", donor="../x|y|z", unknown="1")
    assert errors(app) == []
    assert "not of the form" in text_of(app)


def test_a_damaged_manifest_is_said_to_be_damaged(runs: Path) -> None:
    (runs / "small" / "manifest.json").write_text("{")
    app = opened("formation")
    assert "damaged run" in text_of(app)
    assert not app.exception


def test_a_half_written_run_is_said_to_be_half_written(runs: Path) -> None:
    (runs / "small" / "manifest.json").unlink()
    app = opened("formation")
    assert "half-written" in text_of(app)
    assert not app.exception


def test_a_run_deleted_while_open_is_said_to_be_gone(runs: Path) -> None:
    app = opened("formation")
    shutil.rmtree(runs / "small")
    app.run()
    assert not app.exception
    assert "hopscope train" in text_of(app)


def test_missing_results_leave_the_curves_and_say_what_to_run(runs: Path) -> None:
    shutil.rmtree(runs / "small" / "results")
    app = opened("formation")
    assert errors(app) == []
    (warning,) = app.warning
    assert "Press Measure on the page Train" in read(warning.value)
    assert "small logit_lens causal_tracing bridge_patching`" in read(warning.value)


def test_the_address_of_a_large_sweep_keeps_all_its_runs_and_their_alignment(runs: Path) -> None:
    names = [f"phi=3.5_weight_decay=0.1_learning_rate=0.001_seed={seed}" for seed in range(6)]
    for name in names:
        shutil.copytree(runs / "small", runs / name)
    app = opened("compare", **{"with": ",".join(names), "by": "accuracy"})
    assert errors(app) == []
    assert app.multiselect[0].value == names
    assert app.session_state["aligned"] == "accuracy"
    assert app.query_params["by"] == "accuracy"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"with": "small,other,gone"}, "no run called 'gone' here, so it is left out"),
        ({"with": "gone,small,other,lost"}, "no runs called 'gone' and 'lost' here, so they are"),
        ({"with": "small,other", "run": "gone"}, "no run called 'gone' here, so it is left out"),
    ],
)
def test_an_unknown_run_among_the_compared_is_named_and_the_others_stay(
    runs: Path, parameters: dict[str, str], named: str
) -> None:
    shutil.copytree(runs / "small", runs / "other")
    app = opened("compare", **parameters)
    assert errors(app) == []
    assert app.multiselect[0].value == ["small", "other"]
    (warning,) = app.warning
    assert named in read(warning.value)
    assert {"small", "other"} <= set(re.findall(r"\w+", read(warning.value).partition(";")[2]))
    again = app.run()
    assert named in text_of(again)  # a page draws itself anew by itself
    assert "gone" in again.query_params["with"]
    again.multiselect[0].set_value(["small"]).run()
    assert not again.warning  # seen, and chosen anew
    assert again.query_params["with"] == "small"


def test_a_compared_run_that_is_deleted_is_named_and_the_others_stay(runs: Path) -> None:
    shutil.copytree(runs / "small", runs / "other")
    app = opened("compare", **{"with": "small,other"})
    shutil.rmtree(runs / "other")
    app.run()
    assert errors(app) == []
    assert app.multiselect[0].value == ["small"]
    assert "no run called 'other' here, so it is left out; there is small." in text_of(app)
    shutil.copytree(runs / "small", runs / "other")
    assert app.run().multiselect[0].value == ["small", "other"]
    assert not app.warning


def test_a_damaged_run_in_the_address_does_not_hide_the_compared_ones(runs: Path) -> None:
    shutil.copytree(runs / "small", runs / "broken")
    (runs / "broken" / "manifest.json").write_text("{")
    app = opened("compare", run="broken", **{"with": "broken,small"})
    assert errors(app) == []
    assert "broken is left out: " in text_of(app)
    assert app.query_params["run"] == "small"


def test_a_measuring_that_ended_early_says_why(runs: Path) -> None:
    for marker in (runs / "small" / "results").glob("*.json"):
        table = json.loads(marker.read_text())
        marker.write_text(json.dumps({**table, "steps": table["steps"][:1]}))
    (runs / ".small.measuring.log").write_text("1/2\ncheckpoint 20 cannot be read.\n")
    assert "checkpoints. checkpoint 20 cannot be read." in text_of(opened("training", run="small"))


def test_results_of_another_version_are_refused_with_a_remedy(runs: Path) -> None:
    marker = runs / "small" / "results" / "logit_lens.json"
    table = json.loads(marker.read_text())
    table["settings"]["version"] = 0
    marker.write_text(json.dumps(table))
    app = opened("formation")
    assert errors(app) == []
    assert "logit_lens.zarr was made by another version" in text_of(app)
    assert "logit_lens --again" in text_of(app)


def test_a_checkpoint_that_was_changed_is_refused_in_words(runs: Path) -> None:
    for checkpoint in (runs / "small" / "checkpoints").iterdir():
        checkpoint.write_bytes(checkpoint.read_bytes()[:-8] + b"12345678")
    app = opened("question")
    assert not app.exception
    assert "checkpoint" in text_of(app).lower()


def test_searching_finds_only_questions_with_all_words(runs: Path) -> None:
    app = opened("question")
    app.text_input(key="question_words").set_value("e_3 r_1").run()
    options = app.selectbox(key="question_hit").options
    assert options
    assert all("e_3" in option and "r_1" in option for option in options)


def test_a_composed_question_is_in_the_address(runs: Path) -> None:
    app = opened("question", question="e_0|r_0|r_1")
    app.toggle(key="question_composing").set_value(True).run()
    app.selectbox(key="question_part_0").set_value(app.selectbox(key="question_part_0").value)
    assert errors(app) == []
    assert app.query_params["question"] == "e_0|r_0|r_1"


def test_a_batch_of_patches_gives_a_share_with_its_interval(runs: Path) -> None:
    app = opened("lab")
    button = next(b for b in app.button if "Patch" in b.label)
    button.click().run()
    assert errors(app) == []
    assert "95% interval" in text_of(app)


def test_a_file_of_the_answers_before_another_cell_was_chosen_is_not_offered(runs: Path) -> None:
    app = opened("lab", cells="0,2")
    app.toggle(key="export_open").set_value(True).run()
    app.selectbox(key="export_figure").set_value("lab_answers")
    app.selectbox(key="export_format").set_value("csv").run()
    app.button(key="export_make").click().run()
    assert "Save lab_answers.csv" in saves(app)
    app.session_state["picked_lab"] = [[1, 2]]
    app.run()
    assert "Save lab_answers.csv" not in saves(app)


def saves(app: AppTest) -> list[str]:
    return [read(element.proto.label) for element in app.get("download_button")]


def test_an_error_in_what_depends_on_the_cells_is_a_sentence(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise HopscopeError("this state cannot be written.")

    monkeypatch.setattr(patch_lab, "outcome", refused)
    assert errors(opened("lab")) == ["this state cannot be written."]


def test_a_name_that_leads_out_of_the_runs_folder_is_refused(runs: Path) -> None:
    app = opened("training")
    app.text_input(key="name_demo").set_value("../elsewhere").run()
    next(b for b in app.button if b.label == "Start training").click().run()
    assert "cannot name a run" in text_of(app)
    assert not (runs.parent / "elsewhere").exists()


@pytest.mark.parametrize(
    ("page", "figures"),
    [
        (
            "question",
            {"question_answers", "question_bridge", "question_swap", "question_attention"},
        ),
        ("lab", {"lab_grid", "lab_answers"}),
        ("data", {"data_around", "data_relations", "data_facts", "data_splits"}),
        ("compare", {"compare_id_accuracy", "compare_bridge_swap", "compare_trained_accuracy"}),
    ],
)
@pytest.mark.parametrize("file_format", ["csv", "svg", "html"])
def test_what_a_page_shows_is_exported_with_its_numbers(
    runs: Path, page: str, figures: set[str], file_format: str
) -> None:
    app = opened(page)
    app.toggle(key="export_open").set_value(True).run()
    assert app.selectbox(key="export_figure").value.startswith("all figures of this page")
    app.selectbox(key="export_format").set_value(file_format)
    app.button(key="export_make").click().run()
    assert errors(app) == []
    files = app.session_state["exported"][1]
    assert figures <= {Path(name).stem for name in files}
    for stem in figures:
        assert {f"{stem}.{file_format}", f"{stem}.csv", f"{stem}.json"} <= set(files)
        assert files[f"{stem}.csv"].count(b"\n") > 3
        assert json.loads(files[f"{stem}.json"])["provenance"]
    if page == "compare":  # the accuracy that the run has recorded
        last = json.loads((runs / "small" / "metrics.jsonl").read_text().splitlines()[-1])
        row = files["compare_id_accuracy.csv"].decode().splitlines()[-1].split(",")
        assert float(row[2]) == pytest.approx(last["accuracy/id_test"], abs=1e-4)


def test_the_split_that_is_shown_is_the_one_that_is_exported(runs: Path) -> None:
    app = opened("formation", split="train_inferred", step="20")
    app.toggle(key="export_open").set_value(True).run()
    app.selectbox(key="export_figure").set_value("causal_tracing_strength_over_training")
    app.selectbox(key="export_format").set_value("csv")
    app.button(key="export_make").click().run()
    assert errors(app) == []
    files = app.session_state["exported"][1]
    record = json.loads(files["causal_tracing_strength_over_training.json"])
    assert record["provenance"]["selection"]["split"] == "train_inferred"


def test_recipes_in_the_runs_folder_are_offered_beside_those_of_hopscope(runs: Path) -> None:
    demo = Path(__file__).parents[2] / "train" / "recipes" / "demo.toml"
    shutil.copy(demo, runs / "mine.toml")
    (runs / "linked.toml").symlink_to(demo)
    options = opened("training").selectbox(key="recipe").options
    assert options[0] == "demo"
    assert "mine" in options
    assert "linked" not in options


def test_a_finished_run_can_be_measured_afterwards(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.background import jobs

    shutil.rmtree(runs / "small" / "results")
    asked: list[Path] = []
    monkeypatch.setattr(jobs, "measure", asked.append)
    app = opened("training", run="small")
    assert "only accuracy and loss" in text_of(app)
    next(b for b in app.button if b.label == "Measure").click().run()
    assert asked == [runs / "small"]
    assert errors(app) == []


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("comparisons")
    compared_run(root / "compared")
    return root


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_on_a_run_of_the_comparison_task(
    comparisons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    st.cache_resource.clear()
    monkeypatch.setenv(folders.ENVIRONMENT, str(comparisons))
    monkeypatch.setattr(folders, "DEMOS", ())
    app = opened(page, run="compared")
    assert errors(app) == []
    assert not app.warning
    if page == "formation":
        assert "v1 first value, v2 second value, t answer" in text_of(app)
    if page == "data":
        assert "phi_r" not in text_of(app)  # no two hops are taken here
        assert [metric.label for metric in app.metric] == ["Trained comparisons per fact"]
        tables = [list(table.value.columns) for table in app.dataframe]
        assert tables[0] == ["relation", "facts"]
        assert "in trained comparisons" in tables[1]
        facts = open_run(comparisons / "compared").graph.facts
        assert app.selectbox(key="entity").value in facts[:, 0]  # not a value, which has none
    if page in ("question", "lab"):
        question, donor = app.query_params["question"], app.query_params["donor"]
        assert question.split("|")[0] == donor.split("|")[0]  # of the same attribute
        app.toggle(key="question_composing").set_value(True).run()
        assert errors(app) == []
        assert app.selectbox(key="question_part_0").label == "Attribute"


def test_a_slice_in_the_address_is_said_on_every_page_of_a_run(runs: Path) -> None:
    for page in ("formation", "question", "lab", "slices", "data"):
        app = opened(page, slice="relation_1=r_1")
        assert errors(app) == []
        assert "Slice: first relation r_1: " in text_of(app)
        assert app.query_params["slice"] == "relation_1=r_1"


def test_a_slice_without_questions_or_that_cannot_be_read_is_a_sentence(runs: Path) -> None:
    app = opened("slices", slice="relation_1=nothing")
    assert errors(app) == []
    assert "No question has the first relation 'nothing'" in text_of(app)
    broken = opened("formation", slice="colour=blue")
    assert errors(broken) == []
    assert "The slice in the address cannot be read: unknown condition 'colour'" in text_of(broken)
    assert "slice" not in broken.query_params


def test_a_name_that_no_question_has_is_told_with_the_nearest_on_page_and_panel(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(slicing, "choose_slice", lambda said, key: sent.append(said))
    app = opened("formation", slice="relation_1=r_11")
    assert errors(app) == []
    told = "No question has the first relation 'r_11'; did you mean 'r_1'?"
    assert told in text_of(app)
    notes = {condition["name"]: condition["note"] for condition in sent[-1]["conditions"]}
    assert notes["relation_1"] == told
    assert set(notes.values()) == {told, ""}
    app.toggle(key="export_open").set_value(True).run()
    assert errors(app) == []
    assert [info.value for info in app.info if "r_11" in read(info.value)]
    assert not [box for box in app.selectbox if box.key == "export_figure"]
    opened("formation", slice="attribute=colour")
    assert sent[-1]["note"].startswith("No question has an attribute; leave it out of the slice.")


def test_a_slice_that_another_split_alone_has_says_which(runs: Path) -> None:
    run = open_run(runs / "small")
    trained = SplitQuestions(run, "train_inferred")
    measured = set(trained.names("bridge")[trained.known_rows])
    name = min(measured - {*SplitQuestions(run, "id_test").asked("bridge")})
    app = opened("formation", slice=f"bridge={name}")
    assert errors(app) == []
    assert f"No measured question of ID test is in the slice (bridge {name})" in text_of(app)
    assert "choose trained questions" in text_of(app)


def test_a_condition_that_is_chosen_is_in_the_address_and_searched(runs: Path) -> None:
    app = opened("question")
    app.toggle(key="slice_open").set_value(True).run()
    chosen_in_panel(app, 1, relation_1="r_1")
    assert errors(app) == []
    assert app.query_params["slice"] == "relation_1=r_1"
    assert all(" -r_1-> " in option for option in app.selectbox(key="question_hit").options[1:])
    chosen_in_panel(app, 2, relation_1="r_1", right="no@40")
    assert app.query_params["slice"] == "relation_1=r_1,right=no,step=40"
    chosen_in_panel(app, 2, bridge="e_1")  # an earlier choice that comes late
    assert app.query_params["slice"] == "relation_1=r_1,right=no,step=40"
    chosen_in_panel(app, 3, right="maybe")
    assert errors(app) == []
    assert "right=maybe is neither yes nor no" in text_of(app)


def test_what_was_chosen_in_a_box_holds_though_its_callback_was_interrupted(runs: Path) -> None:
    """The next request interrupts a callback, and Streamlit does not call it again."""
    shutil.copytree(runs / "small", runs / "other")
    app = opened("slices", run="small")
    app.session_state["run_choice"] = "other"  # and nobody is told
    app.session_state["slice_by"] = "shortcut"
    app.session_state["slice_split"] = "train_inferred"
    assert errors(app.run()) == []
    shown = {name: app.query_params[name] for name in ("run", "by", "split")}
    assert shown == {"run": "other", "by": "shortcut", "split": "train_inferred"}
    app.query_params["run"] = "small"  # the address is changed by hand
    assert app.run().query_params["run"] == "small"
    assert app.selectbox(key="run_choice").value == "small"


def chosen_in_panel(app: Any, told: int, **conditions: str) -> None:
    """As the panel's script says it."""
    app.session_state["slice_panel"] = {"chosen": {"conditions": conditions, "told": told}}
    app.run()


def test_the_slices_page_without_results_says_how_to_get_them(runs: Path) -> None:
    shutil.rmtree(runs / "small" / "results")
    app = opened("slices")
    assert errors(app) == []
    assert "has not been run" in text_of(app)


def test_tags_and_a_note_are_written_into_the_folder_of_the_run(runs: Path) -> None:
    app = opened("runs")
    assert errors(app) == []
    row = {"selection": {"rows": [0], "columns": []}}
    app.session_state["runs_table_"] = row
    app.run()
    notes = runs / "small" / "notes.json"
    app.text_input(key="notes_tags_small").set_value("paper, first")
    app.text_area(key="notes_note_small").set_value("Keep this one.")
    app.button(key="notes_save_small").click().run()
    assert errors(app) == []
    assert json.loads(notes.read_text())["tags"] == ["paper", "first"]


def test_the_longest_name_of_the_runs_is_read_whole_wherever_it_stands(runs: Path) -> None:
    """The browser's own choice of widths looks at the first ten rows, and this is the twelfth."""
    for i in range(11):
        shutil.copytree(runs / "small", runs / f"{i}")
    long = runs / "phi=3.5_weight_decay=0.1_learning_rate=0.001_seed=0"
    (runs / "small").rename(long)
    for folder in runs.iterdir():
        os.utime(folder / "manifest.json", (9e8, 9e8 if folder == long else 1e9))
    app = opened("runs")
    assert errors(app) == []
    table = app.dataframe[0]
    assert list(table.value["run"])[-1] == long.name
    columns = json.loads(table.proto.columns)
    assert 6 * len(long.name) <= columns["run"]["width"] <= 470
    assert columns["created"]["width"] >= 6 * len("2026-11-28 23:12")


def test_notes_that_are_not_ours_are_told_and_kept(runs: Path) -> None:
    (runs / "small" / "notes.json").write_text("groceries")
    app = opened("runs")
    assert errors(app) == []
    assert "was not written by Hopscope" in text_of(app)
    assert (runs / "small" / "notes.json").read_text() == "groceries"
