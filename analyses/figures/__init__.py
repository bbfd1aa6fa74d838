"""Figures as specs, and their renderers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# `export` must be bound eagerly: later the submodule of that name would shadow it.
from analyses.figures.builders.circuit import circuit_dataset
from analyses.figures.builders.training import training_dataset, training_of
from analyses.figures.export import export
from analyses.figures.registry import FIGURES, figure, figures, frames
from analyses.figures.specs.base import show_in_notebooks
from analyses.figures.specs.charts import Spec

__all__ = [
    "FIGURES",
    "Spec",
    "circuit_dataset",
    "export",
    "figure",
    "figures",
    "frames",
    "to_html",
    "to_matplotlib",
    "to_plotly",
    "training_dataset",
    "training_of",
]

# matplotlib and plotly are imported on first use: reading specs needs neither.
_RENDERERS = {
    "to_html": "analyses.figures.renderers.plotly.renderer",
    "to_matplotlib": "analyses.figures.renderers.matplotlib.renderer",
    "to_plotly": "analyses.figures.renderers.plotly.renderer",
}


def __getattr__(name: str) -> Any:
    if name not in _RENDERERS:
        raise AttributeError(f"module 'analyses.figures' has no attribute {name!r}")
    return getattr(import_module(_RENDERERS[name]), name)


def _png(spec: Spec) -> bytes:
    from analyses.figures.renderers.matplotlib.renderer import to_bytes

    return to_bytes(spec, "png", "page")


show_in_notebooks(_png)
