"""`hopscope export`: figures of a run as files for a paper or a talk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from circuits.errors import HopscopeError, unknown_name


def export_command(
    run: Annotated[Path, typer.Argument(help="Run folder, e.g. runs/demo.")],
    figures: Annotated[
        list[str] | None,
        typer.Argument(help="Figures or analyses; every figure if none is named. See --list."),
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="pdf, svg, png, html or csv.")] = "pdf",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; RUN/figures if not given.")
    ] = None,
    width: Annotated[str, typer.Option(help="column (3.25 in), page (6.75 in) or inches.")] = (
        "column"
    ),
    step: Annotated[
        int | None, typer.Option(help="Checkpoint to show; the last one if not given.")
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    title: Annotated[bool, typer.Option(help="Title and subtitle in the picture.")] = True,
    list_: Annotated[bool, typer.Option("--list", help="Name the run's figures.")] = False,
) -> None:
    """Write figures of RUN, each with its data (.csv) and where it comes from (.json)."""
    from analyses.figures.export import FORMATS, export
    from analyses.figures.of_run import chosen_figures, run_figures, run_results
    from analyses.figures.style import theme_of, width_in_inches
    from circuits.runs import open_run

    file_format = format_.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise unknown_name("format", format_, FORMATS)
    width_in_inches(width)
    theme_of(theme)
    opened = open_run(run)
    results, missing = run_results(opened)
    available = run_figures(opened, results)
    for name in figures or ():
        if name in missing:
            raise HopscopeError(
                f"{name} has not been run on {run}; run `hopscope analyze {run} {name}` first."
            )
    if list_:
        for found in available.values():
            typer.echo(f"{found.name}\n    {found.about}")
        return
    folder = out or opened.figures_dir
    for found in chosen_figures(available, figures or ()):
        path = folder / f"{found.name}.{file_format}"
        export(found.make(step), path, width, theme=theme, title=title)
        typer.echo(str(path))
    if missing and not figures:
        typer.echo(f"not analyzed yet, so without figures: {', '.join(missing)}", err=True)
