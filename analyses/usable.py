"""Which states the answer can still depend on, known from the architecture alone.

Attention is the only way from one position to another. After the last block there is no attention,
so S[depth, p] at any position before the last reaches no output that is asked for: it can be read,
and nothing uses it. Every other state S[i, p] has at least one block behind it.

This matters because of an identity. Attention is causal, so S[i, p] of a question is bit for bit
S[i, p] of the shorter prompt that ends at p:

- S[i, subject] is the state of the one-token prompt h;
- S[i, relation_1] is the state of the atomic prompt (h, r1). After the last block, training makes
  that prompt predict the bridge: "the bridge is readable at S[depth, relation_1]" holds for every
  model that memorized its facts, whatever it does with questions;
- S[0, p] holds the token at p and its place, and nothing else.

A readout at one of the first two positions is therefore a readout of a shorter prompt: the rest of
the question adds nothing to it, by construction. What is *used* there, only a patch can tell.

Results of `READOUTS` get the coordinate `usable` when they are read, so that old ones have it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

if TYPE_CHECKING:  # takes a second to import
    import xarray as xr

CANNOT_REACH = "cannot reach the answer"
"""What figures and the dashboard say of a state that is not usable."""

READOUTS = {
    "logit_lens": "position",
    "tuned_lens": "position",
    "comparison_lens": "position",
    "probes": "position",
    "causal_tracing": "position",
    "comparison_tracing": "position",
    "bridge_patching": "position",
    "evidence": "position",
    "attention": "query",
}
"""Analyses with a value at each layer and position, and the name of their axis of positions. The
layers of `attention` are blocks: what block l writes at a position is part of S[l + 1] there."""


def usable_states(depth: int, n_positions: int) -> Bool[np.ndarray, "layer position"]:
    """Which states S[i, p], i = 0 to depth, the logits at the last position can depend on.

    >>> usable_states(2, 3).astype(int)
    array([[1, 1, 1],
           [1, 1, 1],
           [0, 0, 1]])
    """
    usable = np.ones((depth + 1, n_positions), bool)
    usable[depth, :-1] = False
    return usable


def with_usable(ds: xr.Dataset) -> xr.Dataset:
    """The result with a coordinate `usable` (layer, position), if it is one of `READOUTS`.

    >>> import xarray as xr
    >>> axes = {"layer": [0, 1, 2], "position": ["subject", "relation_1", "relation_2"]}
    >>> lens = xr.Dataset(coords=axes, attrs={"analysis": "logit_lens"})
    >>> with_usable(lens).usable.sel(layer=2).values.tolist()
    [False, False, True]
    """
    name = str(ds.attrs.get("analysis"))
    axis = READOUTS.get(name, "")
    if not {"layer", axis} <= set(ds.sizes):
        return ds
    n_layers, n_positions = ds.sizes["layer"], ds.sizes[axis]
    states = (
        usable_states(n_layers, n_positions)[1:]
        if name == "attention"
        else usable_states(n_layers - 1, n_positions)
    )
    about = {"long_name": "whether the answer can depend on the state"}
    return ds.assign_coords(usable=(("layer", axis), states, about))
