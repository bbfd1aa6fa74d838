"""`hopscope sheet`: several figures as one, with letters, from a short description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import say


def sheet_command(
    description: Annotated[
        Path, typer.Argument(help="TOML file with the sheet's runs and panels; see docs/papers.md.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write: .pdf, .svg, .png, .pgf or .html."),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(help="column, page, a venue's name or inches; as described if not given."),
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    title: Annotated[bool, typer.Option(help="Titles and notes beside the letters.")] = True,
    svg_text: Annotated[bool, typer.Option(help="In an SVG: text as text, not paths.")] = False,
) -> None:
    """Draw a sheet of figures of one or several runs, with data and provenance of each panel."""
    from analyses.figures.export import export
    from analyses.figures.renderers.style import theme_of, width_in_inches
    from analyses.figures.sheets.compose import compose
    from analyses.figures.sheets.description import read_description

    described = read_description(description)
    wide = width or described.width
    width_in_inches(wide)
    theme_of(theme)
    sheet = compose(described, description.stem)
    path = out or description.with_suffix(".pdf")
    for written in export(sheet, path, wide, theme=theme, title=title, svg_text=svg_text)[:1]:
        say(str(written))
