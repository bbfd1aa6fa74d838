"""Fonts are found by what they can draw, and text is measured by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from analyses.figures import to_matplotlib
from analyses.figures.renderers import text
from analyses.figures.renderers.text import BASE, families_for, is_catch_all, text_width, wrap
from analyses.figures.specs.charts import HeatMap
from analyses.figures.specs.facts import Table

LAST_RESORT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "LastResortHE-Regular.ttf"
RUNES = range(0x16A0, 0x16B0)
"""Characters that DejaVu Sans lacks."""


def build_font(path: Path, family: str, glyph_of: dict[int, str]) -> None:
    """A font whose glyphs are squares, each as wide as the size of the font."""
    pen = TTGlyphPen(None)
    for place in ((0, 0), (0, 1000), (1000, 1000), (1000, 0)):
        (pen.moveTo if place == (0, 0) else pen.lineTo)(place)
    pen.closePath()
    names = [".notdef", *dict.fromkeys(glyph_of.values())]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(glyph_of)
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=1000, usWeightClass=400)
    builder.setupPost()
    builder.save(path)


@pytest.fixture
def runes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The family of a font with runes, installed beside one that claims everything."""
    build_font(tmp_path / "runes.ttf", "Zz Runes", {c: f"rune{c}" for c in RUNES})
    build_font(tmp_path / "all.ttf", "Aa Everything", dict.fromkeys(range(0x1600, 0x1700), "box"))
    known = [e for e in font_manager.fontManager.ttflist if e.name == BASE]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    installed = [str(tmp_path / name) for name in ("all.ttf", "runes.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *_: installed)
    caches = [text._installed, text._fonts_for, text._advance]
    for cache in caches:
        cache.cache_clear()
    yield "Zz Runes"
    for cache in caches:
        cache.cache_clear()


def test_a_font_that_claims_every_character_counts_for_none() -> None:
    assert is_catch_all(str(LAST_RESORT))
    assert not is_catch_all(font_manager.findfont(BASE))


def test_a_font_that_has_the_character_is_taken_even_where_a_catch_all_comes_first(
    runes: str,
) -> None:
    assert families_for(["Zürich", chr(RUNES[0])]) == [BASE, runes]


def test_a_font_that_was_installed_after_matplotlib_made_its_list_is_found(runes: str) -> None:
    assert all(entry.name == BASE for entry in font_manager.fontManager.ttflist)
    assert families_for([chr(RUNES[1])])[1:] == [runes]


def test_names_that_the_base_font_has_need_no_other() -> None:
    assert families_for(["Zürich", "القاهرة"]) == [BASE]  # DejaVu Sans has Arabic


def test_a_character_that_no_font_has_keeps_its_box() -> None:
    nowhere = chr(0x10FFFD)  # for private use
    assert families_for([nowhere]) == [BASE]
    assert text_width(nowhere, 10) > 0


@pytest.mark.usefixtures("runes")
def test_a_text_is_as_wide_as_its_characters_are_drawn() -> None:
    wide = "".join(map(chr, RUNES))  # sixteen squares
    assert text_width(wide, 9) == pytest.approx(16 * 9 / 72)
    assert text_width(f"M\n{wide}", 9) == pytest.approx(16 * 9 / 72)
    assert text_width("M", 1000) == pytest.approx(1000 * 0.86279 / 72, rel=1e-3)  # its advance


@pytest.mark.usefixtures("runes")
def test_columns_of_a_wide_script_do_not_overlap() -> None:
    word = "".join(map(chr, RUNES))
    spec = Table(
        name="t", title=word, subtitle=f"{word} {word}", columns=("a", "b"),
        rows=((f"{word} {word}", word),), formats=("", ""),
    )  # fmt: skip
    figure = to_matplotlib(spec, "column")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    right = figure.get_figwidth() * figure.dpi
    assert all(text.get_window_extent().x1 <= right for text in figure.texts)


@pytest.mark.usefixtures("runes")
def test_names_below_a_map_are_turned_by_their_measured_width() -> None:
    word = "".join(map(chr, RUNES))
    columns = (word, word[:3], word[:2])
    spec = HeatMap(name="m", title="m", values=np.full((1, 3), 0.1), rows=("0",), columns=columns)
    labels = to_matplotlib(spec).axes[0].get_xticklabels()
    assert {label.get_rotation() for label in labels} == {55.0}


JAPANESE = "日本国の首都である東京という名前の都市"


@pytest.mark.parametrize(
    "text", ["two words and more", JAPANESE, "Superlongwordwithoutspaces", "a  b", "é́é́é́"]
)
@pytest.mark.parametrize("inches", [0.2, 0.5, 2.0])
def test_lines_fit_and_no_letter_is_lost(text: str, inches: float) -> None:
    lines = wrap(text, inches, 8).split("\n")
    assert all(text_width(line, 8) <= inches or len(line) == 1 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_mark_stays_with_its_letter() -> None:
    text = "न" + "ी" + "न" + "ी"
    assert wrap(text, 0.01, 8).split("\n") == ["नी", "नी"]
