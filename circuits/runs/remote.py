"""Runs at a URL: what of them is copied, and when; see `circuits.remote` for mirrors.

Opening a URL copies what is small and names the rest: recipe, corpus, metrics, notes, lists of
stored steps, and the manifest last. A checkpoint is copied when it is first loaded, and checked
against the manifest like any other; arrays of results when they are read
(`circuits.runs.remote_results`). How a run that is trained here gets into the bucket stands in
`circuits.runs.sending`.

If the manifest in the bucket changed since this machine last sent or read it, the run went on
elsewhere: what was never sent from here is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from circuits.remote import index, mirror
from circuits.remote.addresses import as_url, mirror_of, url_of
from circuits.remote.bucket import Bucket, Found
from circuits.remote.locks import LASTS_S
from circuits.runs.locking import LOCK, is_held_here, note_holder
from circuits.runs.reading import MANIFEST

ARRAYS = ".zarr"
"""How the names of folders with a result's arrays end."""

CHECKPOINTS, RESUME, RESULTS, METRICS = "checkpoints", "resume", "results", "metrics.jsonl"

OF_A_SWEEP = (".sweep/", "sweep.csv", f"sweep{ARRAYS}/")
"""How names of files begin that lie beside the runs of a sweep."""

_looked: dict[Path, float] = {}
"""When a mirror was last compared with its bucket, by the monotonic clock."""


def local_folder(path: str | Path) -> Path:
    """The folder itself, or the mirror of a remote one, made as fresh as its bucket.

    Args:
        path: A path, or the URL of a run, of a sweep, or of a folder with runs.

    Raises:
        HopscopeError: if the bucket cannot be reached, or does not allow reading.

    >>> local_folder("assets/demo").name
    'demo'
    """
    url = as_url(path)
    if url is None:
        return Path(path)
    folder = mirror_of(url)
    refresh(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def address_of(folder: Path) -> str:
    """What names a folder on any machine: its URL if it is a mirror, else its absolute path.

    >>> from circuits.remote.addresses import mirror_of
    >>> address_of(mirror_of("s3://bucket/run")), address_of(Path("/runs/mine"))
    ('s3://bucket/run', '/runs/mine')
    """
    absolute = folder.absolute()
    return url_of(absolute) or str(absolute)


def refresh(folder: Path, *, at_most_every_s: float = 0.0) -> None:
    """Make a mirror as fresh as its bucket; nothing happens to any other folder.

    Args:
        folder: A run, or a folder with runs.
        at_most_every_s: Seconds for which a mirror counts as fresh.

    Raises:
        HopscopeError: if the bucket cannot be read.
    """
    bucket = mirror.bucket_of(folder)
    if bucket is None or time.monotonic() - _looked.get(folder, -1e9) < at_most_every_s:
        return
    found = bucket.listing()
    runs = [name.removesuffix(MANIFEST) for name in found if name.endswith(f"/{MANIFEST}")]
    if MANIFEST in found or not runs:
        _refresh_run(folder, found)
    for below in runs:
        inside = {n.removeprefix(below): f for n, f in found.items() if n.startswith(below)}
        _refresh_run(folder / below, inside)
    if runs:
        _refresh_sweep(folder, found)
    _looked[folder] = time.monotonic()


def bytes_of(folder: Path) -> int | None:
    """Size of a remote run as it was last listed; None for any other folder."""
    bucket = mirror.bucket_of(folder)
    return None if bucket is None else sum(found.size for found in bucket.listing().values())


def is_only_remote(path: Path) -> bool:
    """Whether a file is in the bucket of its mirror and was not copied yet."""
    return url_of(path) is not None and not path.exists() and index.known_of(path) is not None


def files_of(folder: Path) -> Iterable[str]:
    """Names of all files of a mirror that are sent, without arrays of results."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and is_sent(name):
            yield name


def is_sent(name: str) -> bool:
    """Whether files of this name are copied to and from buckets one by one."""
    *above, last = name.split("/")
    hidden = last.startswith(".") or any(part.startswith(".") for part in above if part != ".sweep")
    return not hidden and not any(part.endswith(ARRAYS) for part in above)


def _is_small(name: str) -> bool:
    """Whether a file is copied when its run is opened."""
    first, *below = name.split("/")
    if first == RESUME:
        return name.endswith(".json")
    return first not in (CHECKPOINTS, "figures") or not below


def _refresh_run(folder: Path, found: Mapping[str, Found]) -> None:
    if is_held_here(folder):
        return  # it is trained here, and ahead of its bucket
    files = {name: about for name, about in found.items() if is_sent(name)}
    before = index.known_of(folder / MANIFEST)
    changed = mirror.pull(folder, files, _is_small, _is_manifest)
    _read_lists_again(folder, files, changed)
    if before is not None and MANIFEST in changed:
        _drop_unsent(folder)
        mirror.pull(folder, files, _is_small, _is_manifest)
    mirror.drop_gone(folder, files, is_sent)
    for store in {name.partition(f"{ARRAYS}/")[0] for name in found if f"{ARRAYS}/" in name}:
        (folder / f"{store}{ARRAYS}").mkdir(parents=True, exist_ok=True)
    lock = found.get(LOCK)
    if folder.is_dir():
        note_holder(folder, 0.0 if lock is None else lock.changed + LASTS_S)


def _read_lists_again(folder: Path, files: Mapping[str, Found], changed: set[str]) -> None:
    """Read lists of stored steps until they are those of the listing, and not newer ones."""
    while lists := {n: files[n] for n in changed if n.startswith(f"{RESULTS}/")}:
        now = Bucket(url_of(folder) or "").listing(RESULTS)
        files = {name: now[name] for name in lists if name in now}
        if files == lists:
            return
        changed = mirror.pull(folder, files, _is_small)


def _refresh_sweep(folder: Path, found: Mapping[str, Found]) -> None:
    files = {n: f for n, f in found.items() if n.startswith(OF_A_SWEEP)}
    mirror.pull(folder, files, lambda name: True)
    mirror.drop_gone(folder, files, lambda name: name.startswith(OF_A_SWEEP))


def _drop_unsent(folder: Path) -> None:
    """Forget what a training that ended here had not sent before another machine went on."""
    of_training = [
        name for name in files_of(folder) if name.split("/")[0] in (CHECKPOINTS, RESUME, METRICS)
    ]
    index.forget(folder / name for name in mirror.unsent(folder, of_training))


def _is_manifest(name: str) -> bool:
    return name == MANIFEST
