"""The only way to the terminal: names from files are printed as text, never as markup or
commands."""

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
    """Print a sentence, with characters that would control the terminal escaped."""
    typer.echo(printable(text, keep="\n"), err=err)
