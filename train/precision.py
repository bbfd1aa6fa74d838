"""The arithmetic of training, and the kernels that compute it."""

from __future__ import annotations

from typing import Literal

import torch

from circuits.model.config import ModelConfig
from circuits.model.cpu.compiled_ops import CompiledOps, ops_for
from circuits.model.hook_free import DTYPES, Precision


def resolve_precision(wanted: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """`auto` means bf16 if the device has instructions for it, and fp32 otherwise."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def kernels_in_use(
    cfg: ModelConfig, precision: Precision, device: torch.device
) -> Literal["compiled", "pytorch"]:
    """What computes everything but the matrix products of a step; the two round differently."""
    by_hand = device.type == "cpu" and cfg.dropout == 0
    compiled = by_hand and isinstance(ops_for(cfg, DTYPES[precision]), CompiledOps)
    return "compiled" if compiled else "pytorch"
