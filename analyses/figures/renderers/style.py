"""Colours, fonts and sizes, the same for both renderers and safe for colour-blind readers.

Categories use the palette of Okabe and Ito (2008). The two colour maps are built here as even
steps of lightness in Oklab (Ottosson 2020), so that equal differences of a value look equal: the
sequential one runs from the paper's white to a deep blue, so that nothing is drawn where nothing
was measured; the diverging one from blue over white to vermilion. On dark pages lightness is
reversed, so that values near zero fade into the page there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from circuits.errors import HopscopeError

ThemeName = Literal["light", "dark"]

CATEGORIES = (
    "#005C99", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31",
    "#5A5A66", "#7D55A8", "#A0A0A8", "#96962E", "#C7A8D8",
)  # fmt: skip
"""Okabe-Ito without black (the ink) and yellow (unreadable as a line on white), plus brown; the
blue is darker than theirs, so that it differs from vermilion and sky blue in greyscale too. The
last five, greys, violets and olive, are of what has no meaning of its own."""

VEILED = 0.45
"""Share of its colour that a hatched cell keeps."""

WIDTHS = {
    "column": 3.25,
    "page": 6.75,
    "neurips": 5.5,
    "icml-column": 3.25,
    "icml": 6.75,
    "iclr": 5.5,
    "acl-column": 3.03,
    "acl": 6.3,
    "slides": 5.51,
}
"""Widths by name, inches: a column and a page; the text of a venue's style, or one of its columns;
the text of a 16:9 slide of LaTeX's beamer (14 cm)."""


@dataclass(frozen=True)
class Theme:
    """The colours of a page."""

    name: ThemeName
    paper: str
    ink: str
    """Text and frames."""
    faint: str
    """Secondary text, ticks."""
    grid: str
    """Unobtrusive grid lines and outlines."""


THEMES: dict[str, Theme] = {
    "light": Theme("light", "#FFFFFF", "#1A1A1A", "#5C5C5C", "#DDDDDD"),
    "dark": Theme("dark", "#0E1117", "#F2F2F2", "#ABB0B8", "#3A3F4B"),
}


def theme_of(name: str) -> Theme:
    """The theme called `name`; `HopscopeError` if there is none."""
    if name not in THEMES:
        raise HopscopeError(f"unknown theme {name!r}: choose one of {', '.join(THEMES)}.")
    return THEMES[name]


def width_in_inches(width: str | float) -> float:
    """Inches of "column", "page" or of a number, which may be a string ("4.5")."""
    if isinstance(width, str) and width in WIDTHS:
        return WIDTHS[width]
    try:
        inches = float(width)
    except ValueError:
        inches = float("nan")
    if not 1 <= inches <= 40:
        raise HopscopeError(
            f"unknown width {width!r}: give {', '.join(WIDTHS)} or a number of inches from 1 to 40."
        )
    return inches


def category(index: int, theme: ThemeName = "light") -> str:
    """Colour of category `index`, repeating after the palette's end; paler on dark."""
    colour = CATEGORIES[index % len(CATEGORIES)]
    return colour if theme == "light" else mix(colour, "#FFFFFF", 0.75)


def _oklch_to_hex(lightness: float, chroma: float, hue: float) -> str:
    """Hex colour of an Oklch triple (hue in degrees), clipped into sRGB."""
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    lms = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ lms**3, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * float(c)):02X}" for c in rgb)


@cache
def sequential(theme: ThemeName = "light", n: int = 33) -> tuple[str, ...]:
    """The sequential map as `n` hex colours from lowest to highest value."""
    t = np.linspace(0, 1, n)
    # Chroma vanishes at the page's end of the ramp and is highest in the middle.
    if theme == "light":
        triples = [(0.985 - 0.66 * x, 0.155 * x**0.8 * (1.12 - 0.4 * x), 235 + 25 * x) for x in t]
    else:
        triples = [(0.21 + 0.70 * x, 0.01 + 0.42 * x * (1.12 - x), 262 - 50 * x) for x in t]
    return tuple(_oklch_to_hex(*triple) for triple in triples)


@cache
def diverging(theme: ThemeName = "light", n: int = 33) -> tuple[str, ...]:
    """The diverging map as `n` hex colours from the most negative to the most positive value."""
    colours = []
    for x in np.linspace(-1, 1, n):
        size = abs(float(x))
        lightness = 0.985 - 0.48 * size if theme == "light" else 0.21 + 0.53 * size
        colours.append(_oklch_to_hex(lightness, 0.16 * size**0.85, 48 if x > 0 else 250))
    return tuple(colours)


def shade(position: float, theme: ThemeName = "light") -> str:
    """Colour of an ordered series at `position` in 0..1, readable as a line on the page."""
    t = float(np.clip(position, 0, 1))
    # Hue varies with lightness, so that neighbouring curves remain distinguishable.
    lightness = 0.80 - 0.48 * t if theme == "light" else 0.90 - 0.36 * t
    return _oklch_to_hex(lightness, 0.135, 95 + 195 * t)


def series_colour(colour: int | float, theme: ThemeName = "light") -> str:
    """Colour of a series: an int is a category, a float its place in an order."""
    return category(colour, theme) if isinstance(colour, int) else shade(colour, theme)


def stop_at(stops: Sequence[str], value: float, limits: tuple[float, float]) -> str:
    """Colour nearest to `value` on a colour map that spans `limits`."""
    share = (value - limits[0]) / (limits[1] - limits[0])
    return stops[round(float(np.clip(share, 0, 1)) * (len(stops) - 1))]


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green, blue in 0..1 of a hex colour."""
    return (int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255)


def mix(colour: str, paper: str, share: float) -> str:
    """`share` (0..1) of `colour` laid over `paper`."""
    mixed = [share * c + (1 - share) * p for c, p in zip(rgb(colour), rgb(paper), strict=True)]
    return "#" + "".join(f"{round(255 * c):02X}" for c in mixed)


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on `colour` (WCAG relative luminance)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    return "#1A1A1A" if luminance > 0.22 else "#FFFFFF"
