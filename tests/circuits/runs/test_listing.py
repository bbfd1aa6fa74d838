"""Lists of runs, and removing one: only a whole, idle run of ours is ever deleted."""

import shutil
from pathlib import Path

import filelock
import pytest

from circuits.errors import HopscopeError
from circuits.runs.listing import list_runs, remove_run, sorted_by

ASSETS = Path(__file__).parents[3] / "assets"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs without their checkpoints, one of them a level deeper, and a damaged one."""
    for name in ("demo", "textbook"):
        folder = tmp_path / ("sweep/demo" if name == "demo" else name)
        shutil.copytree(ASSETS / name, folder, ignore=shutil.ignore_patterns("results", "step_*"))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "recipe.toml").write_text("seed = 0")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_a_list_has_state_step_and_accuracies_of_each_run(runs: Path) -> None:
    entries = {entry.name: entry for entry in list_runs(runs)}
    assert list(entries) == ["half", "sweep/demo", "textbook"]
    demo = entries["sweep/demo"]
    assert (demo.state, demo.step, demo.seed) == ("finished", 6000, 0)
    assert demo.accuracy["id_test"] == 0.978
    assert demo.size == sum(p.stat().st_size for p in demo.path.rglob("*") if p.is_file())


def test_a_damaged_run_is_listed_with_its_reason(runs: Path) -> None:
    half = list_runs(runs)[0]
    assert (half.state, half.accuracy) == ("damaged", {})
    assert "half-written or damaged" in half.problem


def test_runs_are_sorted_best_first_and_those_without_a_number_last(runs: Path) -> None:
    names = [entry.name for entry in sorted_by(list_runs(runs), "id_test")]
    assert names == ["textbook", "sweep/demo", "half"]
    with pytest.raises(HopscopeError, match="id_test"):
        sorted_by(list_runs(runs), "id_tset")


def test_a_removed_run_is_gone_and_others_stay(runs: Path) -> None:
    size = list_runs(runs)[1].size
    assert remove_run(runs / "sweep" / "demo") == size
    assert [entry.name for entry in list_runs(runs)] == ["half", "textbook"]
    assert list((runs / "sweep").iterdir()) == []


def test_a_run_with_saved_circuits_can_be_removed(runs: Path) -> None:
    path = next(path for path in runs.iterdir() if (path / "recipe.toml").is_file())
    (path / "circuits").mkdir()
    (path / "circuits" / "first hop.json").write_text("{}")
    remove_run(path)
    assert not path.exists()


def test_a_run_that_is_being_trained_is_not_removed(runs: Path) -> None:
    folder = runs / "textbook"
    with (
        filelock.FileLock(folder / ".lock"),
        pytest.raises(HopscopeError, match="is being trained"),
    ):
        remove_run(folder)
    assert (folder / "manifest.json").is_file()


def test_a_folder_with_files_of_others_is_not_removed(runs: Path) -> None:
    (runs / "textbook" / "thesis.tex").write_text("years of work")
    with pytest.raises(HopscopeError, match=r"'thesis\.tex'"):
        remove_run(runs / "textbook")
    assert (runs / "textbook" / "thesis.tex").read_text() == "years of work"


def test_what_is_not_a_run_is_not_removed(runs: Path) -> None:
    (runs / "link").symlink_to(runs / "textbook")
    for name, why in (("notes", "not a run folder"), ("link", "is a link")):
        with pytest.raises(HopscopeError, match=why):
            remove_run(runs / name)
    assert (runs / "textbook" / "manifest.json").is_file()
