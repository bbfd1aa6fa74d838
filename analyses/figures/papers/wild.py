"""Counterparts of *Wild*: figure 1 (bars), figure 4 (accuracy over steps) and table 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.figures.papers.accuracies import (
    ID,
    OOD,
    TRAIN,
    accuracy_series,
    best_shortcut,
    curve,
)
from analyses.figures.papers.families import Family
from analyses.figures.papers.published import (
    FIGURE_4,
    NO_SPLIT,
    TABLE_3,
    WILD,
    YES_OR_NO,
)
from analyses.figures.specs.charts import Bars, BarSeries, Lines, Reference, Series
from analyses.figures.specs.facts import Cell, Table
from analyses.figures.specs.sheet import Sheet
from analyses.figures.words import BLUE, BROWN, ORANGE, PINK, SKY, capital, split_of, words

TASKS = ("comparison", "composition")
METHODS = {"original data": BROWN, "GPT-4o": ORANGE, "o1-mini": PINK, "grokked": SKY}
"""Methods of table 3 and their colours."""
Chosen = Mapping[str, Family | None]
"""The family that stands for each task."""


def source_of(family: Family | None, figure: str) -> dict[str, Any]:
    """Where a panel's numbers come from."""
    record: dict[str, Any] = {"analysis": "training", "figure": figure, "published": WILD}
    if family is not None:
        record["runs"] = list(family.names)
        record["recipe"] = family.recipe.model_dump(mode="json", exclude={"seed", "source"})
        record["seeds"] = [run.recipe.seed for run in family.runs]
    return record


def figure_1(chosen: Chosen) -> Sheet:
    """Accuracy of our runs beside the published ones, with what guessing reaches."""
    return Sheet(
        name="wild_figure_1",
        title="Accuracy beside the published one",
        subtitle=f"published: {WILD}, Table 3; ours: smaller models on other facts",
        panels=tuple(_bars(task, chosen[task]) for task in TASKS),
        share="y",
        provenance={"figure": "wild_figure_1", "published": WILD},
    )


def _bars(task: str, family: Family | None) -> Bars:
    splits = (ID, OOD, NO_SPLIT)
    series = [
        BarSeries(
            label=f"{method} (published)", colour=colour,
            values=np.array([TABLE_3[task][method].get(split, np.nan) for split in splits]),
        )
        for method, colour in METHODS.items()
    ]  # fmt: skip
    note, references = "no run of this task was given", []
    if family is not None:
        curves = {split: curve(family, split) for split in (ID, OOD)}
        ends = [[np.nan] * 3 if (c := curves.get(s)) is None else
                [c.mean[-1], c.low[-1], c.high[-1]] for s in splits]  # fmt: skip
        value, low, high = np.array(ends, float).T
        series.append(BarSeries(label="ours", values=value, low=low, high=high, colour=BLUE))
        references = [
            Reference(label=f"ours, {words(s)}: shortcut by {best.how}", value=best.accuracy,
                      colour=split_of(s).colour)
            for s in (ID, OOD) if (best := best_shortcut(family, s)) is not None
        ]  # fmt: skip
        counts = ", ".join(f"{c.questions:,} ({words(s)})" for s, c in curves.items() if c)
        over = next((c.over for c in curves.values() if c), "questions")
        note = f"ours: {family.describe()}, n = {counts}, 95% intervals over {over}"
    if task == "comparison":
        references.append(Reference(label="chance (published): yes or no", value=YES_OR_NO))
    return Bars(
        name=task,
        title=capital(task),
        subtitle=note,
        categories=tuple(words(split) for split in splits),
        series=tuple(series),
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        references=tuple(references),
        provenance=source_of(family, "wild_figure_1"),
    )


def figure_4(chosen: Chosen) -> Sheet:
    """Accuracy over logarithmic steps: each task, ours and the published points."""
    panels: list[Lines] = []
    spans: list[int] = []
    for task in TASKS:
        family = chosen[task]
        ours = [] if family is None else [_ours(task, family)]
        panels += [*ours, _published(task)]
        spans += [1, 1] if ours else [2]
    return Sheet(
        name="wild_figure_4",
        title="Accuracy over training, beside the published one",
        subtitle=f"published: points decoded from Figure 4 of {WILD}",
        panels=tuple(panels),
        spans=tuple(spans),
        share="both",
        provenance={"figure": "wild_figure_4", "published": WILD},
    )


def _ours(task: str, family: Family) -> Lines:
    series, note = accuracy_series(family, (TRAIN, ID, OOD))
    return Lines(
        name=f"{task}_ours",
        title=f"{capital(task)}, ours",
        subtitle=f"{family.describe()} · {note}",
        series=series,
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        x_log=True,
        references=tuple(
            Reference(label=f"{words(s)}: shortcut by {best.how}", value=best.accuracy,
                      colour=split_of(s).colour)
            for s in (ID, OOD) if (best := best_shortcut(family, s)) is not None
        ),
        provenance=source_of(family, "wild_figure_4"),
    )  # fmt: skip


def _published(task: str) -> Lines:
    return Lines(
        name=f"{task}_published",
        title=f"{capital(task)}, published",
        subtitle="composition OOD is published as 0 to 0.07 throughout; its points were not decoded"
        if task == "composition" else "of ID test one point was decoded: 0.94 at step 250",
        series=tuple(
            Series(label=f"{words(split)} (published)", dash="dot", marks=True,
                   x=np.array([p[0] for p in points], float), y=np.array([p[1] for p in points]),
                   colour=split_of(split).colour)
            for split, points in FIGURE_4[task].items()
        ),
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        x_log=True,
        provenance=source_of(None, "wild_figure_4"),
    )  # fmt: skip


def table_3(chosen: Chosen) -> Table:
    """Our accuracy in a column beside the published ones, with interval and best shortcut."""
    rows: list[tuple[Cell, ...]] = []
    for task in TASKS:
        for split in (ID, OOD, NO_SPLIT):
            published = [TABLE_3[task][m].get(split) for m in METHODS]
            rows.append((f"{task}, {words(split)}", *published, *_ours_at_end(chosen[task], split)))
    columns = ("questions", *(f"{m} (published)" for m in METHODS))
    return Table(
        name="wild_table_3",
        title="Accuracy of each method",
        subtitle=f"published: {WILD}, Table 3 (structured); ours: "
        + ("; ".join(f.describe() for f in chosen.values() if f is not None) or "no run given"),
        columns=(*columns, "ours", "low", "high", "seeds", "n", "best shortcut (ours)"),
        rows=tuple(rows),
        formats=("", *([".2f"] * 7), ",", ",", ".2f"),
        provenance={
            "figure": "wild_table_3",
            "tasks": {t: source_of(f, "wild_table_3") for t, f in chosen.items()},
        },
    )


def _ours_at_end(family: Family | None, split: str) -> tuple[Cell, ...]:
    found = None if family is None or split == NO_SPLIT else curve(family, split)
    if family is None or found is None:
        return (None,) * 6
    best = best_shortcut(family, split)
    ends = (float(found.mean[-1]), float(found.low[-1]), float(found.high[-1]))
    return (*ends, len(family.runs), found.questions, None if best is None else best.accuracy)
