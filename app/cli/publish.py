"""`hopscope publish`: runs as a static site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.paper import opened_runs
from app.cli.terminal import say


def publish_command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.")],
    out: Annotated[Path, typer.Option(help="Folder for the site.")],
    questions: Annotated[
        int, typer.Option(min=0, help="The most questions of each run, with their traces.")
    ] = 5,
    licence: Annotated[
        str, typer.Option(help="Licence of the data, if its source does not say it.")
    ] = "",
    force: Annotated[
        bool, typer.Option(help="Write into a folder that holds other files; these stay.")
    ] = False,
) -> None:
    """Write a static site of RUNS: the instrument, questions, figures, provenance."""
    from app.published.publish import publish

    front = publish(
        opened_runs(runs),
        out,
        questions=questions,
        licence=licence,
        force=force,
        say=lambda text: say(text, err=True),
    )
    say(str(front))
