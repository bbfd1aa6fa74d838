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
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analyses.figures.renderers.matplotlib.body import (
    body_height,
    draw_body,
    entries_of,
    tidy_values,
)
from analyses.figures.renderers.matplotlib.fonts import outlines_only
from analyses.figures.renderers.matplotlib.page import (
    LABEL,
    SUBTITLE,
    header_height,
    header_lines,
    legend,
    place_header,
)
from analyses.figures.renderers.matplotlib.pgf import print_pgf
from analyses.figures.renderers.matplotlib.sheet import draw_sheet
from analyses.figures.renderers.style import Theme, theme_of, width_in_inches
from analyses.figures.renderers.text import families_for
from analyses.figures.specs.base import Spec
from analyses.figures.specs.sheet import Sheet

_SETTINGS_LOCK = threading.RLock()

PNG_DPI = 300

METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": "Hopscope"},
    "svg": {"Date": None, "Creator": "Hopscope"},
    "png": {"Software": "Hopscope"},
}
"""Metadata of a file: no time of writing, so that equal figures give equal files."""


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
        if isinstance(spec, Sheet):
            return draw_sheet(spec, inches, page, title)
        header = header_lines(spec, inches) if title else []
        height = body_height(spec, inches) + header_height(header)
        figure = Figure(figsize=(inches, height), layout="constrained")
        body = draw_body(figure, spec, inches, page)
        legend(figure, entries_of(body))
        place_header(figure, header, page)
        layout = figure.get_layout_engine()
        assert layout is not None
        layout.execute(figure)  # while our settings apply
        tidy_values(body)
    return figure


def to_bytes(
    spec: Spec,
    file_format: str,
    width: str | float = "column",
    *,
    theme: str = "light",
    title: bool = True,
    svg_text: bool = False,
) -> bytes:
    """The figure as a "pdf", "svg", "png" or "pgf" file; the same bytes for the same spec.

    `svg_text` keeps text in an SVG as text instead of paths.
    """
    how = {"theme": theme, "title": title, "svg_text": svg_text}
    return to_files(spec, [file_format], width, **how)[file_format]  # type: ignore[arg-type]


def to_files(
    spec: Spec,
    formats: Sequence[str],
    width: str | float = "column",
    *,
    theme: str = "light",
    title: bool = True,
    svg_text: bool = False,
) -> dict[str, bytes]:
    """The same figure in several formats, laid out once; otherwise as `to_bytes`."""
    files = {}
    with settings(theme_of(theme), families_for(spec.to_json())):
        figure = to_matplotlib(spec, width, theme=theme, title=title)
        figure.set_layout_engine("none")  # it is laid out
        if svg_text:
            matplotlib.rcParams["svg.fonttype"] = "none"  # restored with the other settings
        for file_format in formats:
            out = io.BytesIO()
            _PRINT[file_format](figure, out)
            files[file_format] = out.getvalue()
    return files


def _print_pdf(figure: Figure, out: io.BytesIO) -> None:
    with outlines_only():
        FigureCanvasPdf(figure).print_pdf(out, metadata=METADATA["pdf"])


def _print_svg(figure: Figure, out: io.BytesIO) -> None:
    FigureCanvasSVG(figure).print_svg(out, metadata=METADATA["svg"])


def _print_png(figure: Figure, out: io.BytesIO) -> None:
    figure.savefig(out, format="png", dpi=PNG_DPI, metadata=METADATA["png"])


_PRINT: dict[str, Callable[[Figure, io.BytesIO], None]] = {
    "pdf": _print_pdf,
    "svg": _print_svg,
    "png": _print_png,
    "pgf": print_pgf,
}
"""What writes each format. `savefig` draws everything once more to find out its layout."""
