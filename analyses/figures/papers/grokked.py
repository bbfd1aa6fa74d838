"""Counterparts of *Grokked*: figures 1 and 2 (accuracy), 4 and 9 (how the circuit forms)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from analyses.figures.builders import pick
from analyses.figures.builders.circuit import circuit, circuit_dataset
from analyses.figures.builders.pieces import place
from analyses.figures.papers.accuracies import ID, OOD, TRAIN, accuracy_series, curve
from analyses.figures.papers.families import Family
from analyses.figures.papers.published import GROKKED
from analyses.figures.registry import figure
from analyses.figures.specs.base import Spec
from analyses.figures.specs.charts import Lines, Panels, Series
from analyses.figures.specs.sheet import Sheet
from analyses.figures.words import READ_AT, capital, target_of, words

PUBLISHED_LAYER, PUBLISHED_DEPTH = 5, 8
"""The paper reads S[5, r1] and S[5, r2] in a model of 8 blocks."""


def source_of(families: Sequence[Family], name: str) -> dict[str, Any]:
    """Where a panel's numbers come from."""
    return {
        "analysis": "training",
        "figure": name,
        "counterpart_of": GROKKED,
        "runs": [n for family in families for n in family.names],
        "recipe": families[0].recipe.model_dump(mode="json", exclude={"seed", "source"}),
    }


def figure_1(composition: Family | None, comparison: Family | None) -> Sheet | None:
    """Accuracy over logarithmic steps for both tasks."""
    given = {"composition": composition, "comparison": comparison}
    panels = []
    for task, family in given.items():
        if family is None:
            continue
        series, note = accuracy_series(family, (TRAIN, ID, OOD))
        panels.append(
            Lines(
                name=task,
                title=capital(task),
                subtitle=f"{family.describe()} · {note}",
                series=series,
                y_label="accuracy",
                y_limits=(0.0, 1.0),
                x_log=True,
                provenance=source_of([family], "grokked_figure_1"),
            )
        )
    if not panels:
        return None
    return _sheet("grokked_figure_1", "Trained questions come first, unseen ones later", panels)


def figure_2(by_phi: Sequence[Family], by_size: Sequence[Family]) -> Sheet | None:
    """ID-test accuracy by phi over steps, and by size of the graph over epochs."""
    panels = []
    if by_phi:
        labels = [f"phi {family.phi:g}" for family in by_phi]
        panels.append(_by(by_phi, labels, epochs=False, title="By phi"))
    if by_size:
        sizes = [f.size or ("", 0) for f in by_size]
        labels = [f"{n:,} {option.removeprefix('n_')}" for option, n in sizes]
        panels.append(_by(by_size, labels, epochs=True, title="By size of the graph"))
    if not panels:
        return None
    return _sheet("grokked_figure_2", "What decides how fast unseen questions are learned", panels)


def _by(found: Sequence[Family], labels: Sequence[str], epochs: bool, title: str) -> Lines:
    """One curve of ID-test accuracy per family, over steps or over epochs."""
    series = []
    for i, (family, label) in enumerate(zip(found, labels, strict=True)):
        c = curve(family, ID)
        if c is None:
            continue
        per_epoch = family.trained / family.recipe.training.batch_size
        x = c.steps / per_epoch if epochs else c.steps
        place_in_order = i / max(1, len(found) - 1)
        series.append(
            Series(label=label, x=x, y=c.mean, low=c.low, high=c.high, colour=place_in_order)
        )
    seeds = sorted({len(f.runs) for f in found})
    return Lines(
        name="by_size" if epochs else "by_phi",
        title=title,
        subtitle=f"ID test · {found[0].recipe.source.name}, {' or '.join(map(str, seeds))} "
        "seeds each · bands: 95% intervals",
        series=tuple(series),
        x_label="epoch" if epochs else "training step",
        y_label="accuracy",
        y_limits=(0.0, 1.0),
        x_log=True,
        provenance=source_of(found, "grokked_figure_2"),
    )


