"""An analysis over the checkpoints of a run: cached, incremental, resumable, parallel.

1. What is stored for these options and splits is looked up (`analyses.stored`); only missing steps
   are computed.
2. Each step is one task: load one checkpoint, analyze every split, drop the model. A worker holds
   one checkpoint's activations at a time, however long the run is.
3. Finished steps are written every few seconds (less often where writing is slow) and whenever the
   walk ends, so an interrupted walk continues where it stopped. Results come back in order of step.

A joint analysis is one task: its result is stored as a whole, and replaced if other checkpoints are
asked for.

Tasks go through joblib: local processes by default, any other backend (Ray, say) inside
`joblib.parallel_config(backend=...)`.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from analyses.adding import is_added
from analyses.fitting import catalog_entry
from analyses.stored import Request
from circuits.devices import chosen_device
from circuits.errors import HopscopeError
from circuits.runs.run import Run, open_run

if TYPE_CHECKING:  # both take a second to import
    import xarray as xr
    from rich.progress import Progress

    from analyses.questions.examples import Examples
    from circuits.corpus.corpus import Corpus

LEAST_FOR_PROCESSES = 12
"""Fewer missing steps than this are computed in this process: workers take seconds to start."""

_FLUSH_SECONDS = 5.0
_WRITES_AT_MOST = 0.1
"""Share of a walk's time: a write of one step costs as much as one of ten."""
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
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> xr.Dataset:
    """Result of an analysis for these checkpoints; missing steps are computed and stored.

    Args:
        run: A run or its folder.
        name: An entry of `analyses.catalog.CATALOG`.
        steps: Checkpoints; None: those of the catalog entry (all of the run, or its last).
        splits: Splits; None: those of the catalog entry, except splits that are too small.
        n_jobs: Processes; None: one per core, or only this one if few steps are missing.
        progress: Show a progress bar with the time left.
        follow: If the run is still training, go on until it ends.
        again: Compute these steps anew. A result of another version is replaced as a whole, which
            needs `steps` to be None.
        device: auto (a GPU where there is one; its last digits are not those of a CPU), cpu or
            cuda. A walk on a GPU is one process unless `n_jobs` says otherwise.
        settings: Options of the analysis, also those that are named like an argument of this
            function (`steps` of attribution).
        options: Options of the analysis.

    Returns:
        Dataset (step, split, ...), rising in step.

    Raises:
        HopscopeError: if an analysis, option, split or step is unknown, a split is too small for an
            interval, or the stored result is of another version (`again` replaces it).

    >>> from circuits import open_run
    >>> tracing = analyze(open_run("assets/demo"), "causal_tracing", steps=[0, 6000])
    >>> tracing.strength.dims
    ('step', 'split', 'layer', 'position')
    >>> last = tracing.strength.sel(split="id_test", step=6000, position="relation_1")
    >>> [round(float(strength), 2) for strength in last]  # unread after the last block
    [1.0, 1.0, 0.02]
    """
    device = chosen_device(device, "device")
    run = run if isinstance(run, Run) else open_run(run)
    request = Request.make(run, name, splits, {**(settings or {}), **options})
    if request.entry.joint:
        return _jointly(request, steps, again)
    request.check(again, steps is not None)
    wanted = steps_of(request, steps)
    if again and request.store.is_stale():
        request.store.delete()
    elif again:
        request.store.keep([step for step in run.steps if step not in wanted])
    while True:
        missing = sorted(set(wanted) - set(request.store.steps()))
        _compute(request, missing, device, n_jobs, progress)
        if not follow or run.state != "training":
            break
        time.sleep(_POLL_SECONDS)
        run = run.refreshed()
        wanted = sorted(
            {
                *wanted,
                *(run.steps if steps is None and request.entry.default_steps != "last" else []),
            }
        )
    return request.load(wanted)


def _jointly(request: Request, steps: Sequence[int] | None, again: bool) -> xr.Dataset:
    """The result of an analysis that looks at several checkpoints at once."""
    run, entry, store = request.run, request.entry, request.store
    _checked_steps(run, None)
    wanted = (
        entry.joint_steps(run, request.options) if steps is None else _checked_steps(run, steps)
    )
    if again or store.is_stale() or store.steps() != wanted:
        result = entry.run_jointly(run, wanted, request.options)
        result = result.assign_attrs(request.attrs)
        store.delete()
        store.append(result)
    return request.load(wanted)


