"""Lines, stacked areas, bars and scatter plots drawn into matplotlib axes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analyses.figures.renderers.matplotlib.fit import category_labels, most_ticks
from analyses.figures.renderers.matplotlib.heatmap import set_names
from analyses.figures.renderers.matplotlib.page import Drawn, Entry, width_of
from analyses.figures.renderers.style import Theme, category, series_colour
from analyses.figures.specs.charts import Bars, Lines, Reference, Scatter, StackedArea

DASHES = {"solid": "-", "dash": (0, (3, 1.5)), "dot": (0, (1, 1.5))}


def plain_number(value: float, _position: int | None = None) -> str:
    """Ticks in the usual notation: 3,000 and 0.25, with a true minus sign."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return text.replace("-", "\N{MINUS SIGN}")


def draw_lines(ax: Axes, spec: Lines, theme: Theme) -> Drawn:
    """Curves, bands, reference levels, events and the cursor."""
    entries = []
    for s in spec.series:
        # A logarithmic axis cannot show step 0.
        keep = s.x > 0 if spec.x_log else np.full(len(s.x), True)
        colour = series_colour(s.colour, theme.name)
        if s.low is not None and s.high is not None:
            ax.fill_between(
                s.x[keep], s.low[keep], s.high[keep], color=colour, alpha=0.22, linewidth=0
            )
        (line,) = ax.plot(s.x[keep], s.y[keep], color=colour, linewidth=1.3, ls=DASHES[s.dash])
        if s.marked(int(np.isfinite(s.y[keep]).sum())):
            line.set(marker="o", markersize=2.6)
        entries.append(Entry(s.label, line, (colour, s.dash)))
    entries += _references(ax, spec.references, theme)
    if spec.x_log:
        ax.set_xscale("log")
    if spec.y_log:
        ax.set_yscale("log")
    if spec.x_limits is not None:
        ax.set_xlim(*_padded(spec.x_limits, spec.x_log))
    if spec.y_limits is not None:
        ax.set_ylim(*_padded(spec.y_limits, spec.y_log))
    _tidy(ax, spec.x_label, spec.y_label, theme)
    for event in spec.events:
        ax.axvline(event.x, color=theme.faint, linewidth=0.6, ls=DASHES["dot"], zorder=0)
        ax.annotate(
            event.label, (event.x, 1), xycoords=("data", "axes fraction"), xytext=(0, 1),
            textcoords="offset points", size=5.5, color=theme.faint, ha="center", va="bottom",
        )  # fmt: skip
    _cursor(ax, spec.cursor, theme)
    return Drawn(tuple(entries))


def _padded(limits: tuple[float, float], log: bool = False) -> tuple[float, float]:
    """Margins, so that the frame does not cut a curve at 1.0 in half."""
    if log and limits[0] > 0:
        air = (limits[1] / limits[0]) ** 0.03
        return limits[0] / air, limits[1] * air
    air = 0.03 * (limits[1] - limits[0])
    return limits[0] - air, limits[1] + air


def _references(ax: Axes, references: tuple[Reference, ...], theme: Theme) -> list[Entry]:
    entries = []
    for r in references:
        colour = theme.faint if r.colour is None else category(r.colour, theme.name)
        line = ax.axhline(r.value, color=colour, lw=0.8, ls=DASHES["dash"], zorder=1)
        entries.append(Entry(r.label, line, (colour, "level")))
    return entries


def _cursor(ax: Axes, cursor: float | None, theme: Theme) -> None:
    if cursor is not None:
        ax.axvline(cursor, color=theme.ink, linewidth=0.9, zorder=4)


def _tidy(ax: Axes, x_label: str, y_label: str, theme: Theme) -> None:
    """Labels, light grid, plain ticks, no frame above and to the right."""
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.grid(True, axis="y", color=theme.grid, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    widest = plain_number(round(max(map(abs, ax.get_xlim()))))
    below = most_ticks(widest, width_of(ax), _side_by_side(ax)) - 1
    for axis, scale, most in (
        (ax.xaxis, ax.get_xscale(), below),
        (ax.yaxis, ax.get_yscale(), 5),
    ):
        if scale == "log":
            low, high = axis.get_view_interval()
            parts = (1.0,) if high >= 100 * low else (1.0, 2.0, 5.0)  # within two powers of ten
            axis.set_major_locator(LogLocator(subs=parts, numticks=6))
            axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(plain_number))


def _side_by_side(ax: Axes) -> int:
    """How many panels stand abreast in the figure that these axes are in."""
    place = ax.get_subplotspec()
    return 1 if place is None else int(place.get_gridspec().ncols)


def draw_stacked_area(ax: Axes, spec: StackedArea, theme: Theme) -> Drawn:
    """Shares on top of each other, the first one at the bottom."""
    colours = [category(c, theme.name) for c in spec.colours or range(len(spec.labels))]
    areas = ax.stackplot(
        spec.x,
        spec.shares,
        colors=colours,
        edgecolor=theme.paper,
        linewidth=0.4,
    )
    _tidy(ax, spec.x_label, spec.y_label, theme)
    ax.set_xlim(float(spec.x[0]), float(spec.x[-1]))
    ax.set_ylim(0, 1)
    ax.grid(False)
    _cursor(ax, spec.cursor, theme)
    found = zip(spec.labels, areas, colours, strict=True)
    return Drawn(tuple(Entry(label, area, (colour,)) for label, area, colour in found))


def draw_bars(ax: Axes, spec: Bars, theme: Theme) -> Drawn:
    """Groups of bars with their intervals."""
    width = 0.8 / len(spec.series)
    places = np.arange(len(spec.categories))
    entries = []
    for i, s in enumerate(spec.series):
        x = places + (i - (len(spec.series) - 1) / 2) * width
        colour = category(s.colour, theme.name)
        entries.append(Entry(s.label, ax.bar(x, s.values, 0.92 * width, color=colour), (colour,)))
        if s.low is not None and s.high is not None:
            ax.vlines(x, s.low, s.high, color=theme.ink, linewidth=0.8)
    entries += _references(ax, spec.references, theme)
    _tidy(ax, spec.x_label, spec.y_label, theme)
    set_names(ax, places, category_labels(spec, width_of(ax) / _side_by_side(ax)))
    ax.set_xlim(-0.5, len(places) - 0.5)  # groups without a bar keep their place
    if spec.y_limits is not None:
        ax.set_ylim(spec.y_limits[0], spec.y_limits[1] + 0.03 * np.ptp(spec.y_limits))
    return Drawn(tuple(entries))


def draw_scatter(ax: Axes, spec: Scatter, theme: Theme) -> Drawn:
    """Points by group."""
    entries = []
    for g in spec.groups:
        colour = series_colour(g.colour, theme.name)
        points = ax.scatter(g.x, g.y, s=7, color=colour, linewidths=0, alpha=0.8)
        entries.append(Entry(g.label, points, (colour,)))
    _tidy(ax, spec.x_label, spec.y_label, theme)
    ax.grid(True, color=theme.grid, linewidth=0.5)
    if spec.equal_axes:
        ax.set_aspect("equal", adjustable="datalim")
    if spec.diagonal:
        ax.axline((0, 0), slope=1, color=theme.faint, linewidth=0.7, ls=DASHES["dash"])
    return Drawn(tuple(entries))
