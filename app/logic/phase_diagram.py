"""Phase diagrams: a setting in which runs differ x training -> accuracy or the success of swaps.

Runs are compared in one diagram only if their recipes agree in everything but this setting and the
seed. Of a sweep over two settings, each has a diagram for every level of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from analyses.figures.specs.charts import HeatMap
from app.instrument.fields import Diagram
from app.instrument.packing import pack
from app.logic import run_curves as comparing
from app.logic import run_groups as grouping
from circuits.runs.run import Run


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """The mean over runs at every level of one setting."""

    setting: str
    """Recipe key, e.g. augmentation.phi."""
    levels: tuple[float, ...]
    """Its values, rising."""
    n_runs: tuple[int, ...]
    """Runs at each level."""
    tables: dict[str, Float[np.ndarray, "level place"]]
    """By quantity, e.g. "ID accuracy"; NaN where nothing was measured."""
    held: str = ""
    """Other settings in which the compared runs differ, at their values here."""

    @property
    def name(self) -> str:
        """The setting without its section."""
        return self.setting.rpartition(".")[2]


def phase_diagrams(
    runs: Mapping[str, Run],
    placed: Mapping[str, Mapping[str, np.ndarray]],
    axis: Sequence[int],
) -> list[PhaseDiagram]:
    """One diagram for every setting that is a number and in which alone runs differ.

    Args:
        runs: The runs by name.
        placed: Every curve of each run at the points of the common axis.
        axis: These points. A mean is over all runs of a level that have the quantity. It is given
            where all of them were measured and interpolated between two such points.
    """
    tables = {name: grouping.settings(run) for name, run in runs.items()}
    keys = grouping.differing(runs)
    found = []
    for key in keys:
        alike: dict[str, dict[str, Any]] = defaultdict(dict)
        for name, run in runs.items():
            if grouping.is_number(tables[name].get(key)):
                alike[grouping.apart_from(run, key, "seed")][name] = tables[name][key]
        for values in alike.values():
            if len(set(values.values())) > 1:
                table = tables[next(iter(values))]
                held = {
                    other.rpartition(".")[2]: table.get(other) for other in keys if other != key
                }
                found.append(_diagram(key, values, held, placed, axis))
    return found


def _diagram(
    key: str,
    values: Mapping[str, Any],
    held: Mapping[str, Any],
    placed: Mapping[str, Mapping[str, np.ndarray]],
    axis: Sequence[int],
) -> PhaseDiagram:
    levels = sorted(set(values.values()))
    members = [[placed[name] for name in values if values[name] == level] for level in levels]
    kinds = list(dict.fromkeys(kind for curves in placed.values() for kind in curves))
    nothing = np.full(len(axis), np.nan)
    tables = {}
    for kind in kinds:
        rows = [[curves[kind] for curves in group if kind in curves] for group in members]
        means = (comparing.banded(row or [nothing])[0] for row in rows)
        tables[kind] = np.stack([comparing.between(axis, mean) for mean in means])
    words = ", ".join(f"{name} {value}" for name, value in held.items())
    return PhaseDiagram(key, tuple(levels), tuple(map(len, members)), tables, words)


def phase_payload(diagrams: Sequence[PhaseDiagram]) -> list[Diagram]:
    """What the instrument draws of them."""
    return [
        {
            "setting": diagram.name,
            "held": diagram.held,
            "levels": [f"{level:.15g}" for level in diagram.levels],
            "n_runs": list(diagram.n_runs),
            "kinds": list(diagram.tables),
            "tables": [pack(table) for table in diagram.tables.values()],
        }
        for diagram in diagrams
    ]


def phase_figures(
    diagrams: Sequence[PhaseDiagram],
    axis: Sequence[int],
    by_step: bool,
    step: int,
    measured: Callable[[str], str] = lambda _: "",
) -> list[HeatMap]:
    """Every diagram and quantity as a figure; `measured` says of a quantity what it is."""
    place = int(np.abs(np.asarray(axis) - step).argmin()) if by_step else None
    return [
        HeatMap(
            name=f"compare_phase_{_distinct(diagram, diagrams)}_{file_name(kind)}",
            title=f"{kind} by {diagram.name} and {'step' if by_step else 'ID accuracy'}",
            subtitle="; ".join(
                filter(
                    None,
                    (
                        measured(kind),
                        f"mean over {_counts(diagram.n_runs)} at each {diagram.name}",
                        diagram.held,
                    ),
                )
            ),
            provenance={
                "setting": diagram.setting,
                "runs_per_level": list(diagram.n_runs),
                "held": diagram.held,
            },
            values=table,
            rows=tuple(f"{level:.15g}" for level in diagram.levels),
            columns=tuple(f"{at:,}" for at in axis),
            places=np.array(axis, float),
            row_label=diagram.name,
            column_label="training step" if by_step else "ID accuracy reached (%)",
            value_label=kind.partition(" (")[0],
            cursor=place,
        )
        for diagram in diagrams
        for kind, table in diagram.tables.items()
    ]


def _distinct(diagram: PhaseDiagram, diagrams: Sequence[PhaseDiagram]) -> str:
    """The setting's name, with a number if several diagrams are of it."""
    same = [other for other in diagrams if other.setting == diagram.setting]
    return diagram.name if len(same) == 1 else f"{diagram.name}_{same.index(diagram) + 1}"


def _counts(n_runs: Sequence[int]) -> str:
    low, high = min(n_runs), max(n_runs)
    return f"{low} run{'s' * (high > 1)}" if low == high else f"{low} to {high} runs"


def file_name(title: str) -> str:
    """The title's words before any bracket, as part of a file's name."""
    return "_".join(title.partition(" (")[0].lower().split())
