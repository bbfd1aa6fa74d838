"""First usable layer: where bridge and answer can first be read and still be used.

Readouts say where a name can be decoded; what composes is decided by the order in which bridge and
answer appear (2601.03542), at states that the answer can still depend on. This reads the ranks that
a lens has stored, so it runs no model: `first_usable(stored_result(run, "logit_lens"))`, or the
same of `tuned_lens`, `jacobian_lens` or `patchscopes`.

1. A name is decoded at S[l, p] if fewer than `top_k` tokens have at least its logit (rank below
   `top_k`; ties count against it).
2. The bridge is looked for at the position that completes its hop and at all later ones (in
   sentences, as each names them: in "the mother of the wife of X" X completes the first hop), in
   states with at least one block behind them, l < depth. S[depth, p] is left out: nothing reads it,
   and at relation_1 it decodes the bridge in every model that knows the atomic fact
   (`analyses.usable`). The answer is looked for at the last position, up to l = depth.
3. The first usable layer of a question is the least such l, -1 if there is none. Layer 0 is the
   token itself: bridges that are tokens of the question, with tied embeddings.
4. Each question has an order: bridge first, both in the same layer, answer first, only one of them,
   or neither. A model that composes through a bridge that its lens can read has the bridge first.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Int

from analyses.estimates import Variables, estimated
from analyses.usable import usable_states
from circuits.errors import HopscopeError
from circuits.statistics import LEAST_EXAMPLES

ORDERS = ("bridge_first", "same_layer", "answer_first", "bridge_only", "answer_only", "neither")
COMPLETED_AT = {"bridge": "relation_1", "bridge_2": "relation_2"}
"""Position at which the hop to each bridge is complete."""
NEVER = -1


def first_usable(lens: xr.Dataset, top_k: int = 1) -> xr.Dataset:
    """First usable layers of bridges and answer, and their order, at every step of a lens result.

    Args:
        lens: Result of `logit_lens` or `tuned_lens` of a composition run.
        top_k: A name counts as decoded if its 0-based rank is below this.

    Returns:
        decoded (step, split, name): share of questions with a usable layer; share (step, split,
        name, layer): share whose first usable layer it is; order_share (step, split, order); each
        with `_low`, `_high` and `_n`; first_layer_example (step, split, example, name), -1 if never
        or no example.

    Raises:
        HopscopeError: if the result has no bridge and answer, no ranks of single questions, or was
            made of sentences before where each names its roles was stored.

    >>> from analyses import stored_result
    >>> from circuits import open_run
    >>> found = first_usable(stored_result(open_run("assets/demo"), "logit_lens"))
    >>> shares = found.decoded.sel(step=6000, split="id_test")
    >>> {name: round(float(shares.sel(name=name)), 2) for name in ("bridge", "answer")}
    {'bridge': 0.31, 'answer': 0.98}
    """
    names = [str(t) for t in lens["target"].values] if "target" in lens.coords else []
    if "bridge" not in names or "rank_example" not in lens:
        raise HopscopeError(
            "this result has no ranks of a bridge; give the result of logit_lens or tuned_lens of "
            "a composition run."
        )
    if "answer" in lens["position"].values and "column_example" not in lens:
        raise HopscopeError(
            "this result is of sentences and older than the columns at which it reads them, "
            "without which nobody knows where each sentence completes its hop; compute it anew "
            "with hopscope analyze RUN "
            f"{lens.attrs.get('analysis', 'logit_lens')} --again."
        )
    wanted = [name for name in names if name in COMPLETED_AT or name == "answer"]
    first = _first_layers(lens, wanted, top_k)
    counted = [
        _counted(first[:, i, :n].swapaxes(0, 1), wanted, lens.sizes["layer"])
        for i, n in enumerate(lens["n"].values)
    ]
    variables: dict[str, Any] = {}
    for name, (dims, _, attrs) in counted[0].items():
        values = np.stack([part[name][1] for part in counted], 1)
        variables[name] = (("step", "split", *dims[1:]), values, attrs)
    variables["first_layer_example"] = (
        ("step", "split", "example", "name"), first,
        {"long_name": "first usable layer that decodes the name, -1 never"},
    )  # fmt: skip
    variables["n"] = lens["n"]
    coords = {
        "step": lens["step"].values,
        "split": lens["split"].values,
        "name": wanted,
        "layer": lens["layer"].values,
        "order": list(ORDERS),
    }
    attrs = {
        "analysis": "first_usable",
        "lens": str(lens.attrs.get("analysis", "")),
        "options": json.dumps({"top_k": top_k}),
        "provenance": lens.attrs.get("provenance", "null"),
    }
    return xr.Dataset(variables, coords, attrs)


def looked_at(name: str, depth: int, positions: list[str]) -> Bool[np.ndarray, "layer position"]:
    """States at which a name is looked for, where positions stand in this order.

    >>> looked_at("bridge", 2, ["subject", "relation_1", "relation_2"]).astype(int)
    array([[0, 1, 1],
           [0, 1, 1],
           [0, 0, 0]])
    """
    states = usable_states(depth, len(positions))
    if name == "answer":
        states[:, :-1] = False
    else:
        states[depth] = False
        states[:, : positions.index(COMPLETED_AT[name])] = False
    return states


def _first_layers(
    lens: xr.Dataset, wanted: list[str], top_k: int
) -> Int[np.ndarray, "step split example name"]:
    dims = ("step", "split", "example", "target", "layer", "position")
    rank = lens["rank_example"].sel(target=wanted).transpose(*dims).values
    positions = [str(p) for p in lens["position"].values]
    depth = rank.shape[-2] - 1
    if "column_example" in lens:
        column = lens["column_example"].transpose("split", "example", "position").values
        states = _in_sentences(wanted, depth, positions, column)
    else:
        states = np.stack([looked_at(name, depth, positions) for name in wanted])
    seen = ((rank >= 0) & (rank < top_k) & states).any(-1)
    return np.where(seen.any(-1), seen.argmax(-1), NEVER).astype(np.int8)


def _in_sentences(
    wanted: list[str], depth: int, positions: list[str], column: Int[np.ndarray, "split n position"]
) -> Bool[np.ndarray, "split n name layer position"]:
    """`looked_at` of each question, where a hop is complete once all of its names have been read.

    Args:
        wanted: Names that are looked for.
        depth: Blocks of the model.
        positions: Roles.
        column: Where each role stands in each question.
    """
    found = []
    for name in wanted:
        if name == "answer":
            behind = np.ones_like(column, bool)
            states = looked_at(name, depth, positions)
        else:
            hop = positions.index(COMPLETED_AT[name]) + 1
            behind = column >= column[..., :hop].max(-1, keepdims=True)
            states = usable_states(depth, len(positions))
            states[depth] = False
        found.append(states & behind[:, :, None])
    return np.stack(found, 2)


def _counted(first: Int[np.ndarray, "n step name"], wanted: list[str], layers: int) -> Variables:
    """Shares of one split at every step."""
    members = {
        "decoded": (("name",), first >= 0, "decoded at a usable state"),
        "share": (
            ("name", "layer"), first[..., None] == np.arange(layers), "first decoded in this layer",
        ),
        "order_share": (
            ("order",), _orders(first, wanted)[..., None] == np.arange(len(ORDERS)),
            "order in which bridge and answer can be read",
        ),
    }  # fmt: skip
    found: Variables = {}
    for name, (dims, values, text) in members.items():
        found |= _share(name, values.astype(float), ("step", *dims), text)
    return found


def _share(name: str, values: np.ndarray, dims: tuple[str, ...], text: str) -> Variables:
    """A share of questions; of a slice with too few for an interval, the share alone."""
    lacking = np.full((max(0, LEAST_EXAMPLES - len(values)), *values.shape[1:]), np.nan)
    rows = np.concatenate([values, lacking])
    return estimated(name, rows, dims, text, shares=True, keep=False)


def _orders(first: Int[np.ndarray, "n step name"], wanted: list[str]) -> np.ndarray:
    """Index into `ORDERS` of each question at each step; of several bridges the last one counts."""
    bridges = [name for name in wanted if name in COMPLETED_AT]
    bridge, answer = first[..., wanted.index(bridges[-1])], first[..., wanted.index("answer")]
    both = (bridge >= 0) & (answer >= 0)
    cases = [
        both & (bridge < answer), both & (bridge == answer), both & (bridge > answer),
        (bridge >= 0) & ~both, (answer >= 0) & ~both,
    ]  # fmt: skip
    return np.select(cases, list(range(5)), default=5)
