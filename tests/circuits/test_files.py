"""Files are there whole, or as they were before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from quick_disk import TRUE_FSYNC

from circuits import files
from circuits.errors import HopscopeError
from circuits.files import remove_partial_files, write_atomically, write_together


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(HopscopeError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_where_one_of_several_files_cannot_be_written_all_old_ones_stay(tmp_path: Path) -> None:
    old = {tmp_path / name: b"old" for name in ("a", "b")}
    write_together(old)
    with pytest.raises(HopscopeError, match=r"c.* cannot be written"):
        write_together({tmp_path / "a": b"new", tmp_path / "nowhere" / "c": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_every_file_is_on_the_disk_before_the_first_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    replace = os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (calls.append("sync"), TRUE_FSYNC(fd)))
    monkeypatch.setattr(files.os, "replace", lambda *a: (calls.append("rename"), replace(*a)))
    write_together({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert calls == ["sync", "sync", "rename", "rename", "sync"]


def test_only_our_own_partial_files_are_removed(tmp_path: Path) -> None:
    ours = [".manifest.json.a1b2c3d4", ".step_00000010.safetensors.________"]
    others = [".lock", ".gitignore", "notes.json", ".manifest.json", ".my.json.backup"]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    remove_partial_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
