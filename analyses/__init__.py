"""Analyses of a run, one file each, walked over every checkpoint and kept with named axes.

Rooms: `questions` (what is asked), `readouts`, `interventions`, `circuits`, `over_training`,
`certificate` (what follows from them), `slices` (on some of the questions), and `figures`, which
draws what the others found. May import `circuits`; never `train` or `app`.

>>> from analyses import CATALOG
>>> "causal_tracing" in CATALOG
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyses.adding import add_analysis
    from analyses.analysis import Analysis
    from analyses.bridge_walk import walk_bridge
    from analyses.catalog import CATALOG
    from analyses.certificate.certify import certify
    from analyses.circuits.edge_questions import edge_questions
    from analyses.circuits.stored_circuit import stored_circuit
    from analyses.figures.export import export
    from analyses.figures.registry import figure
    from analyses.figures.sheets.compose import read_sheet
    from analyses.figures.specs.sheet import Sheet
    from analyses.over_training.seeds import agreement_of_runs, seed_spread
    from analyses.slices.errors import slice_errors
    from analyses.slices.reading import read_slice
    from analyses.slices.slice import Slice
    from analyses.stored import stored_result
    from analyses.walk import analyze

__all__ = [
    "CATALOG",
    "Analysis",
    "Sheet",
    "Slice",
    "add_analysis",
    "agreement_of_runs",
    "analyze",
    "certify",
    "edge_questions",
    "export",
    "figure",
    "read_sheet",
    "read_slice",
    "seed_spread",
    "slice_errors",
    "stored_circuit",
    "stored_result",
    "walk_bridge",
]

# Where each public name lives, imported on first use as in `circuits`.
_HOME = {
    "Analysis": "analyses.analysis",
    "CATALOG": "analyses.catalog",
    "Sheet": "analyses.figures.specs.sheet",
    "Slice": "analyses.slices.slice",
    "add_analysis": "analyses.adding",
    "agreement_of_runs": "analyses.over_training.seeds",
    "analyze": "analyses.walk",
    "certify": "analyses.certificate.certify",
    "edge_questions": "analyses.circuits.edge_questions",
    "export": "analyses.figures.export",
    "figure": "analyses.figures.registry",
    "read_sheet": "analyses.figures.sheets.compose",
    "read_slice": "analyses.slices.reading",
    "seed_spread": "analyses.over_training.seeds",
    "slice_errors": "analyses.slices.errors",
    "stored_circuit": "analyses.circuits.stored_circuit",
    "stored_result": "analyses.stored",
    "walk_bridge": "analyses.bridge_walk",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analyses' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
