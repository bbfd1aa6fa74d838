"""Tags and notes of runs: kept in the folder, refused where the file is somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from circuits.errors import HopscopeError
from circuits.runs.listing import list_runs, remove_run, tagged
from circuits.runs.notes import NOTES, Notes, read_notes, tags_of, write_notes

FOREIGN = ("groceries", "[]", '{"tags": ["a"]}', '{"written_by": "me", "tags": [], "note": ""}',
           '{"written_by": "hopscope notes", "tags": "ab", "note": ""}', "[" * 5000)  # fmt: skip


def test_notes_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = Notes(("paper", "seed 0"), "Trained <twice>.\n*Keep* – ü.")
    write_notes(tmp_path, written)
    assert read_notes(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [NOTES]


def test_empty_notes_leave_no_file(tmp_path: Path) -> None:
    write_notes(tmp_path, Notes(("paper",)))
    write_notes(tmp_path, Notes())
    assert list(tmp_path.iterdir()) == []
    assert read_notes(tmp_path) == Notes()


@pytest.mark.parametrize("content", FOREIGN)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / NOTES).write_text(content)
    for touch in (lambda: read_notes(tmp_path), lambda: write_notes(tmp_path, Notes(("mine",)))):
        with pytest.raises(HopscopeError, match="not written by Hopscope"):
            touch()
    assert (tmp_path / NOTES).read_text() == content


def test_a_link_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.json", tmp_path / "run"
    folder.mkdir()
    outside.write_text(json.dumps({"written_by": "hopscope notes", "tags": [], "note": "x"}))
    (folder / NOTES).symlink_to(outside)
    with pytest.raises(HopscopeError, match="not written by Hopscope"):
        write_notes(folder, Notes(("mine",)))
    assert (folder / NOTES).is_symlink()


@pytest.mark.parametrize("tag", ["", " ", "a,b", "x" * 41, "two\nlines"])
def test_a_text_that_cannot_be_a_tag_is_refused(tag: str) -> None:
    with pytest.raises(HopscopeError, match="cannot be a tag"):
        Notes((tag,))


def test_typed_tags_are_trimmed_and_said_once() -> None:
    assert tags_of(" paper,, seed   0 ,paper") == ("paper", "seed 0")


def a_run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_runs_are_listed_with_tags_and_chosen_by_them(tmp_path: Path) -> None:
    write_notes(a_run(tmp_path / "one"), Notes(("paper",), "x"))
    (a_run(tmp_path / "two") / NOTES).write_text("groceries")
    entries = list_runs(tmp_path)
    assert [entry.tags for entry in entries] == [("paper",), ()]
    assert "not written by Hopscope" in entries[1].notes_problem
    assert [entry.name for entry in tagged(entries, "paper")] == ["one"]
    with pytest.raises(HopscopeError, match="paper"):
        tagged(entries, "papr")


def test_a_run_with_notes_can_be_removed(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "one")
    write_notes(folder, Notes(("paper",)))
    assert remove_run(folder) > 0
