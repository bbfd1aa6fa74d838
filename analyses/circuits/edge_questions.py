"""The questions behind a circuit: the effect of every edge on each of them, kept and looked up.

An edge that is kept for a token has an effect per question. All of them, for all edges and tokens,
would be most of what a run takes on disk, so only those behind the circuit's own numbers stay: one
column (`pair`) per kept pair of edge and token, the strongest `KEPT_PAIRS` if there are more,
rounded as `analyses.precision.coarse` says. With that the demo's results stay below what a
repository can hold, and a walk's memory does not grow with the square of the depth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from analyses.estimates import Variables, coarse
from circuits.circuit.edge_choice import Choice, Effects
from circuits.errors import HopscopeError, unknown_name

KEPT_PAIRS = 64
"""Most pairs of edge and token whose single effects are stored; the demo's circuits have 39."""


def example_variables(effects: Effects, found: Choice) -> Variables:
    """`effect_example` (example, pair) with the pair's `pair_edge` and `pair_token`, and totals.

    A pair is an index into `edge` and one into `corrupted`; both are -1 where none is left.
    """
    kept, share = found.kept.T, np.abs(np.nan_to_num(found.share)).T
    order = np.argsort(-np.where(kept, share, -1.0), axis=None, kind="stable")
    pairs = np.sort(order[: min(KEPT_PAIRS, kept.sum())])
    width = min(KEPT_PAIRS, kept.size)
    edge, token = np.full((2, width), -1, np.int16)
    edge[: len(pairs)], token[: len(pairs)] = np.unravel_index(pairs, kept.shape)
    values = np.full((len(effects.real), width), np.nan)
    values[:, : len(pairs)] = effects.real[:, token[: len(pairs)], edge[: len(pairs)]]
    text = "{} of single questions, rounded to at most half their standard deviation"
    effect, total = (
        text.format(f"fall of the logit difference when the {what}")
        for what in ("edge is patched", "token itself is corrupted")
    )
    return {
        "effect_example": (
            ("example", "pair"), coarse(values), {"long_name": effect, "units": "nats"},
        ),
        "pair_edge": (("pair",), edge, {"long_name": "index of the edge, -1: none"}),
        "pair_token": (("pair",), token, {"long_name": "index of the token, -1: none"}),
        "total_example": (
            ("example", "corrupted"), coarse(effects.total), {"long_name": total, "units": "nats"},
        ),
    }  # fmt: skip


def edge_questions(
    ds: xr.Dataset,
    edge: str,
    *,
    split: str,
    step: int | None = None,
    corrupted: str | None = None,
) -> pd.DataFrame:
    """The questions behind an edge, those on which it does most first.

    Args:
        ds: A result of circuit_discovery.
        edge: Name of an edge that the circuit keeps.
        split: Which questions.
        step: None: the last one.
        corrupted: Token that the edge carries; None: the one of its largest mean effect.

    Returns:
        One row per question that has such a corruption: `row` in the split, and `effect` (nats).
        Questions against the sign of the mean effect come last.

    >>> from analyses import stored_result
    >>> from circuits import open_run
    >>> ds = stored_result(open_run("assets/demo"), "circuit_discovery")
    >>> edge = str(ds["edge"].values[int(ds["pair_edge"].sel(split="id_test", step=6000)[0])])
    >>> edge_questions(ds, edge, split="id_test").columns.tolist()
    ['row', 'effect']
    """
    names = ds["edge"].values.tolist()
    if edge not in names:
        raise unknown_name("edge", edge, names)
    now = ds.sel(split=split, step=int(ds["step"][-1]) if step is None else step)
    of_edge = np.flatnonzero(now["pair_edge"].values == names.index(edge))
    tokens = {str(ds["corrupted"].values[now["pair_token"].values[i]]): int(i) for i in of_edge}
    if not tokens:
        raise HopscopeError(
            f"no effects of single questions are kept of {edge} at step {int(now['step'])}: it is "
            "not among the strongest edges of that step's circuit; choose another edge or step."
        )
    if corrupted is not None and corrupted not in tokens:
        raise unknown_name("token that the edge carries", corrupted, tokens)
    effects = now["effect_example"].transpose("pair", "example").values.astype(float)
    means = {token: float(np.nanmean(effects[i])) for token, i in tokens.items()}
    chosen = max(means, key=lambda token: abs(means[token])) if corrupted is None else corrupted
    table = pd.DataFrame({"row": now["example_row"].values, "effect": effects[tokens[chosen]]})
    order = (table["effect"] * -np.sign(means[chosen])).argsort(kind="stable")
    return table.iloc[order].dropna().reset_index(drop=True)
