"""Results of exactly the layout that the analyses write, made from known numbers.

The numbers are those of a circuit that forms between step 500 and 2,000 in a model of 4 blocks:
the bridge is readable at relation 1 from layer 2 throughout, relation 2 at its own position comes
later, and the strength of the state that carries the second hop grows with it.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr

STEPS = (0, 100, 250, 500, 1000, 1500, 2000, 3000, 4000)
SPLITS = ("train_inferred", "id_test", "ood_test")
POSITIONS = ("subject", "relation_1", "relation_2")
DEPTH = 4
N = 300

PROVENANCE = {"run": "synthetic", "seed": 7, "versions": {"hopscope": "0.1.0"}}

# Strength at the end, [layer, position]: hop one is read out of the subject by block 0 and 1, hop
# two out of relation 1 by block 2; the last position carries everything from then on.
END = np.array(
    [[0.90, 0.94, 0.96], [0.55, 0.92, 0.95], [0.10, 0.90, 0.95], [0.00, 0.20, 1.00], [0, 0, 1.00]]
)
START = np.array(
    [[0.90, 0.60, 0.80], [0.80, 0.55, 0.85], [0.50, 0.40, 0.90], [0.30, 0.10, 1.00], [0, 0, 1.00]]
)
BRIDGE = np.array(
    [
        [0.01, 0.02, 0.01],
        [0.02, 0.35, 0.02],
        [0.03, 0.95, 0.05],
        [0.03, 0.98, 0.20],
        [0.02, 0.9, 0.03],
    ]
)
RELATION_2 = np.array(
    [
        [0.01, 0.01, 0.70],
        [0.01, 0.01, 0.90],
        [0.01, 0.01, 0.97],
        [0.01, 0.01, 0.60],
        [0.01, 0.01, 0.05],
    ]
)
ANSWER = np.array(
    [
        [0.01, 0.01, 0.02],
        [0.01, 0.02, 0.03],
        [0.01, 0.03, 0.05],
        [0.01, 0.03, 0.55],
        [0.01, 0.02, 0.99],
    ]
)


def formed(step: float) -> float:
    """How far the circuit has formed at a step, 0 to 1."""
    return float(1 / (1 + np.exp(-(step - 1250) / 250)))


def _coords() -> dict:
    return {
        "step": list(STEPS),
        "split": list(SPLITS),
        "layer": np.arange(DEPTH + 1),
        "position": list(POSITIONS),
    }


def _attrs(analysis: str) -> dict:
    return {
        "analysis": analysis,
        "options": json.dumps({"n_examples": N}),
        "provenance": json.dumps(PROVENANCE),
    }


def causal_tracing() -> xr.Dataset:
    """Strength by (step, split, layer, position), and the flips that it is the mean of."""
    dims = ("step", "split", "example", "layer", "position")
    flips = np.zeros((len(STEPS), len(SPLITS), N, DEPTH + 1, 3))
    for i, step in enumerate(STEPS):
        for j in range(len(SPLITS)):
            share = START + (END - START) * formed(step) * (1.0 if j < 2 else 0.3)
            # Example k flips iff k / N < share: the mean is the share, nested between layers.
            flips[i, j] = np.arange(N)[:, None, None] < np.round(share * N)
    strength = flips.mean(2)
    error = 1.96 * np.sqrt(strength * (1 - strength) / N)
    cells = ("step", "split", "layer", "position")
    return xr.Dataset(
        {
            "strength": (cells, strength),
            "strength_low": (cells, np.clip(strength - error, 0, 1)),
            "strength_high": (cells, np.clip(strength + error, 0, 1)),
            "flip_example": (dims, flips.astype(np.float32)),
            "n": (("step", "split"), np.full((len(STEPS), len(SPLITS)), N)),
        },
        _coords(),
        _attrs("causal_tracing"),
    )


def logit_lens() -> xr.Dataset:
    """MRR and what the question adds to it, by (step, split, target, layer, position)."""
    targets = ("bridge", "relation_2", "answer")
    mrr = np.zeros((len(STEPS), len(SPLITS), 3, DEPTH + 1, 3))
    for i, step in enumerate(STEPS):
        for j in range(len(SPLITS)):
            early = 1 - np.exp(-step / 200)
            mrr[i, j, 0] = 0.01 + (BRIDGE - 0.01) * early
            mrr[i, j, 1] = 0.01 + (RELATION_2 - 0.01) * formed(step) * (1 if j < 2 else 0.4)
            mrr[i, j, 2] = 0.01 + (ANSWER - 0.01) * (early if j == 0 else formed(step))
    cells = ("step", "split", "target", "layer", "position")
    added = np.where(np.arange(3) < 2, 0.0, 0.8 * mrr)
    return xr.Dataset(
        {
            "mrr_added": (cells, added),
            "mrr_added_low": (cells, added - 0.05),
            "mrr_added_high": (cells, added + 0.05),
            "mrr": (cells, mrr),
            "mrr_low": (cells, np.clip(mrr - 0.03, 0, 1)),
            "mrr_high": (cells, np.clip(mrr + 0.03, 0, 1)),
            "n": (("step", "split"), np.full((len(STEPS), len(SPLITS)), N)),
        },
        {**_coords(), "target": list(targets)},
        _attrs("logit_lens"),
    )


def bridge_patching() -> xr.Dataset:
    """Success by (step, split, control, layer, position): only S[2..3, relation_1] works."""
    controls = ("bridge", "same_bridge", "random")
    success = np.full((len(STEPS), len(SPLITS), 3, DEPTH + 1, 3), 0.02)
    for i, step in enumerate(STEPS):
        success[i, :, 0, 2, 1] = 0.02 + 0.86 * formed(step)
        success[i, :, 0, 1, 1] = 0.02 + 0.40 * formed(step)
    cells = ("step", "split", "control", "layer", "position")
    return xr.Dataset(
        {
            "success": (cells, success),
            "success_low": (cells, np.clip(success - 0.04, 0, 1)),
            "success_high": (cells, np.clip(success + 0.04, 0, 1)),
            "n": (("step", "split"), np.full((len(STEPS), len(SPLITS)), 280)),
        },
        {**_coords(), "control": list(controls)},
        _attrs("bridge_patching"),
    )


def metrics() -> pd.DataFrame:
    """Metrics of a run that memorizes by step 500 and generalizes at about 2,000."""
    steps = np.arange(0, 4001, 50)
    grown = 1 / (1 + np.exp(-(steps - 1250) / 250))
    return pd.DataFrame(
        {
            "step": steps,
            "accuracy/train_inferred": 1 - np.exp(-steps / 120),
            "accuracy/id_test": 0.02 + 0.96 * grown,
            "accuracy/ood_test": 0.02 + 0.33 * grown,
            "accuracy/atomic_id": 1 - np.exp(-steps / 90),
            "loss/train_inferred": 5 * np.exp(-steps / 150) + 1e-3,
            "loss/id_test": 5 * (1 - grown) + 0.05,
            "loss/ood_test": 5 - 1.5 * grown,
            "loss/atomic_id": 5 * np.exp(-steps / 100) + 1e-3,
        }
    )


BASELINES = {
    "id_test": {"h_r2": 0.39, "r1_r2": 0.08, "majority": 0.02},
    "ood_test": {"h_r2": 0.37, "r1_r2": 0.06, "majority": 0.02},
}
COUNTS = {"train_inferred": 2000, "id_test": 1000, "ood_test": 1000, "atomic_id": 1500}
GROK = {"memorization_step": 600, "grok_step": 2050, "delay_ratio": 3.4}
