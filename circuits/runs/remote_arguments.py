"""Arguments that are URLs of folders, for all commands: replaced by their mirrors.

What a command left in a mirror is sent when it has ended, also if it ended with an error. Commands
that train or analyze send meanwhile as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.remote.addresses import as_url


@contextmanager
def mirrored(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments with paths of mirrors for URLs; `--out=URL` too.

    Raises:
        HopscopeError: if a bucket cannot be reached; no command has begun then.

    >>> with mirrored(["train", "demo", "--out", "runs/mine"]) as arguments:
    ...     print(arguments)
    ['train', 'demo', '--out', 'runs/mine']
    """
    folders: list[Path] = []
    changed = [_replaced(argument, folders) for argument in arguments]
    try:
        yield changed
    except HopscopeError:
        with suppress(HopscopeError):  # the first error is the cause
            _send(folders)
        raise
    except SystemExit:  # as every command ends
        _send(folders)
        raise


def _send(folders: list[Path]) -> None:
    if folders:
        from circuits.runs.sending import send_rest

        for folder in folders:
            send_rest(folder)


def _replaced(argument: str, folders: list[Path]) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", "")
    text = value or argument
    if "://" not in text or as_url(text) is None:
        return argument
    from circuits.runs.remote import local_folder

    folders.append(local_folder(text))
    return f"{option}{equals}{folders[-1]}"
