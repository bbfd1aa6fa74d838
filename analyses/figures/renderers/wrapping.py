"""Text broken into lines by its measured width, in any script.

Lines break at spaces, between wide characters (Chinese, Japanese and Korean have no spaces), and
inside a word only where it is wider than a line. Nothing is ever left out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from analyses.figures.renderers.fonts import text_width

JOINER = "\u200d"


def wrap(text: str, inches: float, size: float, *, bold: bool = False) -> str:
    """`text` broken into lines that are at most `inches` wide at `size` points.

    >>> wrap("two words", 0.5, 8)
    'two\\nwords'
    """

    def fits(line: str) -> bool:
        return text_width(line, size, bold=bold) <= inches

    lines = [""]
    for piece in _pieces(text):
        if fits((lines[-1] + piece).rstrip()):
            lines[-1] += piece
        elif fits(piece.strip()):
            lines.append(piece.lstrip())
        else:
            _broken(piece.lstrip() if not lines[-1] else piece, lines, fits)
    return "\n".join(line.strip() for line in lines if line.strip())


def widest_piece(text: str, size: float, *, bold: bool = False) -> float:
    """Inches of the widest part of `text` that is broken only if it must be."""
    return max((text_width(p.strip(), size, bold=bold) for p in _pieces(text)), default=0.0)


def _broken(piece: str, lines: list[str], fits: object) -> None:
    """A word that is wider than a line, split over as many lines as needed."""
    for cluster in _clusters(piece):
        if lines[-1] and not fits(lines[-1] + cluster):  # type: ignore[operator]
            lines.append("")
        lines[-1] += cluster


def _pieces(text: str) -> Iterator[str]:
    """Words with the space before them; wide characters one by one."""
    piece = ""
    for cluster in _clusters(text):
        wide = unicodedata.east_asian_width(cluster[0]) in "WF"
        space = cluster.isspace() and cluster != "\N{NO-BREAK SPACE}"
        after_wide = bool(piece) and unicodedata.east_asian_width(piece[-1]) in "WF"
        if piece and not piece.isspace() and (wide or space or after_wide):
            yield piece
            piece = ""
        piece += " " if space else cluster
    if piece:
        yield piece


def _clusters(text: str) -> Iterator[str]:
    """Characters together with the marks that belong to them."""
    cluster = ""
    for c in text:
        joined = unicodedata.category(c).startswith("M") or c == JOINER or cluster.endswith(JOINER)
        if cluster and not joined:
            yield cluster
            cluster = ""
        cluster += c
    if cluster:
        yield cluster