def steps_of(request: Request, steps: Sequence[int] | None) -> list[int]:
    """The checkpoints that are meant: those named, else those of the catalog entry.

    Raises:
        HopscopeError: if a step is unknown, or the run has no checkpoint yet.
    """
    if steps is None and request.entry.default_steps == "last":
        steps = request.run.steps[-1:]
    return _checked_steps(request.run, steps)


def _checked_steps(run: Run, steps: Sequence[int] | None) -> list[int]:
    if not run.steps:
        raise HopscopeError(f"{run.path} has no checkpoint yet; wait, or train it again.")
    return run.steps if steps is None else sorted({run.checked_step(step) for step in steps})


def _compute(
    request: Request, missing: list[int], device: str, n_jobs: int | None, progress: bool
) -> None:
    if not missing:
        return
    results = _results(request, missing, device, n_jobs)
    waiting: list[xr.Dataset] = []
    due = time.monotonic() + _FLUSH_SECONDS
    try:
        with progress_bar(progress) as bar:
            for result in bar.track(results, len(missing), description=request.entry.title):
                waiting.append(result)
                if (now := time.monotonic()) > due:
                    _flush(request, waiting)
                    due = next_flush(now, time.monotonic())
    finally:
        _flush(request, waiting)
        request.store.put_in_order()


def next_flush(begun: float, ended: float) -> float:
    """When results are written again, after a write between these times in seconds.

    >>> next_flush(100.0, 100.2), next_flush(100.0, 102.0)
    (105.2, 120.0)
    """
    return max(ended + _FLUSH_SECONDS, begun + (ended - begun) / _WRITES_AT_MOST)


def _flush(request: Request, waiting: list[xr.Dataset]) -> None:
    from analyses.joining import joined_steps

    if waiting:
        request.store.append(joined_steps(waiting))
        waiting.clear()


def _results(
    request: Request, missing: list[int], device: str, n_jobs: int | None
) -> Iterator[xr.Dataset]:
    if n_jobs is None:
        one = device == "cuda" or len(missing) < LEAST_FOR_PROCESSES
        n_jobs = 1 if one else joblib.cpu_count()
    task = (
        str(request.run.path.absolute()),  # a worker may have been started anywhere
        request.entry.name,
        request.splits,
        request.options.model_dump_json(),
        device,
    )
    # Neither a run given by functions nor an analysis that a script added can be found elsewhere.
    if request.run.given or is_added(request.entry.name):
        return (_analyzed(request, step, device) for step in missing)
    if n_jobs == 1:
        return (_one_step(*task, step) for step in missing)
    work = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    return work(joblib.delayed(_one_step)(*task, step) for step in missing)


def _one_step(
    path: str, name: str, splits: tuple[str, ...], options_json: str, device: str, step: int
) -> xr.Dataset:
    """One checkpoint of a run that is opened in this process."""
    import torch

    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # every core has a worker
    run = open_run(path)
    entry = catalog_entry(name, _corpus(*_key(run)).task)
    options = entry.options_type.model_validate_json(options_json)
    return _analyzed(Request(run, entry, splits, options), step, device)


def _analyzed(request: Request, step: int, device: str) -> xr.Dataset:
    """All splits of one checkpoint, dims (step, split, ...)."""
    import torch

    from analyses.joining import joined_splits

    options, key = request.options, _key(request.run)
    model = request.run.model(step, device)
    parts = {}
    with torch.no_grad():
        for split in request.splits:
            examples = _examples(*key, split, options.examples, options.seed)
            parts[split] = (request.entry.run(model, examples, options), examples)
    return joined_splits(parts, step, request.attrs)


def _key(run: Run) -> tuple[str, str]:
    """Where its corpus is, and when the run was made: a later one may be in the same folder."""
    return str(run.path.absolute()), str(run.manifest.get("created"))


@lru_cache(maxsize=16)
def _examples(path: str, created: str, split: str, n: int, seed: int) -> Examples:
    from analyses.questions.examples import draw_examples

    return draw_examples(_corpus(path, created), split, n, seed)


@lru_cache(maxsize=2)
def _corpus(path: str, created: str) -> Corpus:
    """The corpus, read once per process; `created` distinguishes a later run in the same folder."""
    return open_run(path).corpus


def progress_bar(shown: bool) -> Progress:
    """A bar that counts checkpoints, with the time left."""
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
