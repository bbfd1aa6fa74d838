"""Where a site may be written, what becomes of files that are there, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.published import publish
from app.published.folder import RECORD, write_site
from circuits.errors import HopscopeError
from circuits.runs.run import open_run

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets" / "demo"
SITE = {"index.html": b"front", "demo/index.html": b"page"}


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_site_takes_the_place_of_the_one_before_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_site(SITE | {"old/index.html": b"gone"}, tmp_path / "site")
    write_site(SITE, tmp_path / "site")
    assert contents(tmp_path / "site") == SITE
    assert list(tmp_path.iterdir()) == [tmp_path / "site"]


@pytest.mark.parametrize("name", ["notes.txt", "index.html", "demo/.git"])
def test_a_folder_with_other_files_is_refused_and_left_as_it_was(tmp_path: Path, name: str) -> None:
    other = tmp_path / "site" / name
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    with pytest.raises(HopscopeError, match=r"did not write .*--force"):
        write_site(SITE, tmp_path / "site")
    assert contents(tmp_path) == {f"site/{name}": b"mine"}


def test_force_keeps_the_files_of_others_and_replaces_only_its_own(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(SITE | {"old/index.html": b"gone"}, site)
    (site / "CNAME").write_bytes(b"mine")
    (site / "demo" / "index.html").write_bytes(b"changed by hand")
    with pytest.raises(HopscopeError, match=r"CNAME, demo/index\.html"):
        write_site(SITE, site)
    write_site(SITE, site, force=True)
    assert contents(site) == SITE | {"CNAME": b"mine"}
    assert not (site / "old").exists()


@pytest.mark.parametrize("taken", ["index.html", "demo"])
def test_not_even_force_overwrites_a_file_of_someone_else(tmp_path: Path, taken: str) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / taken).write_bytes(b"mine")
    with pytest.raises(HopscopeError, match="was not written by"):
        write_site(SITE, site, force=True)
    assert contents(site) == {taken: b"mine"}


def test_a_link_in_the_folder_is_not_followed_to_what_it_leads_to(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "demo").symlink_to(elsewhere)
    with pytest.raises(HopscopeError, match="was not written by"):
        write_site(SITE, tmp_path / "site", force=True)
    assert list(elsewhere.iterdir()) == []


def test_a_record_cannot_name_files_outside_its_site(tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    write_site(SITE, site)
    record = (site / RECORD).read_text().replace('"files": {', '"files": {"../outside.txt": "",')
    (site / RECORD).write_text(record)
    write_site(SITE | {"x.html": b"x"}, site, force=True)
    assert outside.read_bytes() == b"mine"


def test_a_write_that_fails_leaves_the_older_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(SITE, tmp_path / "site")
    rename = os.rename

    def full(source: Path, target: Path) -> None:
        if Path(source).name == "site" and Path(target).name == "site":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(HopscopeError, match="No space left"):
        write_site(SITE | {"new.html": b"new"}, tmp_path / "site")
    assert contents(tmp_path) == {f"site/{name}": data for name, data in SITE.items()}


def refused(*words: str) -> str:
    done = CliRunner().invoke(cli, ["publish", *words])
    assert isinstance(done.exception, HopscopeError)
    return str(done.exception)


def bare(folder: Path) -> Path:
    """A copy of the demo without its results."""
    return Path(shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("results")))


def test_a_run_without_results_has_nothing_to_publish(tmp_path: Path) -> None:
    said = refused(str(bare(tmp_path / "run")), "--out", str(tmp_path / "site"))
    assert said == (
        f"{tmp_path}/run has no results to publish; run `hopscope analyze {tmp_path}/run` first."
    )
    assert not (tmp_path / "site").exists()


def test_two_runs_of_one_name_are_told_apart_by_no_one(tmp_path: Path) -> None:
    again = bare(tmp_path / "demo")
    said = refused(str(DEMO), str(again), "--out", str(tmp_path / "site"))
    assert said.startswith(f"two runs are called demo ({DEMO} and {again}); rename one")


@pytest.mark.parametrize(
    ("make", "said"),
    [(lambda at: at.write_text("x"), "is a file"), (lambda at: at.mkdir(mode=0o500), "written")],
)
def test_a_place_that_cannot_be_a_site_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, said: str
) -> None:
    site = tmp_path / "site"
    make(site)  # type: ignore[operator]
    if said == "written":  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != site)
    monkeypatch.setattr(publish, "run_content", None)
    with pytest.raises(HopscopeError, match=said):
        publish.publish([open_run(DEMO)], site)
