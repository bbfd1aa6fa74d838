"""Copying between a remote folder and its mirror, file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from circuits.remote import index
from circuits.remote.addresses import url_of
from circuits.remote.bucket import Bucket, Found

MOST_ASKED = 30
"""Of more objects the versions are read from a listing, and not one by one."""


def bucket_of(folder: Path) -> Bucket | None:
    """The bucket of a folder in a mirror; None for any other folder."""
    url = url_of(folder)
    return None if url is None else Bucket(url)


def pull(
    folder: Path,
    found: Mapping[str, Found],
    wanted: Callable[[str], bool],
    last: Callable[[str], bool] = lambda name: False,
) -> set[str]:
    """Copy what changed in the bucket; the names of what did.

    Args:
        folder: The mirror.
        found: The bucket's listing, or the part of it that matters.
        wanted: Whether an object is copied now; others are only noted, until `fetch`.
        last: Objects that refer to others: read before them and placed after them, so that what
            they name is there.

    A file that is only here, or changed here while its object stayed as it was, is kept.
    """
    bucket, known = Bucket(url_of(folder) or ""), index.known(folder)
    changed = {n for n, f in found.items() if n not in known or known[n].version != f.version}
    copied = [n for n in found if wanted(n) and (n in changed or not (folder / n).exists())]
    contents: dict[str, bytes] = {}
    for names in ([n for n in copied if last(n)], [n for n in copied if not last(n)]):
        contents |= bucket.read_all(names)
    for names in ([n for n in contents if not last(n)], [n for n in contents if last(n)]):
        index.place({folder / n: (contents[n], found[n].version) for n in names})
    noted = changed - set(copied)
    index.forget(folder / name for name in noted)  # a copy of what it was
    index.record({folder / name: index.Copy(found[name].version, None, None) for name in noted})
    return changed


def drop_gone(folder: Path, found: Mapping[str, Found], among: Callable[[str], bool]) -> None:
    """Remove copies whose objects were removed; what was never sent stays."""
    index.forget(
        folder / name
        for name, copy in index.known(folder).items()
        if name not in found
        and among(name)
        and (copy.is_of(folder / name) or not (folder / name).exists())
    )


def fetch(path: Path) -> None:
    """Copy one file from the bucket if it lies in a mirror and is not here.

    Raises:
        Unreachable: if the bucket cannot be read.
    """
    if url_of(path) is None or path.exists():
        return
    bucket = Bucket(url_of(path.parent) or "")
    about, content = bucket.about(path.name), bucket.read(path.name)
    if about is not None and content is not None:
        index.place({path: (content, about.version)})


def fetch_below(folder: Path) -> None:
    """Copy all files below a folder of a mirror that are not here."""
    bucket = bucket_of(folder)
    if bucket is not None:
        pull(folder, bucket.listing(), lambda name: True)


def unsent(folder: Path, names: Iterable[str]) -> list[str]:
    """Of these files, those that are not what was last copied or sent."""
    known = index.known(folder)
    return [name for name in names if name not in known or not known[name].is_of(folder / name)]


@dataclass(frozen=True)
class Snapshot:
    """A file as it was at one moment."""

    content: bytes
    copy: index.Copy

    @classmethod
    def of(cls, path: Path) -> Snapshot | None:
        """The file as it is now; None if it is not there."""
        copy = index.state(path)  # first: a change while it is read makes it unsent again
        try:
            return cls(path.read_bytes(), copy)
        except FileNotFoundError:
            return None


def push(folder: Path, groups: Iterable[Mapping[str, Snapshot | None]]) -> None:
    """Put files into the bucket: each group at once, one group after the other.

    Args:
        folder: The mirror.
        groups: Files by name; None: as the file is when its turn comes. A file that is gone by then
            is left out.

    Raises:
        Unreachable: if the bucket cannot be written; what was put before stays.
    """
    bucket = Bucket(url_of(folder) or "")
    for group in groups:
        taken = {name: given or Snapshot.of(folder / name) for name, given in group.items()}
        there = {name: snapshot for name, snapshot in taken.items() if snapshot is not None}
        bucket.write({name: snapshot.content for name, snapshot in there.items()})
        _record_versions(bucket, folder, {name: one.copy for name, one in there.items()})


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove objects from the bucket, and forget them."""
    names = list(names)
    if names:
        Bucket(url_of(folder) or "").remove(names)
        index.forget((folder / name for name in names), remove=False)


def _record_versions(bucket: Bucket, folder: Path, sent: Mapping[str, index.Copy]) -> None:
    if not sent:
        return
    found = bucket.listing() if len(sent) > MOST_ASKED else bucket.about_all(sent)
    index.record(
        {
            folder / name: replace(copy, version=found[name].version)
            for name, copy in sent.items()
            if name in found
        }
    )
