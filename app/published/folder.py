"""A site's folder: written beside its place, then renamed to it; never over what others put there.

`hopscope-site.json` lists the files of a site with their SHA-256. A folder that holds only these,
as they were written, is replaced as a whole. One that holds anything else is refused; with `force`
the site's own files in it are replaced one by one, its front page last, and the others stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from circuits.errors import CannotWrite, HopscopeError
from circuits.files import make_folder, write_atomically

RECORD = "hopscope-site.json"
FRONT = "index.html"
WRITTEN_BY = "hopscope publish"

Files = Mapping[str, bytes]
"""Content by path within the site, with forward slashes."""


def check_folder(out: Path, force: bool) -> None:
    """Refuse a place that a site may not be written to, before anything is computed.

    Raises:
        HopscopeError: if it is a file, or holds files that are not of a site and `force` is false.
    """
    if not out.exists():
        _parent_of(out)
        return
    if not out.is_dir():
        raise HopscopeError(f"{out} is a file; name a folder for the site.")
    if not os.access(out, os.W_OK) or not os.access(out.resolve().parent, os.W_OK):
        raise HopscopeError(f"{out} cannot be written; make it writable or choose another folder.")
    others = sorted(_present(out) - _unchanged(out))
    if others and not force:
        raise HopscopeError(
            f"{out} holds files that `hopscope publish` did not write ({_some(others)}); choose "
            "another folder, or keep them beside the site with --force."
        )


def write_site(files: Files, out: Path, force: bool = False) -> None:
    """Write all files of a site, or leave what was there as it was.

    Raises:
        HopscopeError: as `check_folder`; or if a file of the site would overwrite another's.
    """
    check_folder(out, force)
    others = _present(out) - _unchanged(out)
    mine = set(_record_of(out))
    wanted = {*files, RECORD}
    wanted |= {str(folder) for name in files for folder in PurePosixPath(name).parents}
    if taken := sorted((others - mine) & wanted):
        raise HopscopeError(
            f"{out / taken[0]} was not written by `hopscope publish`; move it away or choose "
            "another folder."
        )
    try:
        parent = _parent_of(out)
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{out.name}.") as beside:
            made, before = Path(beside) / "site", Path(beside) / "before"
            _fill(made, files)
            if others:
                _move_in(made, out, mine - set(files))
                return
            if out.exists():
                os.rename(out, before)
            try:
                os.rename(made, out)
            except OSError:
                if before.exists():
                    os.rename(before, out)
                raise
    except OSError as error:
        raise CannotWrite(out, error) from error


def _fill(folder: Path, files: Files) -> None:
    record = {
        "written_by": WRITTEN_BY,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    text = json.dumps(record, ensure_ascii=False, indent=1).encode() + b"\n"
    for name, data in {**files, RECORD: text}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _move_in(made: Path, out: Path, gone: set[str]) -> None:
    """Replace the site's files one by one, the front page and the record last."""
    last = (FRONT, RECORD)
    names = sorted(_present(made), key=lambda name: (name in last, name))
    for name in names:
        make_folder((out / name).parent)
        write_atomically(out / name, (made / name).read_bytes())
    for name in gone:
        (out / name).unlink(missing_ok=True)
        parent = (out / name).parent
        if parent != out and parent.is_dir() and not any(parent.iterdir()):
            shutil.rmtree(parent)


def _parent_of(out: Path) -> Path:
    parent = Path(os.path.abspath(out)).parent
    make_folder(parent)
    if not os.access(parent, os.W_OK):
        raise HopscopeError(
            f"{parent} cannot be written; make it writable or choose another folder."
        )
    return parent


def _present(folder: Path) -> set[str]:
    """Files and empty folders, and links as they are, by path within the folder."""
    found = set()
    for root, folders, names in os.walk(folder):
        at = Path(root)
        links = [name for name in folders if (at / name).is_symlink()]
        found |= {(at / name).relative_to(folder).as_posix() for name in [*names, *links]}
        if not folders and not names and at != folder:
            found.add(at.relative_to(folder).as_posix())
    return found


def _record_of(folder: Path) -> dict[str, str]:
    """Hashes by file of the site that was written there; {} if there is none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["written_by"] != WRITTEN_BY:
            return {}
        found = {str(name): str(sha) for name, sha in record["files"].items()}
        return {name: sha for name, sha in found.items() if _inside(name)} | {RECORD: ""}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _inside(name: str) -> bool:
    """Whether a listed path stays in the folder, whoever wrote the list."""
    return not os.path.isabs(name) and ".." not in Path(name).parts


def _unchanged(folder: Path) -> set[str]:
    """The site's own files that are as they were written."""
    own = {RECORD}
    record = _record_of(folder)
    for name, sha in record.items():
        path = folder / name
        if name == RECORD or not path.is_file() or path.is_symlink():
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() == sha:
            own.add(name)
    return own if record else set()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
