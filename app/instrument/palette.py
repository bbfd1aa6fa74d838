"""Which colour stands for what in the instrument: the categories of the figures, by name."""

from __future__ import annotations

from analyses.figures.renderers.style import CATEGORIES

BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BROWN = CATEGORIES

COLOURS = {
    "train_inferred": SKY,
    "id_test": BLUE,
    "ood_test": VERMILION,
    "io_test": PINK,
    "oi_test": BROWN,
    "atomic_id": GREEN,
    "atomic_ood": ORANGE,
    "heldout_real": GREEN,
    "bridge": ORANGE,
    "relation_2": PINK,
    "value_1": ORANGE,
    "value_2": PINK,
    "answer": GREEN,
    "edge": "#5B6F8F",
    "negative": VERMILION,
    "swap": BROWN,
    "attention": BLUE,
    "baseline": "#7F7F7F",
    "neutral": "#7F7F7F",
    "phase": ORANGE,
    "cursor": VERMILION,
    **{f"run_{i}": colour for i, colour in enumerate(CATEGORIES)},
}
"""Colour-blind safe (Okabe and Ito); greys for what is no category."""
