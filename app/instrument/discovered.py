"""The discovered circuit as the instrument draws it: its components in a grid, and its edges.

Attention and MLP of every block have rows of their own; the heads of one layer share a place. Only
edges that belong to the circuit of some checkpoint and split are sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from analyses.figures.words import position_of
from app.instrument.fields import Discovered, DiscoveredMeasures, Edge, Singles, SinglesEnd
from app.instrument.packing import pack, pack_bits, pack_integers, pack_measure
from circuits.circuit.nodes_and_edges import parsed_edge

LISTED = 20
"""Number of questions sent from each end."""
ROW_OF_KIND = {"attn": 1, "head": 1, "mlp": 2}


def discovered(ds: xr.Dataset) -> Discovered:
    """The parts that do not change with the step: rows of the grid, token symbols, edges.

    An edge has `source` and `target` as [row, position], the target None for the answer, and the
    `name` of the result.
    """
    names = [str(name) for name in ds["edge"].values]
    positions = [str(name) for name in ds["corrupted"].values]
    depth = 1 + max(parsed_edge(name)[0][1] for name in names)
    edges: list[Edge] = []
    for name in np.array(names)[_ever_kept(ds)].tolist():
        sender, receiver = parsed_edge(name)
        target = None if receiver[0] == "output" else _place(receiver, positions)
        edges.append({"name": name, "source": _place(sender, positions), "target": target})
    return {
        "rows": ["token", *(f"{kind} {i}" for i in range(depth) for kind in ("attention", "MLP"))],
        "symbols": [position_of(p).symbol for p in positions],
        "edges": edges,
        "candidates": len(names),
    }


def discovered_measures(ds: xr.Dataset, split: str, steps: Sequence[int]) -> DiscoveredMeasures:
    """The edges of one split at every step of the timeline: those of the nearest one measured.

    `strength` [step, edge] is the share of a token's effect with its sign, `effect` in nats
    [step, edge, token], `frequency` the share of resampled questions whose circuit has the edge,
    `singles` the effects on single questions.
    """
    sent = np.flatnonzero(_ever_kept(ds))
    now = ds.isel(edge=sent).sel(split=split)
    measured = now["step"].values
    nearest = [int(measured[np.abs(measured - step).argmin()]) for step in steps]
    now = now.sel(step=nearest)
    alone = now.sel(ablation="mean", variant="restricted")
    by_token = ("step", "edge", "corrupted")
    measures: DiscoveredMeasures = {
        "step": nearest,
        "kept": pack_bits(now["in_circuit"].transpose("step", "edge").values == 1),
        "carries": pack_bits(now["kept"].transpose(*by_token).values == 1),
        "strength": pack_measure(now, "strength", ("step", "edge")),
        "effect": pack_measure(now, "effect", by_token),
        "frequency": pack(now["edge_frequency"].transpose("step", "edge").values),
        "alone": pack_measure(alone, "accuracy", ("step",)),
        "whole": pack_measure(now, "full_accuracy", ("step",)),
    }
    if "effect_example" in now:
        measures["singles"] = _singles(now, sent)
    return measures


def _singles(now: xr.Dataset, sent: Int[np.ndarray, " edge"]) -> Singles:
    """The questions on which each pair of edge and token does most and least, and how much.

    `most` and `least` are [step, pair, rank]: the strongest effects in the direction of the mean
    first, and the weakest first. Sending all questions would multiply the size of the page. With
    `n` questions, only the first n ranks have a meaning. `question` is an index into the asked
    questions; `code` is the effect as a byte, where 127 stands for the `largest` of its pair, in
    nats. A pair is an index into the sent edges and one into the tokens.
    """
    edge, token = (now[f"pair_{of}"].transpose("step", "pair").values for of in ("edge", "token"))
    used = int((edge >= 0).sum(1).max(initial=0))
    asked = now["example_row"].values >= 0
    table = now["effect_example"].transpose("step", "pair", "example")
    values = table.values[:, :used, asked].astype(float)
    known = np.isfinite(values)
    effect, n = np.where(known, values, 0.0), known.sum(-1)
    largest = np.abs(effect).max(-1, initial=0.0, keepdims=True)
    codes = np.round(127 * effect / np.where(largest > 0, largest, 1.0)).astype("i1")
    sign = np.where(effect.sum(-1, keepdims=True) < 0, -1, 1)
    order = np.argsort(np.where(known, -sign * values, np.inf), axis=-1, kind="stable")
    rank = np.arange(min(LISTED, order.shape[-1]))
    ends = {"most": np.broadcast_to(rank, (*n.shape, len(rank))), "least": n[..., None] - 1 - rank}
    listed = {end: np.take_along_axis(order, at.clip(0), -1) for end, at in ends.items()}
    places = np.where(edge >= 0, np.searchsorted(sent, edge), -1)

    def sent_of(end: str) -> SinglesEnd:
        code = np.take_along_axis(codes, listed[end], -1)
        return {"question": pack_integers(listed[end].astype("<u2")), "code": pack_integers(code)}

    return {
        "edge": places[:, :used].tolist(),
        "token": token[:, :used].tolist(),
        "n": n.tolist(),
        "largest": pack(largest[..., 0]),
        "most": sent_of("most"),
        "least": sent_of("least"),
    }


def _ever_kept(ds: xr.Dataset) -> Bool[np.ndarray, " edge"]:
    return (ds["in_circuit"] == 1).any(("step", "split")).values


def _place(component: tuple[str, int, str], positions: list[str]) -> list[int]:
    kind, block, position = component
    row = 0 if kind == "embed" else 2 * block + ROW_OF_KIND[kind]
    return [row, positions.index(position)]
