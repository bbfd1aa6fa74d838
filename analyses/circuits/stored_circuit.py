"""A stored result of circuit_discovery as a `Circuit`, to run, compare, draw and pass on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from analyses.stored import stored_result
from circuits.circuit.ablated_run import Ablation
from circuits.circuit.circuit import Circuit, ScoredEdge
from circuits.errors import HopscopeError, unknown_name
from circuits.model.config import ModelConfig
from circuits.runs.run import Run

ANALYSIS = "circuit_discovery"


def stored_circuit(
    run: Run,
    step: int | None = None,
    split: str | None = None,
    *,
    ablation: Ablation = "mean",
    splits: Sequence[str] | None = None,
    **options: Any,
) -> Circuit:
    """The circuit that circuit_discovery found in a checkpoint, without computing anything.

    Discovery corrupts one token of the question at a time. `effect`, its interval and `share` of an
    edge are those of the token of whose effect it carries most, so `share` is the result's
    `strength`; `total`, which a single corruption would have, is None.

    Args:
        run: An opened run.
        step: An analyzed checkpoint; None: the last one.
        split: An analyzed split; None: the first one.
        ablation: What the circuit's own runs put in the place of everything else.
        splits: Splits that circuit_discovery was run with, if not the default ones.
        options: Options that it was run with, if not the default ones.

    Raises:
        HopscopeError: if there is no such result, or it lacks the step or the split.

    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> circuit = stored_circuit(run, split="id_test")
    >>> len(circuit.edges), circuit.edges[0].name
    (19, 'embed[subject]>attn.0[relation_1]')
    >>> questions = run.queries("id_test")
    >>> answers = circuit.restricted(run.model())(questions.tokens).argmax(-1)
    >>> round(float((answers == questions.answer).float().mean()), 2)  # the circuit alone is right
    0.94
    """
    found = stored_result(run, ANALYSIS, splits, **options)
    if found is None:
        raise HopscopeError(
            f"{run.path} has no result of {ANALYSIS} with these options; run "
            f"`hopscope analyze {run.path} {ANALYSIS}` first."
        )
    now = found.sel(step=_chosen(found, "step", step, -1), split=_chosen(found, "split", split, 0))
    config = ModelConfig.from_json(run.manifest["model"])
    stability = float(now["stability"])
    return Circuit(
        candidates=_scored(now),
        positions=tuple(map(str, now["corrupted"].values)),
        depth=config.depth,
        n_heads=config.n_heads,
        d_model=config.d_model,
        heads=bool(json.loads(found.attrs["options"])["heads"]),
        ablation=ablation,
        n=int(now["n"]),
        stability=stability if np.isfinite(stability) else None,
    )


def _chosen(found: xr.Dataset, dim: str, wanted: Any, default: int) -> Any:
    there = found[dim].values.tolist()
    if wanted is None:
        return there[default]
    if wanted not in there:
        raise unknown_name(f"{dim} analyzed by {ANALYSIS}", str(wanted), map(str, there))
    return wanted


def _scored(now: xr.Dataset) -> tuple[ScoredEdge, ...]:
    """The candidates of one checkpoint and split."""
    token, at = _strongest_token(now), np.arange(now.sizes["edge"])
    columns = [now[name].values[token, at] for name in ("effect", "effect_low", "effect_high")]
    # what was screened out was not measured, and its strength of 0 is none
    share = np.where(now["measured"].values == 1, now["strength"].values, np.nan)
    numbers = [
        [float(x) if np.isfinite(x) else None for x in column] for column in (*columns, share)
    ]
    kept = (now["in_circuit"].values == 1).tolist()
    frequency = [float(x) for x in now["edge_frequency"].values]
    rows = zip(map(str, now["edge"].values), *numbers, kept, frequency, strict=True)
    return tuple(ScoredEdge(*row) for row in rows)


def _strongest_token(now: xr.Dataset) -> Int[np.ndarray, " edge"]:
    """Row of the corrupted token to which each edge's strength belongs."""
    effect = now["effect"].transpose("corrupted", "edge").values.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Float[np.ndarray, "corrupted edge"] = effect / now["total"].values[:, None]
    away = np.abs(share - now["strength"].values)
    return np.where(np.isfinite(away), away, np.inf).argmin(0)
