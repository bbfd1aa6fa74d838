"""The figures of a run on a slice of its questions: what pages on that slice show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.nothing import said_instead
from analyses.figures.registry import lacks, takes_split
from analyses.figures.run_figures import RunFigure, analysis_figures, run_figures
from analyses.figures.specs.charts import Lines, Series, Spec
from analyses.figures.words import capital, first_split, split_of, words
from analyses.slices.absent import check_names, none_in, splits_with
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
UNSTORED = {
    "mrr_added": "what a question adds is measured against a placebo question, whose rank is "
    "stored of no single question",
}
"""Figures of numbers that are not stored of single questions, by name within the analysis."""


def figures_on(run: Run, chosen: Slice) -> dict[str, RunFigure]:
    """Every figure of a run, drawn of a slice; all questions if it has no condition.

    A figure that cannot be read on a slice, or shows none of its questions, raises a HopscopeError
    when it is made.

    Raises:
        HopscopeError: if no question of the run has a name of the slice.

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> figures = figures_on(run, Slice(relation_1="farthest city"))
    >>> figures["causal_tracing_strength_over_training"].make(6000, "id_test").subtitle[:16]
    'ID test · n = 24'
    """
    if not chosen:
        return run_figures(run)
    check_names(run, chosen)
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
    check_names(run, chosen)
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
    why = UNSTORED.get(found.within, "it needs numbers that are not stored of single questions")
    try:
        if found.result is not None and lacks(found.result(), found.within):
            raise _refused(found.name, why)
        _some_shown(found, chosen, split)
        spec = found.make(step, split)
    except HopscopeError:
        raise
    except (KeyError, ValueError, AttributeError) as error:  # what went when the result was cut
        raise _refused(found.name, why) from error
    if sentence := said_instead(spec):
        raise HopscopeError(sentence)
    if found.name == ACCURACY:
        spec = _beside_the_slice(run, chosen, spec, split or first_split(run.corpus.splits))
    if isinstance(spec, Lines):
        spec = _without_empty_lines(spec)
    request = {**spec.provenance.get("request", {}), "slice": str(chosen)}
    return replace(
        spec,
        subtitle=pick.subtitle(spec.subtitle, f"slice: {chosen.words}"),
        provenance={**spec.provenance, "request": request},
    )


def _some_shown(found: RunFigure, chosen: Slice, split: str | None) -> None:
    """Refuse a figure of a split in which the slice has no question of the figure's result."""
    ds = found.result() if found.result is not None else None
    if ds is None or "n" not in ds or ds["n"].dims != ("split",):
        return
    if not takes_split(found.within, ds):
        return
    counts = {str(name): int(n) for name, n in ds["n"].to_series().items()}
    shown = pick.chosen(ds, "split", None) if split is None else split
    if not counts.get(shown, 1):
        raise none_in(chosen, words(shown), [words(name) for name, n in counts.items() if n])


def _without_empty_lines(spec: Lines) -> Lines:
    """Without the series of splits that have no question of the slice, which the subtitle names."""
    empty = [series.label for series in spec.series if not np.isfinite(series.y).any()]
    if not empty:
        return spec
    kept = tuple(series for series in spec.series if series.label not in empty)
    note = f"without a question: {', '.join(empty)}"
    return replace(spec, series=kept, subtitle=pick.subtitle(spec.subtitle, note))


def _refused(name: str, why: str) -> NotOnSlice:
    return NotOnSlice(f"{name} cannot be read on a slice: {why}. Leave the slice out.")


def _beside_the_slice(run: Run, chosen: Slice, spec: Spec, split: str) -> Spec:
    """The accuracy with the slice's own curve, as the first page draws it."""
    assert isinstance(spec, Lines)
    questions = SplitQuestions(run, split)
    keep = questions.measured(chosen)
    n = int(keep.sum())
    if not n:
        raise none_in(chosen, words(split), map(words, splits_with(run, chosen)))
    hits = questions.right[:, keep].sum(1)
    low, high = wilson(hits, np.full(len(hits), n))
    series = Series(
        label=f"{capital(words(split))}, slice (n = {n:,})",
        x=np.array(questions.steps, float), y=hits / n, low=low, high=high,
        colour=split_of(split).colour, dash="dot",
    )  # fmt: skip
    return replace(spec, series=(*spec.series, series))
