"""Which colour stands for what in the instrument: that of the figures, by name."""

from __future__ import annotations

from analyses.figures.renderers.style import CATEGORIES
from analyses.figures.words import BLUE, BROWN, ORANGE, SPLITS, TARGETS, VERMILION

COLOURS = {
    **{name: CATEGORIES[split.colour] for name, split in SPLITS.items()},
    **{name: CATEGORIES[target.colour] for name, target in TARGETS.items()},
    "edge": "#5B6F8F",
    "negative": CATEGORIES[VERMILION],
    "swap": CATEGORIES[BROWN],
    "attention": CATEGORIES[BLUE],
    "baseline": "#7F7F7F",
    "neutral": "#7F7F7F",
    "phase": CATEGORIES[ORANGE],
    "cursor": CATEGORIES[VERMILION],
    **{f"run_{i}": colour for i, colour in enumerate(CATEGORIES)},
}
"""Colour-blind safe (Okabe and Ito); greys for everything that is not a category."""
