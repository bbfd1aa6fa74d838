"""Specs as matplotlib figures, for print: vector output, exact widths, embedded fonts.

Each `Figure` is built without pyplot's global state and returned. matplotlib's settings are global
to the process, so drawing and saving happen under one lock (the dashboard has threads).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.figures.renderers.matplotlib import charts
from analyses.figures.renderers.matplotlib.circuit import draw_circuit
from analyses.figures.renderers.matplotlib.facts import draw_neighbourhood, draw_table
from analyses.figures.renderers.matplotlib.fit import panel_columns, panel_height, title_width
from analyses.figures.renderers.matplotlib.heatmap import (
    colour_bars,
    draw_heat_map,
    drop_values_that_overflow,
)
from analyses.figures.renderers.matplotlib.page import (
    LABEL,
    SUBTITLE,
    Drawn,
    header_height,
    header_lines,
    labels_of,
    legend,
    legend_rows,
    place_header,
)
from analyses.figures.renderers.style import Theme, theme_of, width_in_inches
from analyses.figures.renderers.text import families_for, wrap
from analyses.figures.specs.charts import (
    Bars,
    CircuitDiagram,
    HeatMap,
    Lines,
    Panels,
    Scatter,
    Spec,
    StackedArea,
)
from analyses.figures.specs.facts import Neighbourhood, Table

_SETTINGS_LOCK = threading.RLock()

PNG_DPI = 300

METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": "Hopscope"},
    "svg": {"Date": None, "Creator": "Hopscope"},
    "png": {"Software": "Hopscope"},
}
"""Metadata of a file: no time of writing, so that equal figures give equal files."""

DRAW: dict[type[Spec], Callable[[Axes, Any, Theme], Drawn]] = {
    Lines: charts.draw_lines,
    StackedArea: charts.draw_stacked_area,
    Bars: charts.draw_bars,
    Scatter: charts.draw_scatter,
    HeatMap: draw_heat_map,
    CircuitDiagram: draw_circuit,
    Table: draw_table,
    Neighbourhood: draw_neighbourhood,
}


@contextmanager
def settings(theme: Theme, families: Sequence[str]) -> Iterator[None]:
    """Apply matplotlib's settings for our figures while the block runs; other threads wait."""
    with (
        _SETTINGS_LOCK,
        matplotlib.rc_context(
            {
                "font.family": list(families),
                "font.size": LABEL,
                "axes.labelsize": LABEL,
                "axes.titlesize": LABEL,
                "xtick.labelsize": SUBTITLE,
                "ytick.labelsize": SUBTITLE,
                "legend.fontsize": SUBTITLE,
                "legend.frameon": False,
                "text.color": theme.ink,
                "text.parse_math": False,  # a name may contain dollar signs
                "axes.labelcolor": theme.ink,
                "axes.edgecolor": theme.faint,
                "axes.facecolor": theme.paper,
                "axes.linewidth": 0.6,
                "axes.unicode_minus": True,
                "xtick.color": theme.faint,
                "ytick.color": theme.faint,
                "xtick.labelcolor": theme.ink,
                "ytick.labelcolor": theme.ink,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "xtick.major.size": 2.5,
                "ytick.major.size": 2.5,
                "figure.facecolor": theme.paper,
                "savefig.facecolor": theme.paper,
                "pdf.fonttype": 42,
                "svg.fonttype": "path",
                "svg.hashsalt": "hopscope",
            }
        ),
    ):
        yield


def to_matplotlib(
    spec: Spec, width: str | float = "column", *, theme: str = "light", title: bool = True
) -> Figure:
    """The figure of `spec`, exactly `width` wide.

    Args:
        spec: What to show.
        width: "column", "page" or inches.
        theme: "light" or "dark".
        title: Whether to draw title and subtitle (a paper's caption may replace them).
    """
    page = theme_of(theme)
    inches = width_in_inches(width)
    with settings(page, families_for(spec.to_json())):
        panels = spec.panels if isinstance(spec, Panels) else (spec,)
        n_columns = panel_columns(spec, inches)
        n_rows = -(-len(panels) // n_columns)
        height = n_rows * max(panel_height(p, inches, n_columns) for p in panels)
        header = header_lines(spec, inches) if title else []
        height += header_height(header) + 0.14 * legend_rows(labels_of(panels), inches)
        figure = Figure(figsize=(inches, height), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False, sharey=_same_rows(panels))
        drawn = _draw_panels(axes, panels, page, captions=isinstance(spec, Panels))
        colour_bars(figure, panels, drawn, page)
        legend(figure, [found for _, found in drawn])
        place_header(figure, header, page)
        figure.draw_without_rendering()  # fixes the layout while our settings apply
        for panel, (ax, _) in zip(panels, drawn, strict=True):
            if isinstance(panel, HeatMap):
                drop_values_that_overflow(ax, panel)
    return figure


def to_bytes(
    spec: Spec,
    file_format: str,
    width: str | float = "column",
    *,
    theme: str = "light",
    title: bool = True,
) -> bytes:
    """The figure as a "pdf", "svg" or "png" file; the same bytes for the same spec."""
    out = io.BytesIO()
    with settings(theme_of(theme), families_for(spec.to_json())):
        figure = to_matplotlib(spec, width, theme=theme, title=title)
        figure.savefig(out, format=file_format, dpi=PNG_DPI, metadata=METADATA[file_format])
    return out.getvalue()


def _same_rows(panels: Sequence[Spec]) -> bool:
    """Whether panels can share their vertical axis."""
    if all(isinstance(p, HeatMap) for p in panels):
        return len({p.rows for p in panels if isinstance(p, HeatMap)}) == 1
    if all(isinstance(p, Lines) and p.y_limits for p in panels):
        return len({p.y_limits for p in panels if isinstance(p, Lines)}) == 1
    return False


def _draw_panels(
    axes: Any, panels: Sequence[Spec], theme: Theme, captions: bool
) -> list[tuple[Axes, Drawn]]:
    """Draw each panel into its axes; pairs of axes and the drawing's return value."""
    drawn = []
    figure_inches, n_columns = axes.flat[0].get_figure().get_figwidth(), axes.shape[1]
    for i, ax in enumerate(axes.flat):
        if i >= len(panels):
            ax.set_axis_off()
            continue
        drawn.append((ax, DRAW[type(panels[i])](ax, panels[i], theme)))
        if captions:
            room = title_width(panels[i], figure_inches, n_columns)
            ax.set_title(wrap(panels[i].title, room, LABEL), loc="left")
        if i % n_columns and _same_rows(panels):
            ax.set_ylabel("")
        ax.set_ylabel(
            wrap(ax.get_ylabel(), panel_height(panels[i], figure_inches, n_columns) - 0.55, LABEL)
        )
        below = i + n_columns < len(panels)
        if below and isinstance(panels[i], Lines):
            ax.set_xlabel("")
    return drawn
