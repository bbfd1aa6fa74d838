"""The one way to the terminal: names from files are text, never markup, never commands to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from circuits.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def terminal() -> Console:
    """A console that takes every string as it is: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def say(text: object, *, err: bool = False) -> None:
    """Print a sentence; what would act on the terminal is written as its escape."""
    typer.echo(printable(text, keep="\n"), err=err)
