"""An analysis over the checkpoints of a run: cached, incremental, resumable, parallel.

1. What is stored for these options and splits is looked up; only missing steps are computed.
2. Each step is one task: load one checkpoint, analyze every split, drop the model. A worker holds
   one checkpoint's activations at a time, whatever the length of the run.
3. Finished steps are written every few seconds and when the walk ends for whatever reason, so an
   interrupted walk goes on where it stopped. Results come back in order of step.

Tasks go through joblib: local processes by default, any other backend (Ray, say) inside
`joblib.parallel_config(backend=...)`.
"""

from __future__ import annotations

import json
import multiprocessing
import shlex
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from analyses.catalog import Analysis, AnalysisOptions, catalog_entry
from circuits.errors import HopscopeError, unknown_name
from circuits.runs.results import ResultStore
from circuits.runs.run import Run, describe_steps, open_run

if TYPE_CHECKING:  # both take a second to import
    import xarray as xr
    from rich.progress import Progress

    from analyses.questions.examples import Examples
    from circuits.corpus.corpus import Corpus

LEAST_FOR_PROCESSES = 12
"""Fewer missing steps than this are faster in this process: workers take seconds to start."""

_FLUSH_SECONDS = 5.0
_POLL_SECONDS = 3.0


def analyze(
    run: Run | str | Path,
    name: str,
    *,
    steps: Sequence[int] | None = None,
    splits: Sequence[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
    follow: bool = False,
    again: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Result of an analysis for these checkpoints; what is missing is computed and stored.

    Args:
        run: A run or its folder.
        name: An entry of `analyses.catalog.CATALOG`.
        steps: Checkpoints; those of the catalog entry if None: all of the run, or its last.
        splits: Splits; those of the catalog entry if None (those too small are left out).
        n_jobs: Processes; None: one per core, or none at all where few steps are missing.
        progress: Show a progress bar with the time left.
        follow: If the run is still training, go on until it ends.
        again: Compute these steps anew; what another version has stored goes as a whole, unless
            steps are named, since its other steps could not stay beside them.
        options: Options of the analysis.

    Returns:
        Dataset (step, split, ...), rising in step.
    """
    run = run if isinstance(run, Run) else open_run(run)
    plan = Plan.make(run, name, splits, options)
    plan.check(again, steps is not None)
    if steps is None and plan.entry.default_steps == "last":
        steps = run.steps[-1:]
    wanted = _checked_steps(run, steps)
    if again and plan.store.is_stale():
        plan.store.delete()
    elif again:
        plan.store.keep([step for step in run.steps if step not in wanted])
    while True:
        missing = sorted(set(wanted) - set(plan.store.steps()))
        _compute(plan, missing, n_jobs, progress)
        if not follow or run.state != "training":
            break
        time.sleep(_POLL_SECONDS)
        run = run.refreshed()
        wanted = sorted({*wanted, *(run.steps if steps is None else [])})
    return plan.store.load(wanted)


def stored_result(
    run: Run, name: str, splits: Sequence[str] | None = None, **options: Any
) -> xr.Dataset | None:
    """What is stored of an analysis, without computing anything; None if nothing is."""
    plan = Plan.make(run, name, splits, options)
    return plan.store.load() if plan.store.steps() else None


def other_settings(run: Run, name: str) -> list[str]:
    """Options and splits under which an analysis is stored besides the default ones, as typed."""
    default = Plan.make(run, name, None, {})
    options = default.options.model_dump(mode="json")
    found = []
    for marker in sorted(run.results_dir.glob(f"{name}-*.json")):
        settings = json.loads(marker.read_text(encoding="utf-8"))["settings"]
        words = [
            f"--set {shlex.quote(f'{key}={json.dumps(value)}')}"
            for key, value in settings["options"].items()
            if options.get(key) != value
        ]
        if tuple(settings["splits"]) != default.splits:
            words.append(f"--splits {','.join(settings['splits'])}")
        found.append(" ".join(words))
    return found


class Plan:
    """One analysis of one run with validated options, and where its results are kept."""

    def __init__(
        self, run: Run, entry: Analysis, splits: tuple[str, ...], options: AnalysisOptions
    ) -> None:
        self.run, self.entry, self.splits, self.options = run, entry, splits, options
        defaults = splits == usable_splits(run, entry.splits) and options == entry.options({})
        settings = {
            "version": entry.version,
            "splits": list(splits),
            "options": options.model_dump(mode="json"),
        }
        self.store = ResultStore(run.results_dir, entry.name, settings, defaults)

    @classmethod
    def make(
        cls, run: Run, name: str, splits: Sequence[str] | None, options: dict[str, Any]
    ) -> Plan:
        """Validate everything a user can get wrong before anything is computed."""
        entry = catalog_entry(name, run.corpus.task)
        if splits is None:
            chosen = usable_splits(run, entry.splits)
            if not chosen:
                raise HopscopeError(
                    f"{name}: none of the splits {', '.join(entry.splits)} of {run.path} has the "
                    "5 questions that an interval needs; name others with --splits."
                )
        else:
            chosen = tuple(dict.fromkeys(splits))
            for split in chosen:
                if split not in run.corpus.splits:
                    raise unknown_name("split", split, run.corpus.splits)
            small = sorted(set(chosen) - set(usable_splits(run, chosen)))
            if small:
                raise HopscopeError(
                    f"split {small[0]!r} has {len(run.queries(small[0]))} questions; an interval "
                    "needs at least 5. Choose another split."
                )
        return cls(run, entry, chosen, entry.options(options))

    def check(self, again: bool, named: bool) -> None:
        """Refuse what another version has stored; `again` without named steps replaces it all."""
        if not again:
            self.store.steps()
        elif named and self.store.is_stale():
            raise HopscopeError(
                f"{self.store.path} was made by another version of Hopscope or with other "
                "settings, so single steps of it cannot be replaced; name no steps, to compute "
                "all anew."
            )

    @property
    def provenance(self) -> str:
        """Where the numbers come from, as JSON."""
        return json.dumps(
            {
                "run": self.run.path.name,
                "analysis": self.entry.name,
                "version": self.entry.version,
                "options": self.options.model_dump(mode="json"),
                "seed": self.run.recipe.seed,
                "commit": self.run.manifest.get("commit"),
                "hopscope": self.run.manifest.get("hopscope"),
                "versions": self.run.manifest.get("versions", {}),
            }
        )


def usable_splits(run: Run, names: Sequence[str]) -> tuple[str, ...]:
    """Those of these splits that the run has, with enough questions for an interval."""
    from circuits.statistics import LEAST_EXAMPLES

    splits = run.corpus.splits
    return tuple(s for s in names if s in splits and len(splits[s]) >= LEAST_EXAMPLES)


def _checked_steps(run: Run, steps: Sequence[int] | None) -> list[int]:
    for step in steps or ():
        if step not in run.steps:
            raise HopscopeError(
                f"{run.path} has no checkpoint of step {step}; it has {describe_steps(run.steps)}"
            )
    if not run.steps:
        raise HopscopeError(f"{run.path} has no checkpoint yet; wait, or train it again.")
    return list(run.steps if steps is None else steps)


def _compute(plan: Plan, missing: list[int], n_jobs: int | None, progress: bool) -> None:
    if not missing:
        return
    results = _results(plan, missing, n_jobs)
    waiting: list[xr.Dataset] = []
    last_flush = time.monotonic()
    try:
        with _progress_bar(progress) as bar:
            for result in bar.track(results, len(missing), description=plan.entry.title):
                waiting.append(result)
                if time.monotonic() - last_flush > _FLUSH_SECONDS:
                    _flush(plan, waiting)
                    last_flush = time.monotonic()
    finally:
        _flush(plan, waiting)
        plan.store.put_in_order()


def _flush(plan: Plan, waiting: list[xr.Dataset]) -> None:
    from analyses.joining import joined_steps

    if waiting:
        plan.store.append(joined_steps(waiting))
        waiting.clear()


def _results(plan: Plan, missing: list[int], n_jobs: int | None) -> Iterator[xr.Dataset]:
    if n_jobs is None:
        n_jobs = 1 if len(missing) < LEAST_FOR_PROCESSES else joblib.cpu_count()
    task = (
        str(plan.run.path),
        str(plan.run.manifest.get("created")),
        plan.entry.name,
        plan.splits,
        plan.options.model_dump_json(),
        plan.provenance,
    )
    if n_jobs == 1:
        return (_one_step(*task, step) for step in missing)
    work = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    return work(joblib.delayed(_one_step)(*task, step) for step in missing)


def _one_step(
    path: str,
    created: str,
    name: str,
    splits: tuple[str, ...],
    options_json: str,
    provenance: str,
    step: int,
) -> xr.Dataset:
    """All splits of one checkpoint, dims (step, split, ...)."""
    import torch

    from analyses.joining import joined_splits

    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # every core has a worker
    run = open_run(path)
    entry = catalog_entry(name, _corpus(path, created).task)
    options = entry.options_type.model_validate_json(options_json)
    model = run.model(step)
    parts = {}
    with torch.no_grad():
        for split in splits:
            examples = _examples(path, created, split, options.examples, options.seed)
            parts[split] = (entry.run(model, examples, options), examples)
    attrs = {"analysis": name, "options": options_json, "provenance": provenance}
    return joined_splits(parts, step, attrs)


@lru_cache(maxsize=16)
def _examples(path: str, created: str, split: str, n: int, seed: int) -> Examples:
    from analyses.questions.examples import draw_examples

    return draw_examples(_corpus(path, created), split, n, seed)


@lru_cache(maxsize=2)
def _corpus(path: str, created: str) -> Corpus:
    """The corpus is read once per process; `created` tells a run from a later one there."""
    return open_run(path).corpus


def _progress_bar(shown: bool) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("checkpoints,"),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        disable=not shown,
    )
