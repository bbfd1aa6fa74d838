"""The figures of a run on a slice of its questions: what pages on that slice show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.registry import lacks
from analyses.figures.run_figures import RunFigure, analysis_figures, run_figures
from analyses.figures.specs.charts import Lines, Series, Spec
from analyses.figures.words import FIRST_SPLIT, capital, split_of, words
from analyses.slices.cutting import NotOnSlice, on_questions, reader_on
from analyses.slices.properties import SplitQuestions
from analyses.slices.slice import Slice
from analyses.stored import reader
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import wilson

ACCURACY = "training_accuracy"
WHOLE = {
    "training_accuracy_all_splits": "it shows the questions that are asked while training",
    "training_loss": "the loss is measured while training, of other questions",
    "certificate": "a certificate judges whole splits",
}
"""Figures that are of all questions by what they are, and why."""


def figures_on(run: Run, chosen: Slice) -> dict[str, RunFigure]:
    """Every figure of a run, drawn of a slice; all questions if it has no condition.

    A figure that cannot be read on a slice raises a HopscopeError when it is made.

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> figures = figures_on(run, Slice(relation_1="farthest city"))
    >>> figures["causal_tracing_strength_over_training"].make(6000, "id_test").subtitle[:16]
    'ID test · n = 24'
    """
    if not chosen:
        return run_figures(run)
    figures = run_figures(run, reader_on(run, chosen, reader(run)))
    return _all_on(run, chosen, figures)


def analysis_figures_on(
    run: Run, analysis: str, ds: xr.Dataset, chosen: Slice
) -> dict[str, RunFigure]:
    """Every figure of one result, drawn of a slice.

    Raises:
        HopscopeError: if the result cannot be read on it.
    """
    if not chosen:
        return analysis_figures(run, analysis, ds)
    questions = {s: SplitQuestions(run, s) for s in map(str, ds["split"].values)}
    return _all_on(
        run, chosen, analysis_figures(run, analysis, on_questions(ds, questions, chosen))
    )


def _all_on(run: Run, chosen: Slice, figures: Mapping[str, RunFigure]) -> dict[str, RunFigure]:
    return {
        name: replace(found, make=partial(_made, run, chosen, found))
        for name, found in figures.items()
    }


def _made(
    run: Run, chosen: Slice, found: RunFigure, step: int | None = None, split: str | None = None
) -> Spec:
    """A figure on the slice, which its subtitle and its provenance name."""
    if found.name in WHOLE:
        raise _refused(found.name, WHOLE[found.name])
    why = "it needs numbers that are not stored of single questions"
    try:
        if found.result is not None and lacks(found.result(), found.within):
            raise _refused(found.name, why)
        spec = found.make(step, split)
    except HopscopeError:
        raise
    except (KeyError, ValueError, AttributeError) as error:  # what went when the result was cut
        raise _refused(found.name, why) from error
    if found.name == ACCURACY:
        spec = _beside_the_slice(run, chosen, spec, split or FIRST_SPLIT)
    request = {**spec.provenance.get("request", {}), "slice": str(chosen)}
    return replace(
        spec,
        subtitle=pick.subtitle(spec.subtitle, f"slice: {chosen.words}"),
        provenance={**spec.provenance, "request": request},
    )


def _refused(name: str, why: str) -> NotOnSlice:
    return NotOnSlice(f"{name} cannot be read on a slice: {why}. Leave the slice out.")


def _beside_the_slice(run: Run, chosen: Slice, spec: Spec, split: str) -> Spec:
    """The accuracy with the slice's own curve, as the first page draws it."""
    assert isinstance(spec, Lines)
    questions = SplitQuestions(run, split)
    keep = np.isin(questions.known_rows, questions.rows(chosen))
    n = int(keep.sum())
    if not n:
        raise HopscopeError(
            f"No measured question of {words(split)} is in the slice ({chosen.words}); leave out a "
            "condition."
        )
    hits = questions.right[:, keep].sum(1)
    low, high = wilson(hits, np.full(len(hits), n))
    series = Series(
        label=f"{capital(words(split))}, slice (n = {n:,})",
        x=np.array(questions.steps, float), y=hits / n, low=low, high=high,
        colour=split_of(split).colour, dash="dot",
    )  # fmt: skip
    return replace(spec, series=(*spec.series, series))
