"""Do several runs form the same circuit? Agreement of found circuits over seeds.

For every pair of runs: the Jaccard index of their circuits' edges, and Spearman's correlation of
the strengths of all candidate edges (which does not depend on where the line is drawn).
The mean over pairs comes with a 95% interval over runs: pairs share runs, so its error is that of
leaving out one run at a time (jackknife), with Student's t for so few; below three runs there is
none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from circuits.circuit.edge_choice import jaccard
from circuits.errors import HopscopeError
from circuits.statistics import LEAST_RUNS, student_quantile

MEASURES = ("jaccard", "rank_correlation")
LIMITS = {"jaccard": (0.0, 1.0), "rank_correlation": (-1.0, 1.0)}


def circuit_agreement(
    circuits: Sequence[xr.Dataset],
    names: Sequence[str],
    *,
    split: str = "id_test",
    step: int | None = None,
) -> xr.Dataset:
    """Agreement of the circuits of several runs.

    Args:
        circuits: Results of circuit_discovery, one per run, of models of the same shape.
        names: What the runs are called.
        split: Which questions.
        step: None: the last step of each run.

    Returns:
        `pair` (measure, run, other), `mean` with `mean_low` and `mean_high` (measure), and
        `edge_share` (edge): in how many of the runs' circuits an edge is.
    """
    if len(circuits) < 2 or len(names) != len(circuits):
        raise HopscopeError(
            f"{len(circuits)} circuits and {len(names)} names are refused; give the results of at "
            "least two runs, and a name for each."
        )
    chosen = [_one(ds, name, split, step) for ds, name in zip(circuits, names, strict=True)]
    edges = chosen[0]["edge"].values.tolist()
    for ds, name in zip(chosen, names, strict=True):
        if ds["edge"].values.tolist() != edges:
            raise HopscopeError(
                f"{name} has other edges than {names[0]}; only circuits of models with the same "
                "layers, found with the same options, can be compared."
            )
    kept = np.stack([ds["in_circuit"].values == 1 for ds in chosen])
    strength = np.stack([ds["strength"].values.astype(float) for ds in chosen])
    pair = np.stack([jaccard(kept[:, None], kept[None]), _rank_correlation(strength)])
    mean, low, high = _mean_over_pairs(pair)
    return xr.Dataset(
        {
            "pair": (("measure", "run", "other"), pair, {"long_name": "agreement of two runs"}),
            "mean": ("measure", mean, {"long_name": "mean over pairs of runs"}),
            "mean_low": ("measure", low, {"long_name": "95% interval over runs"}),
            "mean_high": ("measure", high, {"long_name": "95% interval over runs"}),
            "edge_share": ("edge", kept.mean(0), {"long_name": "share of runs with the edge"}),
        },
        {"measure": list(MEASURES), "run": list(names), "other": list(names), "edge": edges},
        {"analysis": "circuit_agreement", "split": split, "n": len(circuits)},
    )


def _one(ds: xr.Dataset, name: str, split: str, step: int | None) -> xr.Dataset:
    if split not in ds["split"].values:
        raise HopscopeError(f"{name} has no circuits on {split!r}; analyze it with that split.")
    one = ds.sel(split=split)
    steps = one["step"].values.tolist()
    if step is not None and step not in steps:
        raise HopscopeError(f"{name} has no circuit of step {step}; it has {steps}.")
    return one.sel(step=steps[-1] if step is None else step)


def _rank_correlation(
    strength: Float[np.ndarray, "run edge"],
) -> Float[np.ndarray, "run run"]:
    ranks = pd.DataFrame(np.nan_to_num(strength)).rank(axis=1).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(ranks)


def _mean_over_pairs(
    pair: Float[np.ndarray, "measure run run"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = pair.shape[-1]
    mean = _mean(pair)
    if n < LEAST_RUNS:
        nothing = np.full(len(pair), np.nan)
        return mean, nothing, nothing
    without = np.stack(
        [_mean(np.delete(np.delete(pair, i, axis=1), i, axis=2)) for i in range(n)], 1
    )
    squares = ((without - without.mean(1, keepdims=True)) ** 2).sum(1)
    half = student_quantile(n - 1) * np.sqrt((n - 1) / n * squares)
    ends = np.array([LIMITS[measure] for measure in MEASURES])
    return mean, np.maximum(mean - half, ends[:, 0]), np.minimum(mean + half, ends[:, 1])


def _mean(pair: Float[np.ndarray, "measure run run"]) -> Float[np.ndarray, " measure"]:
    values = pair[:, ~np.eye(pair.shape[-1], dtype=bool)]
    here = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(here, values, 0.0).sum(1) / here.sum(1)
