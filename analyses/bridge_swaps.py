"""The state at which a bridge swap is read, the same wherever one number stands for all swaps.

A swap can be one of the bridge only where the first hop can have been taken and the second has not:
at the role that completes the first hop, after at least one block and with a block behind it. At
the subject a swap writes the whole donor subject, in the embedding it replaces a token, and at the
last position it writes most of the donor's answer (`analyses.interventions.bridge_patching`). Of
these layers it is the one at which swaps succeed most at the last checkpoint. A certificate chooses
its state on trained questions instead (`analyses.certificate.criteria`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # takes a second to import
    from collections.abc import Mapping

    import xarray as xr

    from circuits.runs.run import Run

FIRST_HOP = "relation_1"


class SwapState(NamedTuple):
    """A state of bridge swaps.

    >>> str(SwapState(1, "relation_1", False))
    'S[1, relation 1]'
    """

    layer: int
    position: str
    chosen: bool
    """Whether it is the best of several layers."""

    def __str__(self) -> str:
        return f"S[{self.layer}, {self.position.replace('_', ' ')}]"


MOST_NAMED = 3
"""Runs up to which the state of each is named; of more, it is counted."""


def states_in_words(states: Mapping[str, SwapState], when: str = "at the last checkpoint") -> str:
    """Where the swaps of these runs are read, and that the best layer was chosen, if it was.

    >>> one, other = SwapState(1, "relation_1", False), SwapState(3, "relation_1", True)
    >>> states_in_words({"a": one, "b": one})
    'at S[1, relation 1]'
    >>> states_in_words({"b": other})
    'at S[3, relation 1], the best layer at the last checkpoint'
    >>> states_in_words({"a": one, "b": other})
    'at S[1, relation 1] in a and S[3, relation 1] in b, the best layer at the last checkpoint'
    """
    runs: dict[str, list[str]] = {}
    for name, state in states.items():
        runs.setdefault(str(state), []).append(name)
    said = list(runs)
    if len(runs) > 1:
        few = len(states) <= MOST_NAMED
        said = [
            f"{state} in {' and '.join(names) if few else _counted(names)}"
            for state, names in runs.items()
        ]
    best = f", the best layer {when}" if any(state.chosen for state in states.values()) else ""
    return f"at {' and '.join(said)}{best}" if said else ""


def _counted(names: list[str]) -> str:
    return f"{len(names)} run{'s' * (len(names) > 1)}"


def first_hop_role(run: Run, split: str) -> str:
    """The role at which the first hop of most questions of a split is complete.

    >>> from circuits import open_run
    >>> first_hop_role(open_run("assets/demo"), "id_test")
    'relation_1'
    """
    queries = run.queries(split)
    return queries.positions[queries.bridge_role]


def swap_state(swaps: xr.Dataset, first_hop: str = FIRST_HOP) -> SwapState | None:
    """Where to read the success of bridge swaps; None without such a state, or before any value.

    A model of one block has none.

    Args:
        swaps: Result of bridge patching of one split; of one control, or with "bridge" among them.
        first_hop: The role that completes the first hop (`first_hop_role`). Swaps of a later bridge
            are read at its relation.

    >>> from analyses.stored import stored_result
    >>> from circuits import open_run
    >>> found = stored_result(open_run("assets/demo"), "bridge_patching")
    >>> swap_state(found.sel(split="id_test"))
    SwapState(layer=1, position='relation_1', chosen=False)
    """
    success = swaps["success"]
    if "control" in success.dims:
        success = success.sel(control="bridge")
    bridge = json.loads(swaps.attrs.get("options", "{}")).get("bridge", 1)
    position = first_hop if bridge == 1 else f"relation_{bridge}"
    if position not in success["position"].values:
        return None
    shares = success.sel(position=position).transpose(..., "layer").values.astype(float)
    shares = np.atleast_2d(shares)[:, 1:-1]
    measured = np.isfinite(shares).any(1)
    if not measured.any():
        return None
    last = np.nan_to_num(shares[measured][-1], nan=-1.0)
    return SwapState(1 + int(last.argmax()), position, last.size > 1)
