"""All figures that a run has results for, as exported by `hopscope export` and the dashboard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import xarray as xr

from analyses.catalog import CATALOG
from analyses.certificate.certify import stored_certificate
from analyses.figures.builders.certificate import card
from analyses.figures.builders.circuit import circuit_dataset
from analyses.figures.builders.training import training_of
from analyses.figures.nothing import replace_by_sentence
from analyses.figures.registry import (
    about_figures,
    builders_of,
    check_complete,
    figure,
    takes_split,
)
from analyses.figures.specs.animation import Animation
from analyses.figures.specs.charts import Spec
from analyses.figures.words import words
from analyses.fitting import usual_analyses
from analyses.over_training.first_usable import first_usable
from analyses.over_training.formation import formation
from analyses.stored import Reader, all_stored_steps, reader, usable_splits
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
    make: Callable[..., Spec]
    """The spec at a step (None: the last one) and, as `split`, of one split (None: as it is drawn
    by default)."""
    result: Callable[[], xr.Dataset] | None = None
    """The result it is drawn from; None if it takes no selections."""
    within: str = ""
    """Its name within its analysis."""

    def is_called(self, text: str) -> bool:
        """Whether a text names this figure, in full or within its analysis."""
        return self.name in (text, f"{self.analysis}_{text}")


def results_to_come(run: Run) -> list[str]:
    """The usual analyses of the run that have not been run with their default options."""
    usual = usual_analyses(run.corpus.task, bridged=run.bridged, text=run.corpus.text)
    steps, refused = all_stored_steps(run, usual)
    return [name for name in usual if name not in steps and name not in refused]


def refused_results(run: Run) -> dict[str, str]:
    """A sentence on each stored result of the run that cannot be used, e.g. of another version."""
    return all_stored_steps(run, _fitting(run))[1]


def run_figures(run: Run, read: Reader | None = None) -> dict[str, RunFigure]:
    """Every figure of the run by name, accuracy first; a result is read when a figure is made.

    A figure of a result that cannot be used (another version made it, or it is damaged) is listed
    and raises a HopscopeError when it is made; all others are made as ever.

    Args:
        run: An opened run.
        read: How results are read; None: as they are stored.
    """
    steps, refused = all_stored_steps(run, _fitting(run))
    there = [name for name in _fitting(run) if name in steps or name in refused]
    read = read or reader(run)
    every: dict[str, Callable[[], xr.Dataset]] = {"training": partial(training_of, run)}
    if "causal_tracing" in there:
        every["circuit"] = lambda: circuit_dataset(
            _present(read, "causal_tracing"), read("logit_lens") if "logit_lens" in there else None
        )
    if "circuit_discovery" in refused or _can_date(run, steps.get("circuit_discovery", [])):
        every["formation"] = partial(formation, run, read=read)
    if run.corpus.task == "composition" and "logit_lens" in there:
        every["first_usable"] = lambda: first_usable(_present(read, "logit_lens"))
    if run.corpus.task == "composition" and "patchscopes" in steps:
        every["first_usable_patchscopes"] = lambda: first_usable(_present(read, "patchscopes"))
    # An analysis may be newer than its figures.
    every |= {name: partial(_present, read, name) for name in there if builders_of(name)}
    made: dict[str, RunFigure] = {}
    for analysis, get in every.items():
        made |= _figures_of(run, analysis, cache(get))
    if about := made.pop("evidence_certificate", None):
        card_at = partial(_card, run, read)
        make = partial(_signed, run, "certificate", every["evidence"], card_at)
        made["certificate"] = replace(about, name="certificate", make=make, result=None)
    return made


def _card(run: Run, read: Reader, step: int | None, split: str | None = None) -> Spec:
    """The certificate, which is about all splits, with what further analyses add to it."""
    found = stored_certificate(run, step, read=read)
    if found is None:
        raise HopscopeError(
            f"{run.path} has no certificate at step {step}; run `hopscope certify {run.path} "
            f"--step {step}` first."
        )
    return card(found)


def analysis_figures(run: Run, analysis: str, ds: xr.Dataset) -> dict[str, RunFigure]:
    """Every figure of one result by name."""
    return _figures_of(run, analysis, lambda: ds)


def _fitting(run: Run) -> list[str]:
    task = run.corpus.task
    return [name for name, entry in CATALOG.items() if task in entry.tasks]


def _can_date(run: Run, steps: Sequence[int]) -> bool:
    """Whether circuits of several steps are stored for the split that `formation` is about."""
    splits = CATALOG["circuit_discovery"].splits
    return len(steps) > 1 and "id_test" in usable_splits(run, splits)


def _present(read: Reader, name: str) -> xr.Dataset:
    ds = read(name)
    if ds is None:
        raise HopscopeError(f"{name} was deleted meanwhile; run the same command again.")
    return ds


def _figures_of(run: Run, analysis: str, get: Callable[[], xr.Dataset]) -> dict[str, RunFigure]:
    made = {}
    for name, about in about_figures(builders_of(analysis)).items():
        full = name if name == analysis else f"{analysis}_{name}"
        make = partial(_signed, run, full, get, partial(_make, run, name, get))
        made[full] = RunFigure(full, analysis, about, make, get, name)
    return made


def _signed(
    run: Run,
    name: str,
    get: Callable[[], xr.Dataset],
    make: Callable[..., Spec],
    step: int | None = None,
    *how: Any,
    given: Mapping[str, Any] | None = None,
    **sel: Any,
) -> Spec:
    """A figure whose provenance says how to make it again, and of which weights it is."""
    spec = make(step, *how, **sel)
    chosen = {**(given or sel), **({"split": how[0]} if how and how[0] is not None else {})}
    request = {"run": run.path.resolve().name, "figure": name, "step": step, "select": chosen}
    steps = [int(s) for s in get()["step"].values]
    signed = {"request": request, "weights": _weights(run, steps)}
    return replace(spec, provenance={**spec.provenance, **signed})


def _weights(run: Run, steps: Sequence[int]) -> str:
    """A digest of the checkpoints of these steps; of all that the run has, if none is."""
    rows = {int(row["step"]): str(row["sha256"]) for row in run.manifest["checkpoints"]}
    there = [s for s in sorted(rows) if s in set(steps)] or sorted(rows)
    return hashlib.sha256("".join(f"{s} {rows[s]}\n" for s in there).encode()).hexdigest()


def selected(run: Run, found: RunFigure, step: int | None = None, **sel: Any) -> Spec:
    """A figure of the run with selections (split, layer, target, ...) beside the step.

    Raises:
        HopscopeError: if the figure does not take a selection, or its result has no such value.
    """
    if not sel:
        return found.make(step)
    if found.result is None:
        raise HopscopeError(f"the figure {found.name!r} takes no selection but the step.")
    ds = found.result()
    start = _start_of_grokking(run, ds) if found.within == "strength_change" else {}
    check_complete(ds, found.within, run.path)
    how = partial(figure, ds, found.within, **(start | sel))
    return _signed(run, found.name, found.result, how, step, given=sel)


def moving(
    found: RunFigure, split: str | None = None, steps: Sequence[int] | None = None
) -> Animation:
    """A figure as an animation over the steps that its result has.

    Args:
        found: A figure of a run.
        split: As for `RunFigure.make`.
        steps: Other steps.

    Raises:
        HopscopeError: if there are fewer than two.
    """
    if steps is None:
        steps = [] if found.result is None else [int(s) for s in found.result()["step"].values]
    if len(steps) < 2:
        raise HopscopeError(
            f"{found.name} does not move: it was made at one step only. Export it as .pdf."
        )
    frames = tuple(found.make(step, split) for step in steps)
    last = frames[-1]
    request = {**last.provenance["request"], "step": None, "steps": list(steps)}
    return Animation(
        name=last.name,
        title=last.title,
        subtitle=last.subtitle,
        provenance={**last.provenance, "request": request},
        frames=frames,
        steps=tuple(steps),
    )


def _make(
    run: Run, name: str, get: Callable[[], xr.Dataset], step: int | None, split: str | None = None
) -> Spec:
    ds = get()
    check_complete(ds, name, run.path)
    options = _start_of_grokking(run, ds) if name == "strength_change" else {}
    if split is not None and takes_split(name, ds):
        if split not in ds["split"].values:
            return _not_of(ds, name, step, split)
        options["split"] = split
    # A figure over training has a cursor only if a step was requested.
    return figure(ds, name, step, **options)


def _not_of(ds: xr.Dataset, name: str, step: int | None, split: str) -> Spec:
    """A sentence in the place of a figure whose result does not cover the split."""
    there = ", ".join(words(str(s)) for s in ds["split"].values)
    sentence = f"This analysis was run on {there}; {words(split)} is not among them."
    plain = replace_by_sentence(figure(ds, name, step), sentence)
    return replace(plain, subtitle=words(split))


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
        hits = [f for f in available.values() if text == f.analysis or f.is_called(text)]
        if not hits:
            raise unknown_name("figure", text, available)
        chosen |= {f.name: f for f in hits}
    if not chosen:
        raise HopscopeError("the run has no figures; run `hopscope analyze RUN` first.")
    return list(chosen.values())
