"""Activation patching: single patches, grids as `transformer_lens.patching` draws, the engine."""

from __future__ import annotations

from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.grid import patch_grid
from circuits.patching.metrics import recovered_logit_difference
from circuits.patching.patched_run import activation, mixed_values, run_patched
from circuits.patching.patches import COMPONENTS, HEAD_COMPONENTS, Component, Patch
from circuits.patching.single_patches import patched_logits

__all__ = [
    "COMPONENTS",
    "HEAD_COMPONENTS",
    "Component",
    "Patch",
    "PatchEngine",
    "Trace",
    "activation",
    "mixed_values",
    "patch_grid",
    "patched_logits",
    "recovered_logit_difference",
    "run_patched",
]
