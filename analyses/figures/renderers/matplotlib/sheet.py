"""A sheet as one matplotlib figure: every panel in its own part, with its letter above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox

from analyses.figures.renderers.matplotlib.body import (
    Body,
    body_height,
    draw_body,
    entries_of,
    leaves,
    tidy_values,
)
from analyses.figures.renderers.matplotlib.page import (
    LABEL,
    SUBTITLE,
    TITLE,
    AnyFigure,
    Entry,
    HeaderLine,
    draw_header,
    header_height,
    header_lines,
    labels_of,
    legend,
    legend_rows,
)
from analyses.figures.renderers.style import Theme
from analyses.figures.renderers.text import text_width, wrap
from analyses.figures.specs.base import Spec
from analyses.figures.specs.charts import Bars, Lines, Scatter, StackedArea
from analyses.figures.specs.sheet import Place, Sheet

GAP = 0.1
"""Inches between the head of a panel and the panel above it."""
ASCENT = 0.93
"""From the top of a line to its baseline, in font sizes."""
LEAST_REST = 0.2
"""Inches from which a cell's rest stays empty."""
ALIGNED = (Bars, Lines, Scatter, StackedArea)
"""Panels whose frames stand in line with those of others of their row and column."""


@dataclass(frozen=True)
class Part:
    """A panel's place, the lines of its head, its own legend's labels, and its size in inches."""

    place: Place
    spec: Spec
    head: tuple[HeaderLine, ...]
    labels: tuple[str, ...]
    width: float
    height: float
    """Without the head."""


