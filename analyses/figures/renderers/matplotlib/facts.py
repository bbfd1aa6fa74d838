"""Tables and the facts around an entity, drawn into matplotlib axes; text is broken, never cut."""

from __future__ import annotations

from matplotlib.axes import Axes

from analyses.figures.renderers.facts_layout import (
    TableLayout,
    fact_lines,
    fact_texts,
    table_layout,
)
from analyses.figures.renderers.matplotlib.page import Drawn, width_of
from analyses.figures.renderers.style import Theme, category
from analyses.figures.renderers.text import wrap
from analyses.figures.specs.facts import Neighbourhood, Table

SIZE = 6.5
LINE = 0.115
"""Distance of a cell's lines, inches."""
ROW = 0.15
"""Height of a row of one line, inches."""
GAP = 0.14
"""Gap between two columns, inches."""
REAL = "real"


def facts_height(spec: Table | Neighbourhood, inches: float) -> float:
    """Inches that a table or a neighbourhood needs in a figure `inches` wide."""
    if isinstance(spec, Table):
        return sum(_row_heights(_layout(spec, inches))) + ROW * bool(spec.rest) + 0.15
    apart = ROW + LINE * (fact_lines(spec, _room(inches), SIZE) - 1)
    return max(1.2, apart * (spec.rows + 2))


def draw_table(ax: Axes, spec: Table, theme: Theme) -> Drawn:
    """Three rules without a box; text aligned left, numbers right."""
    inches = width_of(ax)
    layout = _layout(spec, inches)
    ends = [sum(layout.widths[: i + 1]) + i * GAP for i in range(len(layout.widths))]
    top, rules = 0.0, [0.0]
    for r, (row, height) in enumerate(zip(layout.rows, _row_heights(layout), strict=True)):
        for text, end, width, kind in zip(row, ends, layout.widths, spec.formats, strict=True):
            ax.text(
                end if kind else end - width, top - height / 2, text, size=SIZE, linespacing=1.15,
                ha="right" if kind else "left", va="center_baseline",
                multialignment="right" if kind else "left", weight="bold" if r == 0 else "normal",
            )  # fmt: skip
        top -= height
        if r in (0, len(layout.rows) - 1):
            rules.append(top)
    for y in rules:
        ax.plot([0, ends[-1]], [y, y], color=theme.ink, linewidth=0.6)
    if spec.rest:
        ax.text(0, top - ROW / 2, spec.rest, va="center", size=SIZE, color=theme.faint)
    ax.set_xlim(0, max(ends[-1], inches - 0.1))
    ax.set_ylim(top - (1.5 if spec.rest else 0.4) * ROW, 0.02)
    ax.set_axis_off()
    return Drawn()


def _layout(spec: Table, inches: float) -> TableLayout:
    return table_layout(spec, inches - 0.1, SIZE, GAP)


def _row_heights(layout: TableLayout) -> list[float]:
    return [ROW + LINE * (lines - 1) for lines in layout.lines]


def draw_neighbourhood(ax: Axes, spec: Neighbourhood, theme: Theme) -> Drawn:
    """The entity in the middle; facts that are not real have dotted lines."""
    inches = width_of(ax)
    reach = _reach(inches)
    top = 1 + 2.4 / spec.rows
    for side, sign in (("in", -1), ("out", 1)):
        texts = fact_texts(spec, side, _room(inches), SIZE)  # type: ignore[arg-type]
        for fact, text, y in zip(spec.side(side), texts, spec.places(side), strict=True):  # type: ignore[arg-type]
            dots = "solid" if fact.provenance == REAL else "dotted"
            ax.plot([0, sign * reach], [0, y], color=theme.faint, linewidth=0.5, linestyle=dots)
            ax.plot(sign * reach, y, "o", markersize=2.6, color=category(0, theme.name))
            ax.text(
                sign * (reach + 0.06), y, text, linespacing=1.15,
                ha="left" if sign > 0 else "right", va="center", size=SIZE,
            )  # fmt: skip
        ax.text(
            sign * inches / 2, top, spec.heading(side), color=theme.faint, size=SIZE,  # type: ignore[arg-type]
            ha="right" if sign > 0 else "left", va="center",
        )  # fmt: skip
    ax.plot(0, 0, "o", markersize=6, color=category(1, theme.name))
    name = wrap(spec.entity, inches / 2, SIZE + 1, bold=True)
    ax.text(0, top, name, ha="center", va="center", size=SIZE + 1, weight="bold")
    ax.set_xlim(-inches / 2, inches / 2)
    ax.set_ylim(-1 - 1.2 / spec.rows, top + 1.2 / spec.rows)
    ax.set_axis_off()
    return Drawn()


def _room(inches: float) -> float:
    """Inches available beside the points of a side."""
    return inches / 2 - _reach(inches) - 0.12


def _reach(inches: float) -> float:
    return 0.09 * inches
