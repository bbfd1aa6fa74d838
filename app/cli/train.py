"""`hopscope train`."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.terminal import say
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    from circuits.runs.run import Run

RUNS = Path("runs")
ACCURACY = "accuracy/"


def train_command(
    recipe: Annotated[
        Path | None,
        typer.Argument(help="A recipe file, or the name of one that ships, e.g. demo."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="New run folder; runs/<recipe>-<time> if not given.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, may be repeated.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="A stopped run to resume; with --set training.steps=N, also a finished."),
    ] = None,
) -> None:
    """Train a recipe into a run folder, or resume a stopped run."""
    if (recipe is None) == (resume is None):
        raise HopscopeError(
            "give either a recipe (hopscope train RECIPE) or a run (hopscope train --resume RUN)."
        )
    from circuits.recipes.schema import load_recipe
    from train.longer import lengthen
    from train.loop import train
    from train.recipes import recipe_file

    if resume is not None:
        if out is not None:
            raise HopscopeError("--resume goes on in the run's own folder; leave out --out.")
        if settings and (told := lengthen(resume, settings)):
            say(told, err=True)
        run = train(None, resume, resume=True)
    else:
        assert recipe is not None
        recipe = recipe_file(recipe)
        resolved = load_recipe(recipe, settings or ())
        if out is None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise HopscopeError("under torchrun give --out, so that all processes agree on it.")
        run = train(resolved, out or new_run_folder(recipe))
    if os.environ.get("RANK", "0") == "0":
        say("\n".join(summary(run)))
    if run.state == "stopped":
        raise typer.Exit(130)


def _accuracy_line(run: Run, row: dict[str, Any], key: str) -> str:
    """Accuracy of a split, over questions and over bridges, beside its best shortcut's."""
    from circuits.corpus.shortcuts import verdict

    split = key.removeprefix(ACCURACY)
    line = f"  {split:<16}{row[key]:.3f}"
    if (first := row.get(f"first_token_{key}")) is not None:
        line += f"   first token {first:.3f}"
    if (macro := row.get(f"macro_{key}")) is not None:
        line += f"   over bridges {macro:.3f}"
    bridges = run.diversity.get(split, {}).get("bridges")
    if bridges:
        line += f" ({bridges['count']:,}, effective {bridges['effective']:,.1f})"
    if rates := run.baselines.get(split):
        n = min(len(run.queries(split)), run.recipe.evaluation.items)
        line += f"   {verdict(row[key], n, rates)}"
    return line


def new_run_folder(recipe: Path) -> Path:
    """runs/<recipe>-<time>, with a number appended if that exists."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = RUNS / f"{recipe.stem}-{stamp}"
    number = 2
    while folder.exists():
        folder = RUNS / f"{recipe.stem}-{stamp}-{number}"
        number += 1
    return folder


def summary(run: Run) -> list[str]:
    """Print a run's outcome in a few lines: accuracies beside the best shortcut of each split."""
    rows = run.rows()
    kept = f"{len(run.steps)} checkpoint{'' if len(run.steps) == 1 else 's'}"
    lines = [f"{run.path}: {run.state} at step {run.last_step:,}, {kept}"]
    if run.imported is not None:
        lines.append(f"  {run.imported.words}")
    last = rows[-1] if rows else {}
    if last.get("step", run.last_step) < run.last_step:
        lines.append(f"  as evaluated at step {last['step']:,}:")
    lines += [_accuracy_line(run, last, key) for key in last if key.startswith(ACCURACY)]
    grok = run.grok
    if grok.get("memorization_step") is not None:
        when = grok["grok_step"] if grok["grok_step"] is not None else "not yet"
        lines.append(f"  memorized at step {grok['memorization_step']:,}, generalized: {when}")
    if run.state == "finished":
        lines.append(f"next: hopscope analyze {run.path}; hopscope app {run.path.parent}")
    return lines
