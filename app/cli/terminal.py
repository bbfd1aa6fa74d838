"""The only way to the terminal: names from files are printed as text, never as markup or
commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from circuits.printable import printable
from circuits.remote.addresses import with_urls

if TYPE_CHECKING:
    from rich.console import Console


def terminal() -> Console:
    """A console that takes every string as it is: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def say(text: object, *, err: bool = False) -> None:
    """Print a sentence: URLs for paths of mirrors, control characters escaped."""
    typer.echo(printable(with_urls(str(text)), keep="\n"), err=err)
