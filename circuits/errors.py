"""Errors that a user can cause: what was given, what is allowed, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class HopscopeError(ValueError):
    """Something the user gave cannot be used; the message alone must be enough to go on.

    The command line prints it as one sentence and exits with code 2, the dashboard shows it
    in place of the page. What only a defect of ours can cause is an `assert` instead.
    """


class CannotWrite(HopscopeError):
    """A file could not be written; what was there before is."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written ({error.strerror}); free some space there or choose another "
            "folder. What was saved before is unharmed."
        )


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> HopscopeError:
    """Error for a name that is not one of `allowed`, with the nearest one first.

    Args:
        kind: What the name should have named, e.g. "relation".
        given: The name as the user wrote it.
        allowed: All names that would have been accepted.
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:40]) + (f", ... ({len(names)} in all)" if len(names) > 40 else "")
    return HopscopeError(f"unknown {kind} {given!r}.{hint} Allowed: {shown or '(none)'}.")
