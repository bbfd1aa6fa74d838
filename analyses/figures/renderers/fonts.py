"""Fonts for names in any script: DejaVu Sans, then whatever installed font has the character.

Real entity names are Unicode. DejaVu Sans comes with matplotlib, so that a figure has the same
bytes on every machine; only characters that it lacks (Chinese, Japanese, Korean, ...) send us to
the fonts of the machine. Where no font has a character, its box stays.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

BASE = "DejaVu Sans"


@cache
def _characters(path: str) -> frozenset[int]:
    """Code points that the font file at `path` can draw; none if it cannot be read."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (RuntimeError, OSError):
        return frozenset()


@cache
def _family_with(code_point: int) -> str | None:
    """The first installed family, in alphabetical order, that has the character."""
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda e: (e.name, e.fname)):
        if code_point in _characters(entry.fname):
            return entry.name
    return None


def families_for(texts: Iterable[str]) -> list[str]:
    """Font families that together cover `texts`, the base family first."""
    base = _characters(font_manager.findfont(BASE))
    missing = sorted({ord(c) for text in texts for c in text if c.isprintable()} - base)
    found = (_family_with(code_point) for code_point in missing)
    return list(dict.fromkeys([BASE, *(family for family in found if family)]))


def wrap(text: str, inches: float, size: float, *, bold: bool = False) -> str:
    """`text` broken into lines that fit at `size` points, by the average letter."""
    letter = (0.62 if bold else 0.57) * size / 72
    return "\n".join(textwrap.wrap(text, max(10, int(inches / letter))))
