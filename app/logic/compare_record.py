"""The record of the Compare page, from which both the instrument and the figures are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from analyses.bridge_swaps import SwapState, states_in_words
from analyses.figures.renderers.style import CATEGORIES, shade
from analyses.figures.specs.charts import Lines, Series, Spec
from analyses.figures.specs.facts import Table
from analyses.figures.words import split_of
from app.instrument.fields import ComparedSeries, Payload
from app.instrument.packing import curve
from app.instrument.palette import COLOURS
from app.instrument.payload import dump, spoken_names
from app.logic.phase_diagram import PhaseDiagram, file_name, phase_figures, phase_payload
from app.logic.run_curves import (
    BRIDGE_SWAP,
    READABLE,
    Alignment,
    banded,
    between,
    tails,
    unit_of,
)
from app.logic.run_words import with_and

PlacedInterval = tuple[Float[np.ndarray, " place"], Float[np.ndarray, " place"]]
PlacedCurves = Mapping[str, Float[np.ndarray, " place"]]
"""Quantity -> values at the points of the common axis."""
SWAPPED = "share of answers that become those of the other bridge"
BEST_LAYER = "the best layer at each step"
MOST_LISTED = 3
"""Runs without a result that are named; more are counted."""


@dataclass(frozen=True)
class ComparedLine:
    """A run, or the mean over the runs of a group."""

    name: str
    number: int
    """Index of the group; decides the colour if groups have no order."""
    place: float | None
    """The group's place in 0..1, if groups differ in a single number."""
    values: Float[np.ndarray, " place"]
    low: Float[np.ndarray, " place"] | None
    high: Float[np.ndarray, " place"] | None

    alone: tuple[Float[np.ndarray, " place"], ...] = ()
    """Runs of the group that go on where another one has ended."""

    @property
    def dashed(self) -> bool:
        """Whether another group already has its colour."""
        return self.place is None and self.number >= len(CATEGORIES)

    @property
    def colour(self) -> str:
        """Its colour's name in the instrument."""
        number = self.number % len(CATEGORIES)
        return f"run_{number}" if self.place is None else _ordered(self.place)


@dataclass(frozen=True)
class ComparedPanel:
    """One quantity of all groups."""

    title: str
    hint: str
    lines: tuple[ComparedLine, ...]


