"""Activation patching: single patches, grids as `transformer_lens.patching` draws, the engine.

`patches`, what a patch is, needs no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from circuits.patching.patches import COMPONENTS, HEAD_COMPONENTS, Component, Patch

if TYPE_CHECKING:
    from circuits.patching.engine import PatchEngine, Trace
    from circuits.patching.grid import patch_grid
    from circuits.patching.metrics import recovered_logit_difference
    from circuits.patching.patched_run import activation, mixed_values, run_patched
    from circuits.patching.prompts import RolePrompts
    from circuits.patching.single_patches import patched_logits

__all__ = [
    "COMPONENTS",
    "HEAD_COMPONENTS",
    "Component",
    "Patch",
    "PatchEngine",
    "RolePrompts",
    "Trace",
    "activation",
    "mixed_values",
    "patch_grid",
    "patched_logits",
    "recovered_logit_difference",
    "run_patched",
]

# What runs a model is imported on first use, as in `circuits`.
_HOME = {
    "PatchEngine": "circuits.patching.engine",
    "RolePrompts": "circuits.patching.prompts",
    "Trace": "circuits.patching.engine",
    "activation": "circuits.patching.patched_run",
    "mixed_values": "circuits.patching.patched_run",
    "patch_grid": "circuits.patching.grid",
    "patched_logits": "circuits.patching.single_patches",
    "recovered_logit_difference": "circuits.patching.metrics",
    "run_patched": "circuits.patching.patched_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'circuits.patching' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
