"""What a page shows as figure specs, from the very numbers that its instrument was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from analyses.figures.specs.charts import Bars, BarSeries, HeatMap, Lines, Panels, Series, Spec
from app.logic.phase_diagram import file_name

SHORT = 18
"""Letters of a name below a column."""


def unpacked(packed: Mapping[str, Any]) -> Float[np.ndarray, "*axes"]:
    """The array that `packing.pack` made thousandths of."""
    return np.array(packed["values"], dtype=float).reshape(packed["shape"]) / 1000


def question_figures(body: bytes, step: int, where: dict[str, Any]) -> list[Spec]:
    """Answers over training, and lens, swaps and attention at a step, of One question.

    Args:
        body: Payload of the page's instrument.
        step: A checkpoint.
        where: Run, question and donor, for the provenance.
    """
    data = json.loads(body)
    asked = data["question"]
    at = data["steps"].index(step)
    names = {int(token): name for token, name in asked["names"].items()}
    common: dict[str, Any] = {"provenance": {**where, "step": step}}
    subtitle = f"{where['question']}, step {step:,}"
    columns = tuple(_short(names[token]) for token in asked["tokens"])

    def states(name: str, title: str, packed: Mapping[str, Any], more: str = "") -> HeatMap:
        values = unpacked(packed)[at]
        rows = tuple(str(layer) for layer in range(len(values)))
        return HeatMap(
            name=name,
            title=title,
            subtitle=subtitle + more,
            values=values,
            rows=rows,
            columns=columns,
            row_label="blocks before the state",
            column_label="position",
            value_label="probability",
            **common,
        )

    found: list[Spec] = [_answers_over_training(data, asked, names, subtitle, step, common)]
    for i, value in enumerate(asked["watched"]):
        title = f"Probability of {value['what']}, {names[value['token']]}"
        name = "question_bridge" if len(asked["watched"]) == 1 else f"question_value_{i + 1}"
        found.append(states(name, title, value["share"]))
    if "target" in asked.get("swap", {}):
        title = f"Probability of {names[asked['donor']['swapped']]} with a state swapped in"
        more = f"; donor: {where['donor']}"
        found.append(states("question_swap", title, asked["swap"]["target"], more))
    found.append(_attention(unpacked(asked["attention"])[at], columns, subtitle, common))
    return found


def _answers_over_training(
    data: dict[str, Any],
    asked: dict[str, Any],
    names: dict[int, str],
    subtitle: str,
    step: int,
    common: dict[str, Any],
) -> Lines:
    def label(token: int) -> str:
        return names[token] + (" (right)" if token == asked["answer"] else "")

    x = np.array(data["steps"], float)
    series = tuple(
        Series(label=label(c["token"]), x=x, y=unpacked(c["share"]), colour=i % 7)
        for i, c in enumerate(asked["curves"])
    )
    return Lines(
        name="question_answers",
        title="Probability of each answer over training",
        subtitle=subtitle,
        series=series,
        y_label="probability",
        y_limits=(0.0, 1.0),
        cursor=float(step),
        **common,
    )


def _attention(
    patterns: Float[np.ndarray, "layer head to from_"],
    columns: tuple[str, ...],
    subtitle: str,
    common: dict[str, Any],
) -> Panels:
    seen = np.tril(np.ones(patterns.shape[-2:], bool))
    panels = tuple(
        HeatMap(
            name=f"layer_{layer}_head_{head}",
            title=f"layer {layer}, head {head}",
            values=np.where(seen, pattern, np.nan)[::-1],
            rows=columns[::-1],
            columns=columns,
            row_label="attends",
            column_label="attended to",
            value_label="attention",
            **common,
        )
        for layer, heads in enumerate(patterns)
        for head, pattern in enumerate(heads)
    )
    n_heads = patterns.shape[1]
    return Panels(
        name="question_attention",
        title="Attention",
        subtitle=subtitle,
        panels=panels,
        columns=min(4, n_heads),
        **common,
    )


def lab_figures(body: bytes, step: int, where: dict[str, Any]) -> list[Spec]:
    """The grid of single patches and the answers before and after, of the Patching lab."""
    lab = json.loads(body)["lab"]
    provenance = {**where, "step": step, "component": lab["component"], "cells": lab["cells"]}
    cells = ", ".join(f"({layer}, {lab['positions'][p]})" for layer, p in lab["cells"])
    subtitle = f"{where['question']}, step {step:,}; donor: {where['donor']}"
    shares = [{row["name"]: row["share"] for row in lab[when]} for when in ("before", "after")]
    # The union of both lists of top answers; one that is only in the other list has no bar.
    names = tuple(dict.fromkeys(name for table in shares for name in table))
    series = tuple(
        BarSeries(label=when, values=np.array([t.get(n, np.nan) for n in names]), colour=i)
        for i, (when, t) in enumerate(zip(("before", "after"), shares, strict=True))
    )
    grid = HeatMap(
        name="lab_grid",
        title=f"Probability of {lab['target']} with one {lab['component']} written",
        subtitle=f"{subtitle}; written is {where['source']}",
        provenance=provenance,
        values=unpacked(lab["effect"]),
        rows=tuple(lab["rows"]),
        columns=tuple(lab["positions"]),
        column_label="position",
        value_label="probability",
    )
    bars = Bars(
        name="lab_answers",
        title=f"Answers before and after writing {lab['component']} at {cells or 'no cell'}",
        subtitle=f"{subtitle}; written is {where['source']}",
        provenance=provenance,
        categories=tuple(_short(name) for name in names),
        series=series,
        y_label="probability",
        y_limits=(0.0, 1.0),
    )
    return [grid, bars]


def compare_figures(body: bytes, step: int, runs: list[str]) -> list[Spec]:
    """Each panel of the Compare page."""
    data = json.loads(body)
    by_step = data["compared"]["aligned"] == "step"
    x = np.array(data["steps"], float)
    found: list[Spec] = []
    for panel in data["compared"]["panels"]:
        series = tuple(
            Series(
                label=line["name"],
                x=x,
                y=np.array(line["values"], float),
                low=np.array(line["low"], float) if "low" in line else None,
                high=np.array(line["high"], float) if "high" in line else None,
                colour=i % 7 if line["place"] is None else line["place"],
                dash="dash" if line["dash"] else "solid",
            )
            for i, line in enumerate(panel["series"])
        )
        found.append(
            Lines(
                name=f"compare_{file_name(panel['title'])}",
                title=panel["title"],
                subtitle="; ".join(filter(None, (", ".join(runs), panel["hint"]))),
                provenance={"runs": runs, "aligned": data["compared"]["aligned"]},
                series=series,
                x_label="training step" if by_step else "ID accuracy reached (%)",
                y_label="share",
                y_limits=(0.0, 1.0),
                cursor=float(step) if by_step else None,
            )
        )
    return found


def _short(name: str) -> str:
    return name if len(name) <= SHORT else f"{name[: SHORT - 1]}…"
