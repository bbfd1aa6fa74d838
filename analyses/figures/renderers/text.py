"""Text in any script: its fonts, its measured width, and where its lines break.

A character is drawn in DejaVu Sans, or else in any installed font that has it.

Real entity names are Unicode. DejaVu Sans comes with matplotlib, so that a figure has the same
bytes on every machine; only characters that it lacks (Chinese, Japanese, Korean, ...) are drawn
with the machine's fonts. A catch-all font, which draws one placeholder for whole scripts, is
ignored. A character that no font has is drawn as a box.

Lines break at spaces, between wide characters (Chinese, Japanese and Korean have no spaces), and
inside a word only where it is wider than a line. Nothing is ever left out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

from matplotlib import font_manager
from matplotlib.font_manager import FontEntry
from matplotlib.ft2font import FT2Font, LoadFlags

BASE = "DejaVu Sans"
JOINER = "\u200d"
LEAST_SHARE_OF_GLYPHS = 0.2
"""Glyphs per character below which a font is a catch-all; real fonts share few of theirs."""
POINTS_PER_INCH = 72
_UNSCALED = 1000
"""Size at which advances are read, in points at 72 dots per inch."""
_REGULAR = ("400", "normal", "regular", "book")


def families_for(texts: Any) -> list[str]:
    """The base family, then as few others as possible that together cover some texts.

    Args:
        texts: Strings, in lists and as values of dicts as deep as they may be: a spec's JSON.
    """
    wanted = {ord(c) for text in _strings(texts) for c in text if c.isprintable()}
    missing = frozenset(c for c in wanted if not has(_base_path(), c))
    return [BASE, *(entry.name for entry in _fonts_for(missing))]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


@cache
def has(path: str, code_point: int) -> bool:
    """Whether the font file has a glyph of its own for a character."""
    font = _font(path)
    return font is not None and font.get_char_index(code_point) > 0 and not is_catch_all(path)


@cache
def is_catch_all(path: str) -> bool:
    """Whether a font draws the same few placeholders for all characters that it claims to have."""
    font = _font(path)
    glyph_of = {} if font is None else font.get_charmap()
    return len(set(glyph_of.values())) < LEAST_SHARE_OF_GLYPHS * len(glyph_of)


@cache
def _fonts_for(missing: frozenset[int]) -> tuple[FontEntry, ...]:
    """Fonts for the missing characters; each is the one that covers most of those left."""
    chosen: list[FontEntry] = []
    while missing:
        found = {e.fname: {c for c in missing if has(e.fname, c)} for e in _installed()}
        best = max(_installed(), key=lambda e: len(found[e.fname]), default=None)
        if best is None or not found[best.fname]:
            break
        chosen.append(best)
        missing -= found[best.fname]
    return tuple(chosen)


@cache
def _installed() -> list[FontEntry]:
    """Upright fonts of normal weight by name, including those newer than matplotlib's list.

    A font that is not its family's regular one is left out: findfont would return another file.
    """
    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(RuntimeError, OSError):  # an unreadable font cannot be used
            manager.addfont(path)
    regular = [e for e in manager.ttflist if e.style == "normal" and str(e.weight) in _REGULAR]
    # Only the first face of a collection is measured.
    return sorted(regular, key=lambda e: (getattr(e, "index", 0), e.name, e.fname))


def _base_path(bold: bool = False) -> str:
    weight = "bold" if bold else "normal"
    return font_manager.findfont(font_manager.FontProperties(family=BASE, weight=weight))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Inches of the longest line of `text` at `size` points, by the fonts that draw it.

    >>> round(text_width("MM", 72) / text_width("M", 72))
    2
    """
    widest = max(sum(_advance(c, bold) for c in line) for line in text.split("\n"))
    return widest * size / POINTS_PER_INCH


@cache
def _advance(character: str, bold: bool) -> float:
    """How far a character moves the pen, in multiples of the font's size."""
    code_point, path = ord(character), _base_path(bold)
    if not has(path, code_point):
        others = _fonts_for(frozenset({code_point})) if character.isprintable() else ()
        path = others[0].fname if others else path
    font = _font(path)
    assert font is not None
    glyph = font.load_glyph(font.get_char_index(code_point), LoadFlags.NO_HINTING)
    return glyph.linearHoriAdvance / (65536 * _UNSCALED)


@cache
def _font(path: str) -> FT2Font | None:
    """The font file, at a size in which advances are exact; None if it cannot be read."""
    try:
        font = FT2Font(path)
        font.set_size(_UNSCALED, POINTS_PER_INCH)
    except (RuntimeError, OSError):
        return None
    return font


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


def _broken(piece: str, lines: list[str], fits: Callable[[str], bool]) -> None:
    """A word that is wider than a line, split over as many lines as needed."""
    for cluster in _clusters(piece):
        if lines[-1] and not fits(lines[-1] + cluster):
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