def draw_sheet(sheet: Sheet, inches: float, theme: Theme, title: bool) -> Figure:
    """The sheet exactly `inches` wide; `title`: whether with titles and notes beside letters."""
    joint = _joint_labels(sheet)
    parts = [
        _part(sheet, place, panel, joint, inches, title)
        for place, panel in zip(sheet.places(), sheet.drawn_panels(), strict=True)
    ]
    header = header_lines(sheet, inches) if title else []
    heights = _heights(parts, header_height(header), 0.14 * _rows(joint, inches))
    figure = Figure(figsize=(inches, sum(heights)), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(w_pad=0.03, h_pad=0.02, hspace=0.0)  # type: ignore[call-arg]
    grid = figure.add_gridspec(len(heights), sheet.columns, height_ratios=heights)
    draw_header(figure.add_subfigure(grid[0, :]), header, theme)
    bodies = []
    for part in parts:
        row = 1 + 2 * part.place.row
        columns = slice(part.place.column, part.place.column + part.place.span)
        _draw_head(figure.add_subfigure(grid[row, columns]), part, theme)
        below = _part_for(figure.add_subfigure(grid[row + 1, columns]), part)
        bodies.append((part, below, draw_body(below, part.spec, part.width, theme)))
    _legends(figure.add_subfigure(grid[-1, :]), bodies, joint)
    for part, _, body in bodies:
        _hide_shared(part.place, [ax for _, ax, _ in body])
    figure.draw_without_rendering()  # fixes the layout while our settings apply
    _align([(part, body) for part, _, body in bodies])
    figure.set_layout_engine("none")
    tidy_values([panel for _, _, body in bodies for panel in body])
    return figure


def _joint_labels(sheet: Sheet) -> list[str]:
    """What more than one panel has in its legend."""
    if not sheet.joint_legend:
        return []
    every = chain.from_iterable(labels_of(leaves(panel)) for panel in sheet.panels)
    return [label for label, n in Counter(every).items() if n > 1]


def _rows(labels: Sequence[str], inches: float) -> int:
    """Lines of a legend that says even a single thing: what else there is, is said elsewhere."""
    return legend_rows((*labels, "") if len(labels) == 1 else labels, inches)


def _part(
    sheet: Sheet, place: Place, spec: Spec, joint: Sequence[str], inches: float, title: bool
) -> Part:
    width = inches * place.span / sheet.columns
    labels = labels_of(leaves(spec))
    own = tuple(label for label in labels if label not in joint) if len(labels) > 1 else ()
    room = width - 0.15
    after = room - text_width(f"{place.letter}  ", TITLE)
    head: list[HeaderLine] = [(wrap(spec.title, after, LABEL, bold=True), LABEL, "bold")]
    if spec.subtitle:
        head.append((wrap(spec.subtitle, room, SUBTITLE - 0.5), SUBTITLE - 0.5, "normal"))
    # One label alone needs a legend here: what the panel's others mean is said elsewhere.
    height = body_height(spec, width, (*own, "") if len(own) == 1 else own)
    return Part(place, spec, tuple(head) if title else (("", LABEL, "bold"),), own, width, height)


def _heights(parts: Sequence[Part], header: float, footer: float) -> list[float]:
    """Inches of the header, of each row's heads and panels, and of the joint legend."""
    rows = 1 + max(part.place.row for part in parts)
    heights = [header + 0.02]
    for row in range(rows):
        inside = [part for part in parts if part.place.row == row]
        heights.append(GAP + max(header_height(_with_letter(part)) for part in inside))
        heights.append(max(part.height for part in inside))
    return [*heights, footer + (0.12 if footer else 0.02)]


def _with_letter(part: Part) -> list[HeaderLine]:
    """The head's lines, the first as high as the letter."""
    text, _, weight = part.head[0]
    return [(text, TITLE if "\n" not in text else LABEL + 0.5, weight), *part.head[1:]]


def _draw_head(part: AnyFigure, panel: Part, theme: Theme) -> None:
    """The letter, the title beside it, the notes below both."""
    width, height = part.bbox.width / part.dpi, part.bbox.height / part.dpi
    y = height - GAP / 2 - ASCENT * TITLE / 72
    letter = part.text(0.05 / width, y / height, panel.place.letter, va="baseline")
    letter.set(size=TITLE, weight="bold", color=theme.ink)
    x = 0.05 + text_width(f"{panel.place.letter}  ", TITLE)
    title, *notes = panel.head
    top = y + ASCENT * title[1] / 72  # its first line on the letter's baseline
    drawn = part.text(x / width, top / height, title[0], va="top", linespacing=1.25)
    drawn.set(size=title[1], weight=title[2], color=theme.ink)
    y = height - GAP / 2 - header_height(_with_letter(panel)[:1]) - 0.02
    for text, size, _ in notes:
        drawn = part.text(0.05 / width, y / height, text, va="top", linespacing=1.25)
        drawn.set(size=size, color=theme.faint)


def _part_for(cell: SubFigure, part: Part) -> SubFigure:
    """The cell, or as much of its top as a diagram, map or table needs, which is not stretched."""
    rest = cell.bbox.height / cell.dpi - part.height
    if rest < LEAST_REST or isinstance(part.spec, ALIGNED):
        return cell
    return cell.add_subfigure(cell.add_gridspec(2, 1, height_ratios=[part.height, rest])[0])


def _legends(
    footer: AnyFigure, bodies: Sequence[tuple[Part, AnyFigure, Body]], joint: Sequence[str]
) -> None:
    """Each panel's own entries below it, those of several panels once below the sheet."""
    everywhere: dict[tuple[object, ...], Entry] = {}
    for part, figure, body in bodies:
        entries = entries_of(body)
        legend(figure, [e for e in entries if e.label in part.labels], least=1)
        everywhere |= {(e.label, *e.look): e for e in entries if e.label in joint}
    legend(footer, list(everywhere.values()), least=1)


def _hide_shared(place: Place, axes: Sequence[Axes]) -> None:
    for ax in axes:
        if place.hide_x:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
        if place.hide_y:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)


def _align(bodies: Sequence[tuple[Part, Body]]) -> None:
    """Frames in line: bottoms and tops within a row, left and right ends within a column."""
    single = [
        (part.place, body[0][1])
        for part, body in bodies
        if len(body) == 1 and isinstance(body[0][0], ALIGNED)
    ]
    found = [(place, ax, ax.get_position()) for place, ax in single]
    for place, ax, _ in found:
        row = [box for p, _, box in found if p.row == place.row]
        column = [box for p, _, box in found if (p.column, p.span) == (place.column, place.span)]
        left, right = max(b.x0 for b in column), min(b.x1 for b in column)
        bottom, top = max(b.y0 for b in row), min(b.y1 for b in row)
        ax.set_position(Bbox.from_extents(left, bottom, right, top))
