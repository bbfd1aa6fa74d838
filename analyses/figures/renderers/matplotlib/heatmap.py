"""Heat maps drawn into matplotlib axes: vector cells, fixed colour scale, values in few cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import AutoLocator, MaxNLocator, StrMethodFormatter

from analyses.figures.renderers.matplotlib.fit import (
    ANGLE,
    MOST_ANNOTATED,
    TICK,
    VALUE,
    TickLabels,
    column_labels,
    column_title,
    map_width,
    row_names,
    some_named,
    value_text,
)
from analyses.figures.renderers.matplotlib.page import AnyFigure, Drawn, height_of, width_of
from analyses.figures.renderers.style import (
    VEILED,
    Theme,
    diverging,
    ink_on,
    mix,
    sequential,
    stop_at,
)
from analyses.figures.renderers.text import text_width, wrap
from analyses.figures.specs.charts import HeatMap, Spec

BAR_STEPS = 64
"""Colours of a colour bar: a finer one looks alike, and is most of a small figure's size."""


def tick_places(names: Sequence[str], most: int) -> list[int]:
    """Indices of at most `most` evenly spaced names, including the first."""
    stride = max(1, -(-len(names) // most))
    return list(range(0, len(names), stride))


def draw_heat_map(ax: Axes, spec: HeatMap, theme: Theme) -> Drawn:
    """Cells from the bottom row up; cells without a value stay grey."""
    stops = diverging(theme.name) if spec.diverging else sequential(theme.name)
    colours = LinearSegmentedColormap.from_list("hopscope", list(stops), N=256)
    ax.set_facecolor(theme.grid)
    # Edges in the cells' own colour close the hairlines that PDF viewers show between cells.
    mesh = ax.pcolormesh(
        spec.edges,
        np.arange(len(spec.rows) + 1),
        np.ma.masked_invalid(spec.values),
        cmap=colours,
        norm=Normalize(*spec.limits),
        edgecolors="face",
        linewidth=0.15,
    )
    _ticks(ax, spec)
    for spine in ax.spines.values():
        spine.set_color(theme.faint)
    if spec.values.size <= MOST_ANNOTATED:
        _annotate(ax, spec, stops, theme)
    if spec.hatched is not None:
        _hatch(ax, spec, theme)
    if spec.cursor is not None:
        start, end = spec.edges[spec.cursor : spec.cursor + 2]
        box = Rectangle((start, 0), end - start, len(spec.rows), fill=False, clip_on=False)
        box.set(edgecolor=theme.ink, linewidth=1.0)
        ax.add_patch(box)
    return Drawn(mesh=mesh)


def _hatch(ax: Axes, spec: HeatMap, theme: Theme) -> None:
    """Fade the cells that are set apart towards the paper, and hatch them."""
    assert spec.hatched is not None
    pale = (*to_rgb(theme.paper), 1 - VEILED)
    for row, column in np.argwhere(spec.hatched):
        start, end = spec.edges[column : column + 2]
        veil = Rectangle((start, row), end - start, 1, facecolor=pale, zorder=1.5, hatch="///")
        veil.set(edgecolor=mix(theme.faint, theme.paper, 0.45), linewidth=0)
        ax.add_patch(veil)


def _ticks(ax: Axes, spec: HeatMap) -> None:
    inches, height = width_of(ax), height_of(ax)
    spec_ = ax.get_subplotspec()
    above, side_by_side = (1, 1) if spec_ is None else spec_.get_gridspec().get_geometry()
    if spec.places is not None:
        words = max(text_width(f"{name}0", TICK) for name in spec.columns)
        fit = max(2, min(6, int(map_width(spec, inches, side_by_side) / (1.3 * words))))
        ax.xaxis.set_major_locator(MaxNLocator(fit, integer=True))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    elif some_named(spec, inches, side_by_side):
        words = max(text_width(f"{name}0", TICK) for name in spec.columns)
        fit = max(3, min(7, int(map_width(spec, inches, side_by_side) / (1.3 * words))))
        at = tick_places(spec.columns, fit)
        ax.set_xticks([i + 0.5 for i in at], [spec.columns[i] for i in at])
    else:
        set_names(ax, np.arange(len(spec.columns)) + 0.5, column_labels(spec, inches, side_by_side))
    room = int(0.7 * height / above * 72 / 8)
    rows = tick_places(spec.rows, max(14, room))
    names = row_names(spec, inches)
    ax.set_yticks([i + 0.5 for i in rows], [names[i] for i in rows])
    ax.tick_params(length=0)
    ax.set_xlabel(column_title(spec, inches, side_by_side))
    ax.set_ylabel(spec.row_label)


def set_names(ax: Axes, places: Sequence[float] | np.ndarray, labels: TickLabels) -> None:
    """Names below their places on the horizontal axis."""
    ax.set_xticks(
        list(places),
        labels.texts,
        rotation=ANGLE if labels.turned else 0,
        ha="right" if labels.turned else "center",
        # The default mode would turn the lines of a broken name about its middle.
        rotation_mode="anchor" if labels.turned else "default",
    )


def _annotate(ax: Axes, spec: HeatMap, stops: Sequence[str], theme: Theme) -> None:
    for (row, column), value in np.ndenumerate(spec.values):
        if np.isfinite(value):
            text = value_text(float(value), spec)
            ground = stop_at(stops, float(value), spec.limits)
            if spec.hatched is not None and spec.hatched[row, column]:
                ground = mix(ground, theme.paper, VEILED)
            colour = ink_on(ground)
            middle = float(spec.edges[column : column + 2].mean())
            drawn = ax.text(middle, row + 0.5, text, size=VALUE, color=colour)
            drawn.set(ha="center", va="center_baseline")


def drop_values_that_overflow(ax: Axes, spec: HeatMap) -> None:
    """Write the values into all cells of a map or, if one is too wide for its cell, into none."""
    share = np.diff(spec.edges).min() / (spec.edges[-1] - spec.edges[0])  # of the narrowest column
    cell = ax.get_window_extent().width * float(share)
    if any(text.get_window_extent().width > cell for text in ax.texts):
        for text in list(ax.texts):
            text.remove()


def colour_bars(
    figure: AnyFigure, panels: Sequence[Spec], drawn: Sequence[tuple[Axes, Drawn]], theme: Theme
) -> None:
    """One colour bar if all heat maps share a scale, else one for each."""
    maps = [
        (panel, ax, found.mesh)
        for panel, (ax, found) in zip(panels, drawn, strict=True)
        if isinstance(panel, HeatMap) and found.mesh is not None
    ]
    shared = len({(p.limits, p.value_label, p.diverging) for p, _, _ in maps}) == 1
    for group in [maps] if shared else [[m] for m in maps]:
        spec, _, mesh = group[0]
        colour_bar(figure, spec, mesh, [ax for _, ax, _ in group], theme)


def colour_bar(
    figure: AnyFigure, spec: HeatMap, mesh: QuadMesh, axes: Sequence[Axes], theme: Theme
) -> None:
    """The labelled scale of `axes`, to their right."""
    steps = np.linspace(*spec.limits, BAR_STEPS + 1)
    bar = figure.colorbar(
        mesh, ax=list(axes), fraction=0.06, pad=0.02, aspect=18, boundaries=steps,
        values=(steps[1:] + steps[:-1]) / 2, ticks=AutoLocator(),
    )  # fmt: skip
    bar.set_label(wrap(spec.value_label, max(1.1, 0.24 * len(spec.rows)), 7))
    if bar.solids is not None:  # a bitmap by default; kept as vectors like the rest
        bar.solids.set(rasterized=False, edgecolor="face")
    bar.outline.set_edgecolor(theme.faint)  # type: ignore[operator]
    bar.outline.set_linewidth(0.6)  # type: ignore[operator]
