"""Objects below a URL, through fsspec; every failure is one sentence that names the URL.

s3fs reads credentials, profiles and endpoints from where the AWS tools do. Listings are not cached:
with a cache a process never sees what another one adds, and Zarr shows what it does not see as fill
values, NaN, without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from circuits.errors import HopscopeError

_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 5,
            "read_timeout": 60,
            "retries": {"max_attempts": 2, "mode": "standard"},
        }
    }
}
"""By kind of store: not to wait minutes for a server that is not there."""

AT_ONCE = 16
"""Requests that wait for a store at the same time."""

Answer = TypeVar("Answer")

_INSTALL = {"s3": "'hopscope[remote]'", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}


class Unreachable(HopscopeError):
    """A bucket cannot be read or written: no network, no credentials, no such bucket."""


@dataclass(frozen=True)
class Found:
    """An object as it is listed."""

    version: str
    """Changes whenever the object does."""
    size: int
    changed: float
    """When it was put, by the server's clock; seconds since 1970."""


class Bucket:
    """The objects below a URL, by their names below it, as "results/logit_lens.json"."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._scheme, _, self._root = url.partition("://")

    def listing(self, below: str = "") -> dict[str, Found]:
        """All objects, in the order of their names; empty where there are none.

        Raises:
            Unreachable: if the bucket does not exist or cannot be read.
        """
        with self._told("read") as files:
            try:
                found = files.find(self._key(below), detail=True)
            except FileNotFoundError:  # S3 says so of a bucket only
                raise HopscopeError(f"there is no bucket {self._root.split('/')[0]!r}") from None
        start = len(self._root) + 1
        return {
            key.strip("/")[start:]: _found(about)
            for key, about in sorted(found.items())
            if key.strip("/").startswith(f"{self._root}/") and about["type"] == "file"
        }

    def about(self, name: str) -> Found | None:
        """One object; None if it is not there."""
        return self.about_all([name]).get(name)

    def about_all(self, names: Iterable[str]) -> dict[str, Found]:
        """Objects, asked for at once; those that are gone are left out."""
        return self._each(names, lambda files, key: _found(files.info(key, refresh=True)))

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if it is not there."""
        return self.read_all([name]).get(name)

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of objects, read at once; those that are gone are left out."""
        return self._each(names, lambda files, key: bytes(files.cat_file(key)))

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Put objects at once, each whole, in no order."""
        if contents:
            with self._told("written") as files:
                files.pipe({self._key(name): content for name, content in contents.items()})

    def create(self, name: str, content: bytes) -> bool:
        """Put an object that must not be there; False if it is (of two at once, one succeeds)."""
        with self._told("written") as files:
            try:
                files.pipe_file(self._key(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone are left out."""
        keys = [self._key(name) for name in names]
        if keys:
            with self._told("written") as files:
                try:
                    files.rm(keys)
                except FileNotFoundError:
                    return

    def _each(self, names: Iterable[str], ask: Callable[[Any, str], Answer]) -> dict[str, Answer]:
        """The answer for each object that is there; asked in threads, because each one waits."""
        names = list(names)
        if not names:
            return {}

        def asked(name: str) -> Answer | None:
            try:
                return ask(files, self._key(name))
            except FileNotFoundError:
                return None

        with self._told("read") as files, ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
            answers = dict(zip(names, pool.map(asked, names), strict=True))
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _told(self, what: str) -> Iterator[Any]:
        """The file system; what a store, its client or the network raises becomes a sentence."""
        try:
            yield self._files()
        except Unreachable:
            raise
        except Exception as error:  # clients of stores have error types of their own
            raise Unreachable(
                f"{self.url} cannot be {what} ({_reason(error)}); {_remedy(error)}"
            ) from error

    def _files(self) -> Any:
        import fsspec

        try:
            kind = fsspec.get_filesystem_class(self._scheme)
        except (ImportError, ValueError) as error:
            needed = _INSTALL.get(self._scheme)
            raise Unreachable(
                f"{self.url} needs a package that is not installed; "
                + (f"`pip install {needed}`." if needed else "give an s3:// or gs:// address.")
            ) from error
        options = _OPTIONS.get(self._scheme, {})
        return kind(use_listings_cache=False, **options)


def _found(about: Mapping[str, Any]) -> Found:
    changed = about.get("LastModified") or about.get("updated") or about.get("created") or 0.0
    seconds = changed.timestamp() if hasattr(changed, "timestamp") else float(changed or 0.0)
    tag = about.get("ETag") or about.get("etag") or about.get("generation") or ""
    size = int(about["size"] or 0)
    return Found(str(tag) or f"{size}|{seconds:.6f}", size, seconds)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _remedy(error: BaseException) -> str:
    name = type(error).__name__
    if "Credentials" in name or "Token" in name:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
    if isinstance(error, PermissionError):
        return "use credentials that may do that, or another bucket."
    if "Connect" in name or "Timeout" in name or "Endpoint" in name:
        return "check the network, and AWS_ENDPOINT_URL if the bucket is not Amazon's."
    return "check the address."
