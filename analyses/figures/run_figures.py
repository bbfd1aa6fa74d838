"""All figures that a run has results for, as exported by `hopscope export` and the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr

from analyses.catalog import CATALOG
from analyses.figures.builders.circuit import circuit_dataset
from analyses.figures.builders.training import training_of
from analyses.figures.registry import FIGURES, figure, figures
from analyses.figures.specs.charts import Spec
from analyses.over_training.formation import can_date, formation
from analyses.stored import stored_result
from circuits.errors import HopscopeError, unknown_name
from circuits.runs.run import Run


@dataclass(frozen=True)
class RunFigure:
    """A figure that can be made from a run."""

    name: str
    """Analysis and figure, unique among the run's figures; also the stem of its file."""
    analysis: str
    about: str
    """What it shows, in one sentence."""
    make: Callable[[int | None], Spec]
    """The spec at a step; None: the last one."""


def run_results(run: Run) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Stored results of every analysis that fits the run, and the names of those still to run."""
    task = run.corpus.task
    stored = {n: stored_result(run, n) for n, entry in CATALOG.items() if task in entry.tasks}
    found = {name: ds for name, ds in stored.items() if ds is not None}
    return found, [name for name, ds in stored.items() if ds is None]


def run_figures(run: Run, results: dict[str, xr.Dataset] | None = None) -> dict[str, RunFigure]:
    """Every figure of the run by name, accuracy first.

    Args:
        run: An opened run.
        results: Result of `run_results`; None: read them.
    """
    results = run_results(run)[0] if results is None else results
    every: dict[str, xr.Dataset] = {"training": training_of(run)}
    if "causal_tracing" in results:
        every["circuit"] = circuit_dataset(results["causal_tracing"], results.get("logit_lens"))
    if can_date(results.get("circuit_discovery")):
        every["formation"] = formation(run)
    # An analysis may be newer than its figures.
    every |= {name: ds for name, ds in results.items() if name in FIGURES}
    made: dict[str, RunFigure] = {}
    for analysis, ds in every.items():
        made |= analysis_figures(run, analysis, ds)
    return made


def analysis_figures(run: Run, analysis: str, ds: xr.Dataset) -> dict[str, RunFigure]:
    """Every figure of one result by name."""
    made = {}
    for name, about in figures(ds).items():
        full = name if name == analysis else f"{analysis}_{name}"
        options = _start_of_grokking(run, ds) if name == "strength_change" else {}
        make = partial(_make, ds, name, options)
        made[full] = RunFigure(full, analysis, about, make)
    return made


def _make(ds: xr.Dataset, name: str, options: dict[str, Any], step: int | None) -> Spec:
    # A figure over training has a cursor only if a step was requested.
    return figure(ds, name, step, **options)


def _start_of_grokking(run: Run, ds: xr.Dataset) -> dict[str, Any]:
    """The analyzed step nearest to memorization, from which the paper takes its differences."""
    memorized = run.grok.get("memorization_step")
    if memorized is None:
        return {}
    steps = [int(s) for s in ds["step"].values]
    return {"start": min(steps, key=lambda s: abs(s - memorized))}


def chosen_figures(available: dict[str, RunFigure], wanted: Sequence[str]) -> list[RunFigure]:
    """Figures by full name, by figure name or by analysis; all if none is named."""
    chosen: dict[str, RunFigure] = {}
    for text in wanted or available:
        hits = [
            f
            for f in available.values()
            if text in (f.name, f.analysis) or f.name == f"{f.analysis}_{text}"
        ]
        if not hits:
            raise unknown_name("figure", text, available)
        chosen |= {f.name: f for f in hits}
    if not chosen:
        raise HopscopeError("the run has no figures; run `hopscope analyze RUN` first.")
    return list(chosen.values())
