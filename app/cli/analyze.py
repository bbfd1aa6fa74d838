"""`hopscope analyze`: run analyses over the checkpoints of a run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
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
    on_ray,
    on_slurm,
    slurm_request,
)
from app.cli.terminal import say
from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

    from analyses.stored import Request
    from circuits.runs.run import Run


def analyze_command(
    run: Annotated[Path | None, typer.Argument(help="Run folder, e.g. runs/demo.")] = None,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="More run folders, and analyses; all but those on request if none is named."
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Explain every analysis, or those named, with options.")
    ] = False,
    steps: Annotated[
        str | None, typer.Option(help="Checkpoints, as 0,500,1000 or 0:2000; all by default.")
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Splits, e.g. train_inferred,id_test,ood_test.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="option=value, e.g. --set reference=true.", metavar="OPTION"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes; one per core by default.", min=1)
    ] = None,
    follow: Annotated[
        bool, typer.Option(help="Keep going while the run is being trained.")
    ] = False,
    again: Annotated[
        bool, typer.Option(help="Recompute stored results; with --steps, only those steps.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="auto (a GPU where there is one), cpu or cuda; for --backend local.")
    ] = "auto",
    backend: Backend = "local",
    address: Address = None,
    partition: Partition = None,
    time: Time = None,
    slurm: Further = None,
) -> None:
    """Measure every checkpoint of RUN; stored results are not computed again."""
    if list_:
        first = [] if run is None or run.is_dir() else [str(run)]
        _explain([*first, *(names or ())])
        return
    if run is None:
        raise HopscopeError("no run was given; give its folder, or --list for the analyses.")
    backend = checked_backend(
        backend, {"--partition": partition, "--time": time, "--slurm": slurm}, address
    )
    from circuits.runs.run import open_run

    runs, names = _runs_and_names(run, names or [])
    options = dict(map(parse_option, set_ or []))
    asked = [
        Asked(opened, _checked(opened, names, split_names(splits), options), _steps(steps, opened))
        for opened in map(open_run, runs)
    ]
    for one in asked:
        one.check(again, named=bool(names))
    if backend == "local":
        for one in asked:
            _here(one, again=again, follow=follow, device=device, jobs=jobs, named=len(runs) > 1)
            if set_ or splits:
                for name in one.requests:
                    typed = _as_typed(set_ or [], splits)
                    say(f"figures: hopscope export {one.run.path} {name}{typed}")
        return
    if follow or again:
        raise HopscopeError(
            f"--follow and --again are for --backend local, and the backend is {backend}; leave "
            "them out."
        )
    if backend == "ray":
        on_ray(asked, jobs, address)
    else:
        on_slurm(asked, slurm_request(partition, time, slurm, jobs))


@dataclass(frozen=True)
class Asked:
    """What is asked of one run."""

    run: Run
    requests: dict[str, Request]
    """By analysis."""
    steps: list[int] | None

    def check(self, again: bool, named: bool) -> None:
        """Refuse a stored result of another version; if all analyses are run, leave it as it is."""
        refused: dict[str, str] = {}
        for name, request in self.requests.items():
            try:
                request.check(again, self.steps is not None)
            except HopscopeError as error:
                if named:
                    raise
                refused[name] = str(error)
        for name, why in refused.items():
            del self.requests[name]
            say(f"left out {name}: {why}", err=True)


def _runs_and_names(first: Path, others: list[str]) -> tuple[list[Path], list[str]]:
    """Folders are runs and all else analyses, unless it is named as one."""
    from analyses.catalog import CATALOG
    from circuits.runs.reading import runs_of

    more = [Path(name) for name in others if name not in CATALOG and Path(name).exists()]
    names = [name for name in others if name in CATALOG or not Path(name).exists()]
    return runs_of([first, *more]), names


def _here(
    asked: Asked, *, again: bool, follow: bool, device: str, jobs: int | None, named: bool
) -> None:
    from analyses.walk import analyze

    if named:
        say(f"{asked.run.path}:")
    for name, request in asked.requests.items():
        result = analyze(
            asked.run,
            name,
            splits=request.splits,
            settings=request.options.model_dump(),
            steps=asked.steps,
            n_jobs=jobs,
            follow=follow,
            again=again,
            device=device,
        )
        _tell(name, result)


def _as_typed(options: list[str], splits: str | None) -> str:
    words = [f" --set {shlex.quote(option)}" for option in options]
    return "".join([*words, f" --splits {shlex.quote(splits)}" if splits else ""])


def _tell(name: str, result: xr.Dataset) -> None:
    """Print how much was measured, and warnings."""
    from analyses.circuits.faithfulness import warnings_of

    n = ", ".join(f"{s} {k}" for s, k in zip(result.split.values, result.n.values, strict=True))
    say(f"{name}: {result.sizes['step']} checkpoints; examples: {n}")
    for warning in warnings_of(result):
        say(f"{name}: {warning}")


def _checked(
    run: Run,
    names: list[str] | None,
    splits: list[str] | None,
    options: dict[str, Any],
) -> dict[str, Request]:
    """The analyses to run, by name; refuses before any of them has run."""
    from analyses.fitting import catalog_entry, usual_analyses
    from analyses.stored import Request

    task = run.corpus.task
    chosen = names or usual_analyses(task, bridged=run.bridged, text=run.corpus.text)
    if options and len(chosen) != 1:
        raise HopscopeError(f"--set is for one analysis at a time; name one of {_listed(chosen)}.")
    for name in chosen:
        catalog_entry(name, task, bridged=run.bridged, text=run.corpus.text)
    return {name: Request.make(run, name, splits, options) for name in chosen}


def _explain(names: list[str]) -> None:
    from analyses.catalog import CATALOG
    from circuits.settings import sentences

    for name in names:
        if name not in CATALOG:
            raise unknown_name("analysis", name, CATALOG)
    for entry in [CATALOG[name] for name in names] or CATALOG.values():
        known = entry.options_type.model_fields
        say(f"{entry.name} ({', '.join(entry.tasks)})")
        say(f"    {entry.about}")
        if not names:
            options = ", ".join(f"{key}={field.default!r}" for key, field in known.items())
            say(f"    options: {options}\n")
            continue
        below = sentences(entry.options_type)
        for key, field in known.items():
            about = " ".join(below.get(key, "").split())
            say(f"    --set {key}={field.default!r}: {about}".removesuffix(": "))
    if not names:
        say("hopscope analyze --list NAME explains the options of an analysis.")


def split_names(text: str | None) -> list[str] | None:
    """Names as typed after --splits; None if it was not given."""
    return [name.strip() for name in text.split(",")] if text else None


def parse_option(text: str) -> tuple[str, Any]:
    """Key and value of "option=value", as typed after --set."""
    from circuits.settings import parse_setting

    return parse_setting(text, "option=value", "--set examples=100")


def _steps(text: str | None, run: Run) -> list[int] | None:
    if text is None:
        return None
    there = run.steps
    try:
        if ":" in text:
            first, last = (int(part) if part.strip() else None for part in text.split(":"))
            low, high = first or 0, there[-1] if last is None else last
            chosen = [step for step in there if low <= step <= high]
        else:
            chosen = [int(part) for part in text.split(",")]
    except ValueError:
        raise HopscopeError(
            f"--steps {text!r} is not understood; give steps as 0,500,1000 or a range as 0:2000."
        ) from None
    if not chosen:
        raise HopscopeError(
            f"--steps {text!r} selects none of the run's checkpoints, {there[0]} to {there[-1]}."
        )
    return chosen


def _listed(names: list[str]) -> str:
    return ", ".join(names)
