"""`hopscope check`: is every step of a series there, whole, and what its name says?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say, terminal
from circuits.errors import CannotWrite

if TYPE_CHECKING:
    from circuits.series.record import SeriesCheck


def check_command(
    source: Annotated[
        Path, typer.Argument(help="Run folder, or a folder with a checkpoint for each step.")
    ],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the figure: distance of neighbours.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="pdf, svg, png, html or csv.")] = "pdf",
) -> None:
    """Find steps of SOURCE that are missing, damaged, the same, or in another's place.

    Exit code 1 if anything is wrong. A run folder keeps what was found as check.json, and the
    dashboard marks it on the timeline.
    """
    from circuits.remote.mirror import fetch_below
    from circuits.series import check_series
    from circuits.series.record import keep_check

    fetch_below(source)
    found = check_series(source, iter if json_ else _with_bar)
    if json_:
        say(json.dumps(found.to_json(), indent=1))
    else:
        _print(found)
    if found.layout == "hopscope run":
        try:
            keep_check(source, found)
        except CannotWrite as error:
            say(f"not kept for the timeline: {error}", err=True)
    if figures is not None:
        path = _draw(found, figures, format_.lower().removeprefix("."))
        say(str(path), err=json_)
    if not found.ok:
        raise typer.Exit(1)


def _with_bar(steps: Iterable[int]) -> Iterable[int]:
    """The steps, with a bar on stderr where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(list(steps), "reading", console=console, disable=not console.is_terminal)


def _print(found: SeriesCheck) -> None:
    from rich.table import Table

    say(f"{found.source}: {len(found.steps):,} steps ({found.layout})")
    for note in found.notes:
        say(f"note: {note}")
    if found.ok:
        say("nothing is wrong.")
        return
    table = Table("steps", "what", "finding", box=None, pad_edge=False)
    for one in found.findings:
        steps = ", ".join(f"{step:,}" for step in one.steps[:3])
        table.add_row(steps + (", ..." if len(one.steps) > 3 else ""), one.kind, one.sentence)
    terminal().print(table)
    counts = Counter(one.kind for one in found.findings)
    said = ", ".join(f"{n} {kind}" for kind, n in counts.items())
    say(f"{len(found.flagged):,} of {len(found.steps):,} steps are flagged: {said}.")


def _draw(found: SeriesCheck, folder: Path, file_format: str) -> Path:
    from analyses.figures.builders.series_check import neighbour_distances
    from analyses.figures.export import export

    path = folder / f"neighbour_distances.{file_format}"
    export(neighbour_distances(found), path, "page")
    return path
