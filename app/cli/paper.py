"""`hopscope paper`: the figures of both papers, from own runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say
from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:
    from circuits.runs.run import Run


def paper_command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.")],
    out: Annotated[Path, typer.Option(help="Folder for the figures.")],
    format_: Annotated[
        str, typer.Option("--format", help="pdf, svg, png, pgf, html or csv.")
    ] = "pdf",
    width: Annotated[str, typer.Option(help="column, page, a venue's name or inches.")] = "page",
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    title: Annotated[bool, typer.Option(help="Titles and notes in the pictures.")] = True,
) -> None:
    """Redraw the figures of Wild and Grokked from RUNS; say which run feeds which panel."""
    from analyses.figures.export import STILL, export
    from analyses.figures.papers.build import papers
    from analyses.figures.renderers.style import theme_of, width_in_inches
    from analyses.figures.specs.facts import Table

    file_format = format_.lower().removeprefix(".")
    if file_format not in STILL:
        raise unknown_name("format", format_, STILL)
    width_in_inches(width)
    theme_of(theme)
    made = papers(opened_runs(runs))
    for panel, fed_by in made.fed_by.items():
        say(f"{panel}: {fed_by}")
    for name, spec in made.figures.items():
        suffix = "tex" if isinstance(spec, Table) else file_format
        path = out / f"{name}.{suffix}"
        export(spec, path, width, theme=theme, title=title)
        say(str(path))
    for run, why in made.left_out.items():
        say(f"left out: {run} {why}", err=True)
    for panel, command in made.missing.items():
        say(f"missing: {panel}; make it with: {command}", err=True)


def opened_runs(folders: list[Path]) -> list[Run]:
    """The runs that are named, and those in folders that are named; none twice."""
    from circuits.runs.listing import list_runs
    from circuits.runs.run import open_run

    paths: dict[Path, Path] = {}
    for folder in folders:
        entries = list_runs(folder)
        if not entries:
            raise HopscopeError(f"there is no run in {folder}; train one with `hopscope train`.")
        if bad := next((entry for entry in entries if entry.problem), None):
            raise HopscopeError(f"{bad.path}: {bad.problem}")
        paths |= {entry.path.resolve(): entry.path for entry in entries}
    return [open_run(path) for path in paths.values()]
