"""Analyses of a trained run: one file each, walked over every checkpoint."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Imported on first use: listing the catalog must not wait for the model's libraries.
_HOME = {
    "CATALOG": "analyses.catalog",
    "agreement_of_runs": "analyses.over_training.seeds",
    "analyze": "analyses.walk",
    "edge_questions": "analyses.circuits.edge_questions",
    "export": "analyses.figures.export",
    "figure": "analyses.figures.registry",
    "seed_spread": "analyses.over_training.seeds",
    "stored_result": "analyses.walk",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analyses' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
