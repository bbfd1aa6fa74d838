"""Specs as matplotlib figures, for print: vector output, exact widths, embedded fonts.

No pyplot and no global figure: a `Figure` is built and handed back. matplotlib's settings are
global to the process, so drawing and saving happen under one lock (the dashboard has threads).
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.figures import matplotlib_charts as charts
from analyses.figures.fonts import families_for
from analyses.figures.matplotlib_circuit import draw_circuit
from analyses.figures.matplotlib_heatmap import colour_bar, draw_heat_map
from analyses.figures.specs import (
    Bars,
    CircuitDiagram,
    HeatMap,
    Lines,
    Panels,
    Scatter,
    Spec,
    StackedArea,
)
from analyses.figures.style import Theme, theme_of, width_in_inches

_SETTINGS_LOCK = threading.RLock()

TITLE, SUBTITLE, LABEL = 8.5, 6.5, 7.0
"""Font sizes, points."""

PNG_DPI = 300

METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": "Hopscope"},
    "svg": {"Date": None, "Creator": "Hopscope"},
    "png": {"Software": "Hopscope"},
}
"""What a file says of itself: no time of writing, so that equal figures are equal files."""

DRAW: dict[type[Spec], Callable[[Axes, Any, Theme], Any]] = {
    Lines: charts.draw_lines,
    StackedArea: charts.draw_stacked_area,
    Bars: charts.draw_bars,
    Scatter: charts.draw_scatter,
    HeatMap: draw_heat_map,
    CircuitDiagram: draw_circuit,
}


@contextmanager
def settings(theme: Theme, families: Sequence[str]) -> Iterator[None]:
    """matplotlib's settings for our figures while the block runs, in this thread alone."""
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
                "legend.handlelength": 1.8,
                "text.color": theme.ink,
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
        title: Whether title and subtitle stand above the picture (a paper's caption may).
    """
    page = theme_of(theme)
    inches = width_in_inches(width)
    with settings(page, families_for(_texts(spec.to_json()))):
        panels = spec.panels if isinstance(spec, Panels) else (spec,)
        n_columns = _columns(spec, inches)
        n_rows = -(-len(panels) // n_columns)
        header = _header(spec, inches) if title else []
        top = sum(size * 1.3 * text.count("\n") + size * 1.3 for text, size, _ in header) / 72
        height = top + n_rows * max(_height(p, inches / n_columns) for p in panels)
        handles = max((_legend_rows(p, inches) for p in panels), default=0)
        height += 0.14 * handles
        figure = Figure(figsize=(inches, height), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False, sharey=_same_rows(panels))
        drawn = _draw_panels(axes, panels, page, captions=isinstance(spec, Panels))
        _colour_bars(figure, panels, drawn, page)
        _legend(figure, [ax for ax, _ in drawn], inches)
        _place_header(figure, header, top, height, page)
        figure.draw_without_rendering()  # settles the layout while our settings hold
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
    with settings(theme_of(theme), families_for(_texts(spec.to_json()))):
        figure = to_matplotlib(spec, width, theme=theme, title=title)
        figure.savefig(out, format=file_format, dpi=PNG_DPI, metadata=METADATA[file_format])
    return out.getvalue()


def _texts(value: Any) -> Iterator[str]:
    """Every string in a spec's JSON form, and the signs that renderers add."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _columns(spec: Spec, inches: float) -> int:
    """How many panels stand side by side at this width."""
    if not isinstance(spec, Panels):
        return 1
    least = 0.95 if all(isinstance(p, HeatMap) for p in spec.panels) else 1.9
    return max(1, min(spec.columns, len(spec.panels), int(inches / least)))


def _height(spec: Spec, inches: float) -> float:
    """Height of one picture that is `inches` wide, without header and legend, inches."""
    if isinstance(spec, HeatMap):
        return 0.75 + max(0.16, min(0.26, 2.6 / len(spec.rows))) * len(spec.rows)
    if isinstance(spec, CircuitDiagram):
        return 0.75 + 0.42 * (spec.depth + 2.2)
    return min(max(0.58 * inches, 1.35), 2.6)


def _same_rows(panels: Sequence[Spec]) -> bool:
    """Whether panels can share their vertical axis."""
    if all(isinstance(p, HeatMap) for p in panels):
        return len({p.rows for p in panels if isinstance(p, HeatMap)}) == 1
    if all(isinstance(p, Lines) and p.y_limits for p in panels):
        return len({p.y_limits for p in panels if isinstance(p, Lines)}) == 1
    return False


def _draw_panels(
    axes: Any, panels: Sequence[Spec], theme: Theme, captions: bool
) -> list[tuple[Axes, Any]]:
    """Each panel drawn into its axes; pairs of axes and what the drawing handed back."""
    drawn = []
    for i, ax in enumerate(axes.flat):
        if i >= len(panels):
            ax.set_axis_off()
            continue
        drawn.append((ax, DRAW[type(panels[i])](ax, panels[i], theme)))
        if captions:
            inches = ax.get_figure().get_figwidth() / axes.shape[1]
            ax.set_title(_wrap(panels[i].title, inches * 0.85, LABEL), loc="left")
        if i % axes.shape[1] and _same_rows(panels):
            ax.set_ylabel("")
        below = i + axes.shape[1] < len(panels)
        if below and isinstance(panels[i], Lines):
            ax.set_xlabel("")
    return drawn


def _colour_bars(
    figure: Figure, panels: Sequence[Spec], drawn: list[tuple[Axes, Any]], theme: Theme
) -> None:
    """One colour bar for all heat maps on one scale, else one for each."""
    maps = [
        (p, ax, mesh) for p, (ax, mesh) in zip(panels, drawn, strict=True) if isinstance(p, HeatMap)
    ]
    shared = len({(p.limits, p.value_label, p.diverging) for p, _, _ in maps}) == 1
    groups = [maps] if shared else [[m] for m in maps]
    for group in groups:
        spec, _, mesh = group[0]
        colour_bar(figure, spec, mesh, [ax for _, ax, _ in group], theme)


def _legend_entries(axes: Sequence[Axes]) -> dict[str, Any]:
    """Handles by label, each label once."""
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    return entries


def _legend_columns(labels: Sequence[str], inches: float) -> int:
    """Entries side by side below a figure."""
    widest = max(len(label) for label in labels) * 0.56 * SUBTITLE / 72 + 0.42
    return max(1, min(len(labels), int(inches / widest)))


def _legend_rows(spec: Spec, inches: float) -> int:
    labels: list[str] = []
    if isinstance(spec, Lines | Bars):
        labels = [s.label for s in spec.series] + [r.label for r in spec.references]
    elif isinstance(spec, Scatter):
        labels = [g.label for g in spec.groups]
    elif isinstance(spec, StackedArea):
        labels = list(spec.labels)
    elif isinstance(spec, CircuitDiagram):
        return len(spec.legend) + 1
    return -(-len(labels) // _legend_columns(labels, inches)) if len(labels) > 1 else 0


def _legend(figure: Figure, axes: Sequence[Axes], inches: float) -> None:
    """A legend below the figure, outside the data; none for a single series."""
    entries = _legend_entries(axes)
    if len(entries) > 1:
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside lower center",
            ncols=_legend_columns(list(entries), inches),
            columnspacing=1.2,
        )


def _wrap(text: str, inches: float, size: float) -> str:
    """`text` broken into lines that fit, taking a character as 0.56 of the font size."""
    return "\n".join(textwrap.wrap(text, max(10, int(inches * 72 / (0.56 * size)))))


def _header(spec: Spec, inches: float) -> list[tuple[str, float, str]]:
    """(wrapped text, size, weight) of title and subtitle."""
    lines = [
        (_wrap(spec.title, (inches - 0.1) * 0.93, TITLE), TITLE, "bold"),
        (_wrap(spec.subtitle, inches - 0.1, SUBTITLE), SUBTITLE, "normal"),
    ]
    return [line for line in lines if line[0]]


def _place_header(
    figure: Figure,
    header: list[tuple[str, float, str]],
    top: float,
    height: float,
    theme: Theme,
) -> None:
    """Title and subtitle at the top left, the rest of the figure below them."""
    y = height - 0.03
    for text, size, weight in header:
        colour = theme.ink if weight == "bold" else theme.faint
        figure.text(
            0.05 / figure.get_figwidth(), y / height, text, size=size, weight=weight, color=colour,
            va="top", linespacing=1.25,
        )  # fmt: skip
        y -= size * 1.3 * (text.count("\n") + 1) / 72
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, 0, 1, 1 - (top + 0.04 if header else 0) / height), w_pad=0.03, h_pad=0.03)
