"""`hopscope compare`: what several runs have in common, and how far they spread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    import xarray as xr

    from circuits.runs.run import Run


def compare_command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, e.g. of several seeds.")],
    split: Annotated[str, typer.Option(help="Questions of the circuit and of swaps.")] = "id_test",
    out: Annotated[Path | None, typer.Option(help="Folder for figures of the agreement.")] = None,
    format_: Annotated[str, typer.Option("--format", help="pdf, svg, png, html or csv.")] = "pdf",
) -> None:
    """Spread of results over RUNS with 95% intervals, and whether they form the same circuit."""
    from analyses.over_training.seeds import agreement_of_runs, seed_spread
    from analyses.stored import reader
    from circuits.runs.reading import runs_of
    from circuits.runs.run import open_run

    runs = runs_of(runs)
    names = [path.resolve().name for path in runs]
    if len(set(names)) < len(names):
        names = [str(path) for path in runs]
    if len(set(names)) < len(names):
        raise HopscopeError("a run is named twice; name different runs.")
    opened = dict(zip(names, (open_run(path) for path in runs), strict=True))
    _say_if_no_seeds(opened)
    read = {name: reader(run) for name, run in opened.items()}
    _show_spread(seed_spread(opened, split, read=read))
    agreement = agreement_of_runs(opened, split, read=read)
    _show_agreement(agreement)
    if out is not None:
        _draw(agreement, out, format_.lower().removeprefix("."))


def _say_if_no_seeds(runs: dict[str, Run]) -> None:
    """A mean over runs of different recipes is of no one setting."""
    from app.logic.run_groups import differing, groups

    if max(len(names) for names in groups(runs).values()) == len(runs):
        return
    settings = differing(runs)
    told = ", ".join(settings[:4]) + (f" and {len(settings) - 4} more" if len(settings) > 4 else "")
    why = f"they differ in {told}" if settings else "the same seed is among them twice"
    say(f"not seeds of one recipe: {why}; read what follows as a spread over these runs.", err=True)


def _draw(agreement: xr.Dataset, out: Path, file_format: str) -> None:
    from analyses.figures.export import export
    from analyses.figures.registry import figure, figures

    for name in figures(agreement):
        path = out / f"circuit_agreement_{name}.{file_format}"
        export(figure(agreement, name), path, "page")
        say(str(path))


def _show_spread(ds: xr.Dataset) -> None:
    from analyses.over_training.seeds import MEASURES

    for analysis, step in json.loads(ds.attrs["steps"]).items():
        say(f"{analysis}: at step {step:,}, the last at which all runs have it")
    for name, (text, unit) in MEASURES.items():
        one = ds.sel(measure=name)
        if int(one["mean_n"]) == 0:
            continue
        digits = ".3f" if unit == "share" else ",.0f"
        values = " ".join(_value(one.sel(run=run), digits) for run in ds["run"].values)
        if name == "swap":
            text = f"{text} {ds.attrs['swap_states']}"
        ends = [f"{float(one[f'mean_{end}']):{digits}}" for end in ("low", "high")]
        interval = f" [{', '.join(ends)}]" if "nan" not in ends else ""
        mean = f"{float(one['mean']):{digits}}{interval}, n = {int(one['mean_n'])} runs"
        early = int(one["at_first"])
        bound = f"; cannot be dated in {early}: there by the first checkpoint" if early else ""
        say(f"{text}: {mean}; of each: {values}{_questions(one)}{bound}")


def _value(one: xr.Dataset, digits: str) -> str:
    """The value of a run, with its 95% interval over questions where there is one."""
    value, low, high = (float(one[name]) for name in ("value", "value_low", "value_high"))
    if value != value:
        return "-"
    return f"{value:{digits}}" + (f" [{low:{digits}}, {high:{digits}}]" if low == low else "")


def _questions(one: xr.Dataset) -> str:
    counts = sorted({int(n) for n in one["value_n"].values if n == n})
    ends = " to ".join(f"{n:,}" for n in dict.fromkeys((*counts[:1], *counts[-1:])))
    return f" (n = {ends} questions each)" if ends else ""


def _show_agreement(ds: xr.Dataset) -> None:
    for measure, text in (("jaccard", "Jaccard index of edges"),
                          ("rank_correlation", "rank correlation of strengths")):  # fmt: skip
        one = ds.sel(measure=measure)
        mean, low, high = (float(one[f"mean{end}"]) for end in ("", "_low", "_high"))
        interval = f" [{low:.2f}, {high:.2f}]" if low == low else ""
        say(f"circuits, {text}: {mean:.2f}{interval}, n = {ds.attrs['n']} runs")
    share = ds["edge_share"].values
    say(
        f"edges in all circuits: {(share == 1).sum()}, in some: {((share > 0) & (share < 1)).sum()}"
    )
