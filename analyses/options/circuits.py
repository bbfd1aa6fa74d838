"""Options of the analyses in `analyses.circuits`."""

from __future__ import annotations

from pydantic import Field

from analyses.options.common import AnalysisOptions
from circuits.statistics import Correction


class DiscoveryOptions(AnalysisOptions):
    """Options of circuit discovery."""

    heads: bool = False
    """Tell attention heads apart: more and weaker edges, which take more examples to tell from
    their placebos (`analyses.circuits.faithfulness` says what the demo's answer, and warns)."""
    rate: float = Field(default=0.01, gt=0, lt=1)
    """False discovery rate of edges (family-wise error rate with Holm's correction)."""
    correction: Correction = "benjamini_hochberg"
    """Correction for testing all edges at once."""
    least_share: float | None = Field(default=None, ge=0, lt=1)
    """Edges with less than this share of a corrupted token's effect are left out. None: 0.05; for
    heads, among which a layer's work is divided, over their number, at either end of the edge."""
    per_component: int = Field(default=4, ge=1)
    """Most edges measured exactly, as a multiple of the number of components."""
    resamples: int = Field(default=200, ge=20, le=5000)
    """Bootstrap resamples of the questions, for stability and the intervals of strength."""


class PathPatchingOptions(AnalysisOptions):
    """Options of path patching."""

    heads: bool = True
    """Tell attention heads apart."""
    parts: bool = True
    """Tell the inputs q, k and v of attention apart."""
    edges: tuple[str, ...] = ()
    """Only these edges, e.g. "mlp.0[relation_1]>head.1.2[relation_2].v"; none: all."""


class RouteAblationOptions(AnalysisOptions):
    """Options of route ablation."""

    circuit: tuple[str, ...] = ()
    """Edges such as "mlp.0[relation_1]>attn.1[relation_2]"; none: the two-hop route."""
