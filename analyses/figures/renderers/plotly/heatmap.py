"""Heat maps drawn into plotly subplots: cell (i, j) is at (j, i), its names in the hover text."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from analyses.figures.renderers.plotly.cell import (
    MOST_TICKS,
    Cell,
    cursor_line,
    hatch,
    name_ticks,
)
from analyses.figures.renderers.plotly.markup import plain
from analyses.figures.renderers.style import (
    VEILED,
    Theme,
    diverging,
    ink_on,
    mix,
    sequential,
    stop_at,
)
from analyses.figures.specs.charts import HeatMap

MOST_ANNOTATED = 60
"""The most cells of a heat map whose values are also written out."""


def draw_heat_map(figure: go.Figure, spec: HeatMap, theme: Theme, cell: Cell) -> None:
    """Cells from the bottom row up, with their intervals in the hover texts."""
    stops = diverging(theme.name) if spec.diverging else sequential(theme.name)
    scale = [[i / (len(stops) - 1), colour] for i, colour in enumerate(stops)]
    gap = 1 if spec.values.size <= 200 else 0
    figure.add_heatmap(
        z=spec.values, x=_x(spec), y=list(range(len(spec.rows))),
        text=_hover(spec), hovertemplate="%{text}<extra></extra>",
        zmin=spec.limits[0], zmax=spec.limits[1], colorscale=scale, showscale=cell.alone,
        xgap=gap, ygap=gap,
        colorbar={"title": {"text": plain(spec.value_label), "side": "right"}, "thickness": 14,
                  "outlinewidth": 0},
        **cell.at,
    )  # fmt: skip
    if spec.hatched is not None:
        for row, column in np.argwhere(spec.hatched):
            start, end = _ends(spec)[column : column + 2]
            hatch(figure, (start + end) / 2, float(row), end - start, 1.0, theme, cell)
    if spec.values.size <= MOST_ANNOTATED:
        _annotate(figure, spec, stops, theme, cell)
    figure.update_xaxes(
        title=plain(spec.column_label) if cell.lowest else "", showgrid=False, zeroline=False,
        **_column_ticks(spec), **cell.at,
    )  # fmt: skip
    figure.update_yaxes(
        title=plain(spec.row_label) if cell.first else "", showgrid=False, zeroline=False,
        showticklabels=cell.named, **name_ticks(spec.rows), **cell.at,
    )  # fmt: skip
    cursor = None if spec.cursor is None else float(_x(spec)[spec.cursor])
    cursor_line(figure, cursor, theme, cell)


def _x(spec: HeatMap) -> list[float]:
    """Where the columns' middles lie: at their steps, or one apart."""
    return [float(x) for x in (range(len(spec.columns)) if spec.places is None else spec.places)]


def _ends(spec: HeatMap) -> list[float]:
    """Where the columns begin and end."""
    shift = 0.5 if spec.places is None else 0.0
    return [float(edge) - shift for edge in spec.edges]


def _column_ticks(spec: HeatMap) -> dict[str, Any]:
    """Names of columns, or numbers along an axis of steps."""
    if spec.places is None:
        return name_ticks(spec.columns, MOST_TICKS)
    ends = _ends(spec)
    return {"type": "linear", "range": [ends[0], ends[-1]], "tickformat": ","}


def _hover(spec: HeatMap) -> list[list[str]]:
    """The hover text of each cell: its row, column, value and interval."""
    rows, columns = (
        [plain(f"{label} {name}".strip()) for name in names]
        for label, names in ((spec.row_label, spec.rows), (spec.column_label, spec.columns))
    )
    texts = [[""] * len(columns) for _ in rows]
    for (i, j), value in np.ndenumerate(spec.values):
        number = f"{value:.3f}" if np.isfinite(value) else "not measured"
        if spec.low is not None and spec.high is not None and np.isfinite(spec.low[i, j]):
            number += f" [{spec.low[i, j]:.3f}, {spec.high[i, j]:.3f}]"
        texts[i][j] = f"{rows[i]}, {columns[j]}<br>{plain(spec.value_label)}: {number}"
        if spec.details:
            texts[i][j] += f"<br>{plain(spec.details[i][j])}"
        if spec.hatched is not None and spec.hatched[i, j]:
            texts[i][j] += f"<br>{plain(spec.hatched_label)}"
    return texts


def _annotate(
    figure: go.Figure, spec: HeatMap, stops: tuple[str, ...], theme: Theme, cell: Cell
) -> None:
    ends = _ends(spec)
    for (row, column), value in np.ndenumerate(spec.values):
        if np.isfinite(value):
            ground = stop_at(stops, float(value), spec.limits)
            if spec.hatched is not None and spec.hatched[row, column]:
                ground = mix(ground, theme.paper, VEILED)
            figure.add_annotation(
                x=(ends[column] + ends[column + 1]) / 2, y=row, showarrow=False,
                text=f"{value:+.2f}" if spec.diverging else f"{value:.2f}",
                font={"size": 11, "color": ink_on(ground)},
                **cell.at,
            )  # fmt: skip
