"""Tables and the facts around an entity, drawn into matplotlib axes."""

from __future__ import annotations

from matplotlib.axes import Axes

from analyses.figures.renderers.style import Theme, category
from analyses.figures.specs.facts import Neighbourhood, Table

SIZE = 6.5
LETTER = 0.55 * SIZE / 72
"""Width of an average letter, inches."""
ROW = 0.15
"""Height of a row, inches."""
GAP = 0.14
"""Between two columns, inches."""
REAL = "real"


def facts_height(spec: Table | Neighbourhood) -> float:
    """Inches that a table or a neighbourhood needs."""
    if isinstance(spec, Table):
        return ROW * (len(spec.texts()) + 1 + bool(spec.rest)) + 0.15
    return max(1.2, ROW * (spec.rows + 2))


def draw_table(ax: Axes, spec: Table, theme: Theme) -> None:
    """Three rules and no box; text to the left, numbers to the right."""
    rows = spec.texts()
    inches = _inches(ax)
    letters = _column_letters([list(spec.columns), *rows], inches)
    ends = [sum(letters[: i + 1]) * LETTER + i * GAP for i in range(len(letters))]
    total = ends[-1]
    for r, row in enumerate([list(spec.columns), *rows]):
        for text, end, n, kind in zip(row, ends, letters, spec.formats, strict=True):
            x, side = (end, "right") if kind else (end - n * LETTER, "left")
            weight = "bold" if r == 0 else "normal"
            ax.text(x, -r, _cut(text, n), ha=side, va="center", size=SIZE, weight=weight)  # type: ignore[arg-type]
    for y in (0.6, -0.5, -len(rows) - 0.5):
        ax.plot([0, total], [y, y], color=theme.ink, linewidth=0.6)
    if spec.rest:
        ax.text(0, -len(rows) - 1, spec.rest, va="center", size=SIZE, color=theme.faint)
    ax.set_xlim(0, max(total, inches - 0.1))
    ax.set_ylim(-len(rows) - (1.5 if spec.rest else 0.7), 0.8)
    ax.set_axis_off()


def _column_letters(rows: list[list[str]], inches: float) -> list[int]:
    """Letters per column: as many as its longest text, less for the widest where room lacks."""
    letters = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = int((inches - 0.1 - GAP * (len(letters) - 1)) / LETTER)
    while sum(letters) > room and max(letters) > 6:
        letters[letters.index(max(letters))] -= 1
    return letters


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def draw_neighbourhood(ax: Axes, spec: Neighbourhood, theme: Theme) -> None:
    """The entity in the middle; facts that are not real have dotted lines."""
    inches = _inches(ax)
    reach = 0.09 * inches
    letters = int((inches / 2 - reach - 0.12) / LETTER)
    for side, sign in (("in", -1), ("out", 1)):
        for fact, y in zip(spec.side(side), spec.places(side), strict=True):  # type: ignore[arg-type]
            dots = "solid" if fact.provenance == REAL else "dotted"
            ax.plot([0, sign * reach], [0, y], color=theme.faint, linewidth=0.5, linestyle=dots)
            ax.plot(sign * reach, y, "o", markersize=2.6, color=category(0, theme.name))
            ax.text(
                sign * (reach + 0.06), y, fact.text(letters),
                ha="left" if sign > 0 else "right", va="center", size=SIZE,
            )  # fmt: skip
        top = 1 + 2.4 / spec.rows
        ax.text(
            sign * inches / 2, top, spec.heading(side), color=theme.faint, size=SIZE,  # type: ignore[arg-type]
            ha="right" if sign > 0 else "left", va="center",
        )  # fmt: skip
    ax.plot(0, 0, "o", markersize=6, color=category(1, theme.name))
    ax.text(0, top, spec.entity, ha="center", va="center", size=SIZE + 1, weight="bold")
    ax.set_xlim(-inches / 2, inches / 2)
    ax.set_ylim(-1 - 1.2 / spec.rows, top + 1.2 / spec.rows)
    ax.set_axis_off()


def _inches(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(figure.get_figwidth())
