"""Fonts inside PDF files: only what a reader of the file needs to draw the letters.

matplotlib has fontTools cut every font down to the glyphs that are used. Most of that time goes to
tables for composing text and to names and instructions of all glyphs of the whole font, which a PDF
has no use for: its text is composed already, and letters are outlines with numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fontTools import subset

COMPOSING = ("GDEF", "GPOS", "GSUB", "kern")
"""Tables by which programs choose and place glyphs."""


@contextmanager
def outlines_only() -> Iterator[None]:
    """While the block runs, fonts are loaded for embedding without those tables.

    It replaces a public function of fontTools for the whole process: hold the lock of the
    settings. If a later matplotlib loads its fonts otherwise, files are larger and slower to
    write, and nothing else.
    """
    load = subset.load_font

    def load_outlines(path: Any, options: Any, *more: Any, **how: Any) -> Any:
        options.hinting = options.glyph_names = False
        font = load(path, options, *more, **{**how, "dontLoadGlyphNames": True})
        for table in COMPOSING:
            if table in font:
                del font[table]
        return font

    subset.load_font = load_outlines
    try:
        yield
    finally:
        subset.load_font = load