@dataclass(frozen=True)
class CompareRecord:
    """Runs on a common axis."""

    runs: tuple[str, ...]
    grouped: Mapping[str, Sequence[str]]
    """Names of the runs of each group."""
    places: Mapping[str, float]
    placed: Mapping[str, PlacedCurves]
    """Curves of each run."""
    axis: Sequence[int]
    aligned: Alignment
    phases: Sequence[PhaseDiagram]
    recipes: Table
    """In what the groups differ."""
    intervals: Mapping[str, Mapping[str, PlacedInterval]] = field(default_factory=dict)
    """Ends of the 95% intervals over questions, by run and quantity."""
    n_questions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Questions behind each run's values of a quantity."""
    swap_states: Mapping[str, SwapState] = field(default_factory=dict)
    """Where the bridge swaps of each run are read."""

    @cached_property
    def panels(self) -> list[ComparedPanel]:
        """Every quantity that a run has, with the one that aligns the runs last."""
        kinds = list(dict.fromkeys(kind for found in self.placed.values() for kind in found))
        if self.aligned == "accuracy":
            kinds = [k for k in kinds if k != "ID accuracy"] + ["ID accuracy"]
        return [ComparedPanel(k, self._hint(k), tuple(self._lines(k))) for k in kinds]

    def _hint(self, kind: str) -> str:
        """What is measured, what the bands are, and how many runs and questions are behind it."""
        without = [name for name in self.runs if kind not in self.placed[name]]
        lacking = f"not measured in {_listed(without)}" if without else ""
        return "; ".join(filter(None, (self._measured(kind), self._bands(kind), lacking)))

    def _measured(self, kind: str) -> str:
        """What a measure of states is, and of which states."""
        if kind in READABLE.values():
            return BEST_LAYER
        if kind != BRIDGE_SWAP:
            return ""
        return " ".join(filter(None, (SWAPPED, states_in_words(self.swap_states))))

    def _bands(self, kind: str) -> str:
        counts = {sum(kind in self.placed[n] for n in names) for names in self.grouped.values()}
        seeds = sorted(counts - {0, 1})
        asked = sorted({found[kind] for found in self.n_questions.values() if kind in found})
        n = " to ".join(f"{n:,}" for n in dict.fromkeys((*asked[:1], *asked[-1:])))
        questions = f"n = {n} questions" if n else ""
        if not seeds:
            return f"95% interval, {questions}" if n else ""
        means = f"mean and range, n = {' or '.join(map(str, seeds))} seeds"
        alone = "single runs: 95% interval" if n and 1 in counts else ""
        return "; ".join(filter(None, (means, questions and f"{questions} each", alone)))

    def _lines(self, kind: str) -> Iterator[ComparedLine]:
        for i, (label, names) in enumerate(self.grouped.items()):
            having = [name for name in names if kind in self.placed[name]]
            if not having:
                continue
            members = [between(self.axis, self.placed[name][kind]) for name in having]
            several = len(members) > 1
            mean, low, high = banded(members)
            band = (low, high) if several else self._interval(having[0], kind)
            yield ComparedLine(
                name=f"{label} (n = {len(members)})" if several else label,
                number=i,
                place=self.places.get(label),
                values=mean,
                low=None if band is None else band[0],
                high=None if band is None else band[1],
                alone=tuple(tail for tail in tails(members) if tail is not None),
            )

    def _interval(self, run: str, kind: str) -> PlacedInterval | None:
        found = self.intervals.get(run, {}).get(kind)
        return (
            None if found is None else (between(self.axis, found[0]), between(self.axis, found[1]))
        )

    def payload(self) -> bytes:
        """JSON for the instrument."""
        known = (found["ID accuracy"] for found in self.placed.values())
        longest = max(known, key=lambda values: int(np.isfinite(values).sum()))
        accuracy = {"id_test": curve(between(self.axis, longest))}
        axis = list(self.axis)
        ordered = {_ordered(place): shade(place) for place in self.places.values()}
        payload: Payload = {
            "steps": axis,
            "unit": "ID accuracy %" if self.aligned == "accuracy" else "step",
            "metrics": {"step": axis, "accuracy": accuracy, "loss": {}},
            "splits": [
                {"name": "id_test", "label": split_of("id_test").short, "about": "", "dash": ""}
            ],
            "vocabulary": spoken_names(),
            "baselines": {},
            "phases": [],
            "colours": COLOURS | ordered,
            "measures": {},
            "compared": {
                "panels": [
                    {
                        "title": p.title,
                        "hint": p.hint,
                        "unit": unit_of(p.title),
                        "series": [self._sent(x) for x in p.lines],
                    }
                    for p in self.panels
                ],
                "aligned": self.aligned,
                "phases": phase_payload(self.phases),
            },
        }
        return dump(payload)

    def _sent(self, line: ComparedLine) -> ComparedSeries:
        series: ComparedSeries = {
            "name": line.name,
            "colour": line.colour,
            "dash": "6 4" if line.dashed else None,
            "steps": list(self.axis),
            "values": curve(line.values),
        }
        if line.low is not None and line.high is not None:
            series["low"], series["high"] = curve(line.low), curve(line.high)
        if line.alone:
            series["alone"] = [curve(values) for values in line.alone]
        return series

    def figures(self, step: int) -> list[Spec]:
        """Each panel, each phase diagram, and in what the recipes differ."""
        by_step = self.aligned == "step"
        found: list[Spec] = [self._figure(panel, step, by_step) for panel in self.panels]
        phases = phase_figures(self.phases, self.axis, by_step, step, self._measured)
        return [*found, *phases, self.recipes]

    def _figure(self, panel: ComparedPanel, step: int, by_step: bool) -> Lines:
        return Lines(
            name=f"compare_{file_name(panel.title)}",
            title=panel.title,
            subtitle="; ".join(filter(None, (", ".join(self.runs), panel.hint))),
            provenance={"runs": list(self.runs), "aligned": self.aligned, **self._states(panel)},
            series=tuple(one for line in panel.lines for one in self._drawn(line)),
            x_label="training step" if by_step else "ID accuracy reached (%)",
            y_label=unit_of(panel.title),
            y_limits=(0.0, 1.0),
            cursor=float(step) if by_step else None,
        )  # fmt: skip

    def _states(self, panel: ComparedPanel) -> dict[str, dict[str, str]]:
        if panel.title != BRIDGE_SWAP:
            return {}
        return {"states": {name: str(state) for name, state in self.swap_states.items()}}

    def _drawn(self, line: ComparedLine) -> Iterator[Series]:
        x = np.array(self.axis, float)
        colour = line.number if line.place is None else line.place
        yield Series(
            label=line.name, x=x, y=line.values, low=line.low, high=line.high, colour=colour,
            dash="dash" if line.dashed else "solid",
        )  # fmt: skip
        for values in line.alone:
            label = f"{line.name}: a seed that goes on"
            yield Series(label=label, x=x, y=values, colour=colour, dash="dot")


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_LISTED:
        return f"{len(names)} of the runs"
    return with_and(names)


def _ordered(place: float) -> str:
    return f"at_{place:.3f}"