def figure_4(tracing: xr.Dataset, lens: xr.Dataset, start: int, about: str) -> Sheet:
    """The circuit, the change of strengths since the start, and what is readable over training."""
    return _sheet(
        "grokked_figure_4",
        "The circuit and how it forms",
        [
            circuit(circuit_dataset(tracing, lens), split=_split(tracing)),
            _change(tracing, start, "Change of strength since memorization"),
            readable(lens),
        ],
        about,
        columns=2,
        spans=(1, 1, 2),
    )


def figure_9(tracing: xr.Dataset, start: int, about: str) -> Sheet:
    """Strength of every state at the start of grokking, at the end, and the difference."""
    split, end = _split(tracing), pick.chosen_step(tracing, None)
    maps = [
        replace(figure(tracing, "strength", step, split=split), title=title)
        for step, title in ((start, "When memorized"), (end, "At the end"))
    ]
    return _sheet(
        "grokked_figure_9",
        "Strength of every state: at the start of grokking, at the end, and the difference",
        [*maps, _change(tracing, start, "Difference")],
        about,
        columns=3,
    )


def _change(tracing: xr.Dataset, start: int, title: str) -> Spec:
    """The change of strengths from `start` to the end, as one map."""
    split = _split(tracing)
    spec = figure(tracing, "strength_change", start=start, split=split)
    assert isinstance(spec, Panels)
    subtitle = pick.subtitle(words(split), spec.subtitle)
    return replace(spec.panels[0], title=title, subtitle=subtitle, provenance=spec.provenance)


def readable(lens: xr.Dataset) -> Lines:
    """MRR of the bridge at S[l, r1] and of relation 2 at S[l, r2], at the depth of the paper's l.

    Up to relation 1 a question is the bare fact: the bridge's curve is that of the atomic prompt.
    """
    split = _split(lens)
    depth = int(lens["layer"].values[-1])
    layer = counterpart_layer(depth)
    x = lens["step"].values.astype(float)
    series = []
    for target in ("bridge", "relation_2"):
        one = lens.sel(split=split, target=target, position=READ_AT[target], layer=layer)
        found = pick.interval(one.transpose("step", ...), "mrr")
        label = f"{words(target)} at {place(layer, READ_AT[target])}"
        series.append(
            Series(label=label, x=x, y=found.value, low=found.low, high=found.high,
                   colour=target_of(target).colour)
        )  # fmt: skip
    return Lines(
        name="readable",
        title="What the logit lens reads halfway up",
        subtitle=pick.subtitle(
            words(split), pick.number_of_examples(lens.sel(split=split)),
            f"layer {layer} of {depth}, as 5 of 8 in the paper",
            "the bridge: as in the atomic prompt", "bands: 95% intervals over examples",
        ),
        series=tuple(series),
        y_label="MRR",
        y_limits=(0.0, 1.0),
        provenance=pick.provenance(lens, "readable", split=split, layer=layer),
    )  # fmt: skip


def counterpart_layer(depth: int) -> int:
    """The layer at the depth of the paper's S[5, .] of 8, with a block on either side of it.

    >>> counterpart_layer(8), counterpart_layer(4), counterpart_layer(2)
    (5, 3, 1)
    """
    nearest = int(PUBLISHED_LAYER * depth / PUBLISHED_DEPTH + 0.5)
    return max(1, min(depth - 1, nearest))


def _split(ds: xr.Dataset) -> str:
    """Trained questions, as in the paper; another split if the result does not have them."""
    there = pick.names(ds, "split")
    return TRAIN if TRAIN in there else there[0]


def _sheet(name: str, title: str, panels: Sequence[Spec], about: str = "", **fields: Any) -> Sheet:
    fields.setdefault("columns", min(2, len(panels)))
    return Sheet(
        name=name,
        title=title,
        subtitle=pick.subtitle(f"counterpart of {GROKKED}", about),
        panels=tuple(panels),
        provenance={"figure": name, "counterpart_of": GROKKED},
        **fields,
    )
