"""Errors that a user can cause: what was given, what is allowed, what to do next."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from heapq import nlargest
from itertools import takewhile
from pathlib import Path
from typing import Any


class HopscopeError(ValueError):
    """Something the user gave cannot be used; the message alone must say how to go on.

    The command line prints it as one sentence and exits with code 2, the dashboard shows it
    in place of the page. A state that only a defect of Hopscope can cause is an `assert` instead.

    >>> from circuits import open_run
    >>> try:
    ...     open_run("nowhere")
    ... except HopscopeError as error:
    ...     print(error)
    nowhere is not a run folder; train one with `hopscope train RECIPE`.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by message, so that subclasses with other constructors cross process borders."""
        return _said_elsewhere, (type(self), self.args), self.__dict__


def _said_elsewhere(kind: type[HopscopeError], said: tuple[Any, ...]) -> HopscopeError:
    return kind.__new__(kind, *said)


class CannotWrite(HopscopeError):
    """A file could not be written; an older file of that name is unharmed."""

    def __init__(self, path: Path, error: OSError) -> None:
        rest = _REST.get(error.errno or 0, _ELSEWHERE)
        super().__init__(f"{path} cannot be written ({error.strerror or error}); {rest}")


_ELSEWHERE = "choose another folder. What was saved before is unharmed."
_FULL, _CLOSED = f"free some space there or {_ELSEWHERE}", f"make it writable or {_ELSEWHERE}"
_REST = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _CLOSED),
    errno.ENOENT: "the folder was moved or deleted meanwhile.",
}
"""What the user can do after a failed write, by its error number."""


MOST_COMPARED = 500
"""The most names compared with a mistyped one; of more, only those with the same beginning."""


def _alike_at_first(name: str, given: str) -> int:
    """Number of letters of that common beginning, large or small."""
    pairs = zip(name.casefold(), given.casefold(), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def nearest(given: str, allowed: Iterable[str]) -> str:
    """The allowed name that a mistyped one stands for most likely; "" if none is near.

    >>> nearest("Pariss", ["Lyon", "Paris"]), nearest("x", ["Lyon", "Paris"])
    ('Paris', '')
    """
    likely = sorted(allowed)
    if len(likely) > MOST_COMPARED:  # difflib takes seconds for tens of thousands of names
        likely = nlargest(MOST_COMPARED, likely, key=lambda name: _alike_at_first(name, given))
    return next(iter(difflib.get_close_matches(given, likely, n=1, cutoff=0.5)), "")


def listed(allowed: Iterable[str]) -> str:
    """All names, or the first 40 of more.

    >>> listed(["Paris", "Lyon"])
    'Lyon, Paris'
    """
    names = sorted(allowed)
    more = f", ... ({len(names)} in all)" if len(names) > 40 else ""
    return ", ".join(names[:40]) + more or "(none)"


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> HopscopeError:
    """Error for a name that is not one of `allowed`, with the nearest one first.

    Args:
        kind: The kind of thing that the name refers to, e.g. "relation".
        given: The name as the user wrote it.
        allowed: All names that would have been accepted.
    """
    names = list(allowed)
    near = nearest(given, names)
    hint = f" Did you mean {near!r}?" if near else ""
    return HopscopeError(f"unknown {kind} {given!r}.{hint} Allowed: {listed(names)}.")
