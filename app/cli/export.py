"""`hopscope export`: figures of a run as files for a paper or a talk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.analyze import parse_option, split_names
from app.cli.terminal import say
from app.cli.verify import verify_exports
from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:
    from analyses.figures.run_figures import RunFigure
    from analyses.figures.specs.animation import Animation
    from analyses.figures.specs.charts import Spec
    from analyses.slices.slice import Slice
    from circuits.runs.run import Run


def export_command(
    run: Annotated[Path | None, typer.Argument(help="Run folder, e.g. runs/demo.")] = None,
    figures: Annotated[
        list[str] | None,
        typer.Argument(help="Figures or analyses; every figure if none is named. See --list."),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="pdf, svg, png, pgf, html, csv; webp, gif, mp4 move.")
    ] = "pdf",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; RUN/figures if not given.")
    ] = None,
    width: Annotated[str, typer.Option(help="column (3.25 in), page (6.75 in) or inches.")] = (
        "column"
    ),
    step: Annotated[
        int | None, typer.Option(help="Checkpoint to show; the last one if not given.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Draw every figure of this split, e.g. ood_test; see --list."),
    ] = None,
    slice_: Annotated[
        str,
        typer.Option(
            "--slice",
            help="Draw the questions of a slice, e.g. relation_1=capital,right=no,step=1000.",
            metavar="WORDS",
        ),
    ] = "",
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    title: Annotated[bool, typer.Option(help="Title and subtitle in the picture.")] = True,
    svg_text: Annotated[bool, typer.Option(help="In an SVG: text as text, not paths.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Name the run's figures.")] = False,
    verify: Annotated[
        Path | None,
        typer.Option(help="Write nothing; check the figures exported to this folder against RUN."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="option=value that one analysis was run with.", metavar="OPTION"
        ),
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Splits that one analysis was run with.")
    ] = None,
) -> None:
    """Write figures of RUN, each with its data (.csv) and provenance (.json)."""
    from analyses.figures.export import FORMATS, MOVING, export
    from analyses.figures.left_out import LeftOut, each_made
    from analyses.figures.renderers.style import theme_of, width_in_inches
    from analyses.figures.run_figures import chosen_figures, moving, refused_results
    from analyses.slices.slice import Slice
    from circuits.runs.run import open_run

    if verify is not None:
        verify_exports(run, verify)
        return
    if run is None:
        raise HopscopeError("name a run: hopscope export RUN.")
    file_format = format_.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise unknown_name("format", format_, FORMATS)
    if file_format in MOVING and (not figures or step is not None):
        what = "--step picks one of its frames" if figures else "name the figure that moves"
        raise HopscopeError(f"a .{file_format} file is an animation: {what}.")
    width_in_inches(width)
    theme_of(theme)
    chosen = Slice.parse(slice_)
    opened = open_run(run)
    if split is not None and split not in opened.corpus.splits:
        raise unknown_name("split", split, opened.corpus.splits)
    available, missing = _available(opened, figures or [], set_ or [], splits, chosen)
    if list_:
        say("\n".join(f"{found.name}\n    {found.about}" for found in available.values()))
        say(f"splits: {', '.join(opened.corpus.splits)}")
        for why in refused_results(opened).values():
            say(why, err=True)
        return
    folder = out or opened.figures_dir / ("other-settings" if set_ or splits else "")
    moves = file_format in MOVING
    wanted, left_out = chosen_figures(available, figures or ()), LeftOut()
    named = [found.name for found in wanted if any(found.is_called(text) for text in figures or ())]

    def make(found: RunFigure) -> Spec | Animation:
        return moving(found, split) if moves else found.make(step, split)

    for name, spec in each_made(wanted, make, left_out, named):
        path = folder / f"{name}.{file_format}"
        export(spec, path, width, theme=theme, title=title, svg_text=svg_text)
        say(str(path))
    for sentence in left_out.sentences:
        say(sentence, err=True)
    if missing and not figures:
        say(f"not analyzed yet, so without figures: {', '.join(missing)}", err=True)


def _available(
    run: Run, names: list[str], options: list[str], splits: str | None, chosen: Slice
) -> tuple[dict[str, RunFigure], list[str]]:
    """List the figures that can be drawn, and the analyses that have not been run."""
    from analyses.figures.run_figures import results_to_come
    from analyses.figures.sliced_figures import figures_on

    if options or splits:
        return _with_settings(run, names, options, splits, chosen), []
    missing = results_to_come(run)
    for name in names:
        if name in missing:
            raise _not_run(run, name)
    return figures_on(run, chosen), missing


def _with_settings(
    run: Run, names: list[str], options: list[str], splits: str | None, chosen: Slice
) -> dict[str, RunFigure]:
    """Figures of one analysis as run with these options and splits."""
    from analyses.catalog import CATALOG
    from analyses.figures.sliced_figures import analysis_figures_on
    from analyses.stored import stored_result

    if len(names) != 1 or names[0] not in CATALOG:
        raise HopscopeError("--set and --splits apply to the figures of one analysis; name it.")
    how = dict(map(parse_option, options))
    found = stored_result(run, names[0], split_names(splits), **how)
    if found is None:
        raise _not_run(run, names[0], "like that ")
    return analysis_figures_on(run, names[0], found, chosen)


def _not_run(run: Run, name: str, how: str = "") -> HopscopeError:
    from analyses.stored import other_settings

    others = other_settings(run, name)
    there = f", but there is: {'; '.join(others)}" if others else ""
    return HopscopeError(
        f"{name} has not been run {how or ('with its default options ' if others else '')}"
        f"on {run.path}{there}; give export the same options as analyze, or run "
        f"`hopscope analyze {run.path} {name}` first."
    )
