"""`hopscope sweep`: train a recipe over a grid, here or on a cluster, and ask how far it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.backends import (
    Address,
    Backend,
    Further,
    Partition,
    Time,
    checked_backend,
    slurm_request,
)
from app.cli.terminal import say
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    import pandas as pd

RUNS = Path("runs")
SHOWN = ("accuracy/train_inferred", "accuracy/id_test", "accuracy/ood_test")


def sweep_command(
    recipe: Annotated[
        Path | None, typer.Argument(help="The recipe to vary: a file or a name.")
    ] = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="section.key=a,b,c, may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds per combination.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for all runs.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value for all runs.")
    ] = None,
    analyze: Annotated[
        str | None, typer.Option(help="Analyses of each run when it has ended, as a,b.")
    ] = None,
    pack: Annotated[
        str,
        typer.Option(
            help="Train runs of one shape together as one batched model: auto (where that is "
            "faster), off, or the most at once."
        ),
    ] = "auto",
    backend: Backend = "local",
    jobs: Annotated[int | None, typer.Option(help="Runs at once.")] = None,
    address: Address = None,
    partition: Partition = None,
    time: Time = None,
    slurm: Further = None,
    again: Annotated[
        bool, typer.Option(help="Slurm: hand in runs again that never began, as after scancel.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Only estimate time, memory and disk, from a few steps.")
    ] = False,
    status: Annotated[
        Path | None, typer.Option(help="Tell how far the sweep in this folder is, and no more.")
    ] = None,
) -> None:
    """Train a recipe over a grid of values and several seeds."""
    if (recipe is None) == (status is None):
        raise HopscopeError(
            "give either a recipe (hopscope sweep RECIPE) or a sweep's folder (hopscope sweep "
            "--status OUT)."
        )
    if status is not None:
        tell_status(status)
        return
    assert recipe is not None
    from train.packs.choice import parse_pack
    from train.recipes import recipe_file

    given: dict[str, object] = {"--partition": partition, "--time": time, "--slurm": slurm}
    backend = checked_backend(backend, given | {"--again": again}, address)
    recipe = recipe_file(recipe)
    folder = out or RUNS / f"sweep-{recipe.stem}"
    plan: dict[str, Any] = {"out": folder, "seeds": seeds, "overrides": settings or []}
    if dry_run:
        _estimate(recipe, grid or [], jobs, plan)
        return
    plan["pack"] = parse_pack(pack)
    plan["afterwards"] = _afterwards(analyze, recipe, settings or [])
    if backend == "slurm":
        from train.sweeps.slurm import submit_sweep

        request = slurm_request(partition, time, slurm, jobs)
        done = submit_sweep(recipe, grid or [], request=request, again=again, **plan)
        _tell_submitted(done, folder)
    else:
        _sweep(recipe, grid or [], backend, jobs, address, plan)


def _sweep(
    recipe: Path,
    grid: list[str],
    backend: str,
    jobs: int | None,
    address: str | None,
    plan: dict[str, Any],
) -> None:
    from train.sweeps import TABLE, sweep
    from train.sweeps.collect import write_dataset

    folder = plan["out"]
    try:
        table = sweep(
            recipe,
            grid,
            backend="ray" if backend == "ray" else "loky",
            n_jobs=jobs,
            address=address,
            say=partial(say, err=True),
            **plan,
        )
    except KeyboardInterrupt:
        say(f"Stopped; the same command continues with what is in {folder}.", err=True)
        raise typer.Exit(130) from None
    say(_short(table).to_string(index=False, float_format="{:.3f}".format))
    failed = int((table["error"] != "").sum())
    if failed < len(table):
        say(f"all measured while training: {write_dataset(folder)} (xarray, by grid, seed, step)")
    say(f"written, with more columns, to {folder / TABLE}; see hopscope app {folder}")
    if failed:
        say(
            f"{failed} of {len(table)} runs did not finish, the column error says why; "
            "the same command tries these again and leaves the others.",
            err=True,
        )
        raise typer.Exit(1)


def tell_status(out: Path) -> None:
    """Print the runs of a sweep and how far each is; exit code 1 if any failed."""
    from train.sweeps import sweep_status
    from train.sweeps.status import counts

    found = sweep_status(out)
    shown = found.drop(columns=["run"] + [n for n in ("job", "error") if not found[n].any()])
    say(shown.to_string(index=False, na_rep="-", float_format="{:.3f}".format))
    say(f"{len(found):,} runs: {counts(found)}")
    if (found["state"] == "failed").any():
        raise typer.Exit(1)


def _afterwards(
    analyses: str | None, recipe: Path, settings: list[str]
) -> Callable[[Path], None] | None:
    """What is done with each finished run; refused before anything is trained."""
    if analyses is None:
        return None
    from analyses.cluster_walks import analyze_finished
    from analyses.fitting import catalog_entry
    from circuits.recipes.schema import load_recipe

    names = [name.strip() for name in analyses.split(",")]
    for name in names:
        catalog_entry(name, load_recipe(recipe, settings).splits.task)
    return partial(analyze_finished, names)


def _estimate(recipe: Path, grid: list[str], jobs: int | None, plan: dict[str, Any]) -> None:
    import joblib

    from train.sweeps import plan_sweep
    from train.sweeps.estimate import estimate_sweep
    from train.threads import is_set_by_user

    runs = plan_sweep(recipe, grid, **plan)
    at_once = jobs or joblib.cpu_count()
    threads = None if is_set_by_user() else max(1, joblib.cpu_count() // at_once)
    say(estimate_sweep(runs, at_once, threads).words)


def _tell_submitted(done: Any, folder: Path) -> None:
    if done.jobs:
        first, *_, last = [*done.jobs.values()] * 2
        say(f"handed in {len(done.jobs):,} runs as Slurm jobs {first} to {last}")
    if done.finished:
        say(f"{done.finished:,} runs had finished before")
    if done.waiting:
        say(f"{done.waiting:,} runs were handed in before; --again hands in what never began")
    say(f"next: hopscope sweep --status {folder}")


def _short(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a sweep's table that fit on the screen."""
    left_out = {"run", "delay_ratio"} | (set() if table["error"].any() else {"error"})
    names = [name for name in map(str, table.columns) if name not in left_out]
    names = [n for n in names if not n.startswith("accuracy/") or n in SHOWN]
    steps = {name: "Int64" for name in names if name == "step" or name.endswith("_step")}
    short = table[names].astype(steps).rename(columns=lambda name: name.removeprefix("accuracy/"))
    return short.astype(object).where(short.notna(), "-")
