"""From a description to the spec of a sheet: every panel a figure of a run, read from its results.

No model is run: a figure whose analysis has not been run is refused with the command that runs it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from analyses.catalog import CATALOG
from analyses.figures.registry import builders_of
from analyses.figures.run_figures import (
    RunFigure,
    analysis_figures,
    chosen_figures,
    results_to_come,
    run_figures,
    selected,
)
from analyses.figures.sheets.description import (
    PanelDescription,
    SheetDescription,
    read_description,
)
from analyses.figures.specs.charts import Spec
from analyses.figures.specs.sheet import Sheet
from analyses.stored import stored_result
from circuits.errors import HopscopeError, unknown_name
from circuits.runs.run import Run, open_run


def read_sheet(path: str | Path) -> Sheet:
    """The sheet that a TOML file describes (see `analyses.figures.sheets.description`).

    Args:
        path: The file; the runs' paths in it are relative to its folder.

    Raises:
        HopscopeError: if the description is malformed, or a run, figure or step does not exist.

    >>> from pathlib import Path
    >>> from analyses import read_sheet
    >>> text = '''runs = { demo = "assets/demo" }
    ... panel = [{ figure = "accuracy" }, { figure = "circuit", step = 600 }]'''
    >>> file = Path("two.toml")
    >>> _ = file.write_text(text)
    >>> sheet = read_sheet(file)
    >>> [(place.letter, place.row, place.column) for place in sheet.places()]
    [('a', 0, 0), ('b', 0, 1)]
    >>> sheet.panels[1].title
    'The circuit at step 600'
    """
    path = Path(path)
    return compose(read_description(path), path.stem)


def compose(described: SheetDescription, name: str) -> Sheet:
    """The sheet of a description; each run is opened once, each result read once."""
    runs = {key: open_run(folder) for key, folder in described.runs.items()}
    drawn = {key: run_figures(run) for key, run in runs.items()}
    panels = []
    for number, panel in enumerate(described.panel, 1):
        key = panel.run or next(iter(runs))
        try:
            panels.append(_panel(runs[key], drawn[key], panel))
        except HopscopeError as error:
            raise HopscopeError(f"panel {number} ({panel.figure}): {error}") from error
    return Sheet(
        name=name,
        title=described.title,
        subtitle=described.note,
        panels=tuple(panels),
        columns=described.columns,
        spans=tuple(panel.span for panel in described.panel),
        share=described.share,
        joint_legend=described.legend == "joint",
        provenance={"sheet": described.model_dump(mode="json", exclude={"runs"})},
    )


def _panel(run: Run, drawn: dict[str, RunFigure], panel: PanelDescription) -> Spec:
    spec = selected(run, _found(run, drawn, panel), panel.step, **panel.select)
    words = {"title": panel.title, "subtitle": panel.note}
    changed: dict[str, str] = {key: text for key, text in words.items() if text is not None}
    return replace(spec, **changed) if changed else spec  # type: ignore[arg-type]


def _found(run: Run, drawn: dict[str, RunFigure], panel: PanelDescription) -> RunFigure:
    """The one figure that a panel names."""
    if panel.options or panel.splits is not None:
        drawn = _with_settings(run, panel)
    for analysis in results_to_come(run):
        if panel.figure == analysis or panel.figure in _names(analysis):
            raise HopscopeError(
                f"{analysis} has not been run on {run.path}; run "
                f"`hopscope analyze {run.path} {analysis}` first."
            )
    hits = chosen_figures(drawn, [panel.figure])
    exact = [found for found in hits if found.name == panel.figure]
    if len(exact or hits) > 1:
        names = ", ".join(found.name for found in hits)
        raise HopscopeError(f"{panel.figure!r} may be any of {names}; give the full name.")
    return (exact or hits)[0]


def _names(analysis: str) -> list[str]:
    return [f"{analysis}_{name}" for name in builders_of(analysis)]


def _with_settings(run: Run, panel: PanelDescription) -> dict[str, RunFigure]:
    """The figures of the panel's analysis as run with its options and splits."""
    of_run = [a for a in CATALOG if builders_of(a)]
    analysis = next((a for a in of_run if panel.figure in _names(a)), None)
    if analysis is None:
        raise unknown_name(
            "figure of an analysis", panel.figure, [name for a in of_run for name in _names(a)]
        )
    ds = stored_result(run, analysis, panel.splits, **panel.options)
    if ds is None:
        raise HopscopeError(
            f"{analysis} has not been run like that on {run.path}; run `hopscope analyze "
            f"{run.path} {analysis}` with these options and splits first."
        )
    return analysis_figures(run, analysis, ds)
