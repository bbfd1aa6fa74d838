"""URLs of remote folders, and where their mirrors are on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote

from circuits.errors import HopscopeError

CACHE = "HOPSCOPE_CACHE"
"""Environment variable for the folder of the mirrors; else the user's cache folder."""

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL")
"""Environment variables by which one bucket name means different buckets."""

_NOT_FOLDERS = {"file", "http", "https", "hf"}
_URL = re.compile(r"([a-z][a-z0-9]+):/+([^/].*)", re.DOTALL)
_PLAIN = " !$&'()+,;=@[]^{}~"


def as_url(path: str | Path) -> str | None:
    """The URL that this is, without a slash at its end; None for a path of this machine.

    `Path("s3://bucket/run")` has lost a slash, and is understood all the same.

    >>> as_url("s3://bucket/run/"), as_url(Path("s3://bucket/run")), as_url("runs/mine")
    ('s3://bucket/run', 's3://bucket/run', None)
    """
    match = _URL.fullmatch(os.fspath(path))
    if match is None or match[1] in _NOT_FOLDERS:
        return None
    parts = [part for part in match[2].split("/") if part]
    if {".", ".."} & set(parts):
        raise HopscopeError(f"{match[1]}://{match[2]} has a part '.' or '..'; write it without.")
    return f"{match[1]}://{'/'.join(parts)}"


def mirrors() -> Path:
    """The folder of all mirrors."""
    given = os.environ.get(CACHE)
    base = given or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "hopscope")
    return Path(base).absolute() / "remote"


def mirror_of(url: str) -> Path:
    """Where the mirror of a remote folder is.

    >>> mirror_of("s3://bucket/runs/phi=3").parts[-3:]
    ('bucket', 'runs', 'phi=3')
    """
    scheme, _, rest = url.partition("://")
    return mirrors().joinpath(_place(scheme), *(quote(part, _PLAIN) for part in rest.split("/")))


def url_of(path: Path) -> str | None:
    """The URL of a file or folder in a mirror; None for any other path.

    >>> url_of(mirror_of("s3://bucket/a run")), url_of(Path("runs/mine"))
    ('s3://bucket/a run', None)
    """
    text, root = os.fspath(path), _root_text()
    if not text.startswith(root):  # as for every local run
        return None
    place, *parts = text[len(root) :].split(os.sep)
    scheme = place.partition("@")[0]
    if place != _place(scheme):
        raise HopscopeError(
            f"{path} mirrors a bucket of another server than {' or '.join(_ENDPOINTS[:2])} names "
            "now; give its URL instead."
        )
    return f"{scheme}://{'/'.join(map(unquote, parts))}"


def with_urls(text: str) -> str:
    """A sentence with URLs in the place of paths of mirrors.

    >>> with_urls(f"{mirror_of('s3://bucket/run')} is finished.")
    's3://bucket/run is finished.'
    """
    root = _root_text()
    return (
        re.sub(re.escape(root) + r"([a-z0-9]+)(@\w+)?/", r"\1://", text) if root in text else text
    )


def _root_text() -> str:
    return _root_of(os.environ.get(CACHE), os.environ.get("XDG_CACHE_HOME"))


@cache
def _root_of(*environment: str | None) -> str:
    return f"{mirrors()}{os.sep}"


def _place(scheme: str) -> str:
    """A folder per kind of store and server."""
    server = "|".join(os.environ.get(name, "") for name in _ENDPOINTS)
    if not server.strip("|"):
        return scheme
    return f"{scheme}@{hashlib.sha256(server.encode()).hexdigest()[:8]}"
