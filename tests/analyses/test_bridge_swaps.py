"""One state stands for the bridge swaps of a run, wherever a single number is told of them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from analyses.bridge_swaps import SwapState, states_in_words, swap_state

POSITIONS = ["subject", "relation_1", "relation_2"]


def swaps(depth: int, cells: dict[tuple[int, int], list[float]], bridge: int = 1) -> xr.Dataset:
    """Success over two checkpoints: 0 but in these cells (layer, position)."""
    success = np.zeros((2, depth + 1, 3))
    for (layer, position), values in cells.items():
        success[:, layer, position] = values
    return xr.Dataset(
        {"success": (("step", "layer", "position"), success)},
        {"step": [0, 10], "position": POSITIONS},
        {"options": f'{{"bridge": {bridge}}}'},
    )


def test_a_swap_that_works_by_construction_is_not_the_bridges() -> None:
    """The donor's subject, its tokens in the embedding, what nothing reads, the last position."""
    trivial = {(0, 0): [0.9, 0.9], (1, 0): [0.9, 0.9], (0, 1): [0.9, 0.9], (3, 1): [0.9, 0.9],
               (2, 2): [0.9, 0.9]}  # fmt: skip
    found = swap_state(swaps(3, {**trivial, (2, 1): [0.0, 0.2], (1, 1): [0.5, 0.1]}))
    assert found == SwapState(2, "relation_1", True)


def test_the_only_state_between_the_hops_is_not_called_the_best() -> None:
    assert swap_state(swaps(2, {})) == SwapState(1, "relation_1", False)


def test_a_model_of_one_block_has_no_state_between_the_hops() -> None:
    assert swap_state(swaps(1, {(0, 1): [0.9, 0.9]})) is None


def test_the_layer_is_chosen_at_the_last_checkpoint_that_was_measured() -> None:
    assert swap_state(swaps(3, {(1, 1): [0.3, np.nan], (2, 1): [0.1, np.nan]})) == SwapState(
        1, "relation_1", True
    )
    nothing = {(layer, 1): [np.nan, np.nan] for layer in (1, 2)}
    assert swap_state(swaps(3, nothing)) is None


@pytest.mark.parametrize(
    ("bridge", "first_hop", "position"),
    [(1, "relation_1", "relation_1"), (1, "subject", "subject"), (2, "relation_1", "relation_2")],
)
def test_a_swap_is_read_where_its_hop_is_complete(
    bridge: int, first_hop: str, position: str
) -> None:
    found = swap_state(swaps(2, {}, bridge), first_hop)
    assert found is not None
    assert found.position == position


def test_the_states_of_many_runs_are_counted() -> None:
    one, other = SwapState(1, "relation_1", True), SwapState(2, "relation_1", True)
    states = {"a": one, "b": one, "c": one, "d": other}
    words = (
        "at S[1, relation 1] in 3 runs and S[2, relation 1] in 1 run, the best layer at that step"
    )
    assert states_in_words(states, "at that step") == words
    assert states_in_words({}) == ""
