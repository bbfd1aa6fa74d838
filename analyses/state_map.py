"""A two-dimensional map of bridge states: principal components of trained states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import Variables
from circuits.errors import HopscopeError, unknown_name
from circuits.queries import Queries


@dataclass(frozen=True)
class MapOptions:
    """Which states are on the map."""

    layer: int
    position: int
    bridges: int
    points: int

    @classmethod
    def checked(
        cls, layer: int, position: str, bridges: int, points: int, depth: int, queries: Queries
    ) -> MapOptions:
        """With the position's name resolved; `HopscopeError` for states that do not exist."""
        if not 0 <= layer <= depth:
            raise HopscopeError(
                f"map_layer = {layer} does not exist; states are S[0] to S[{depth}]."
            )
        if position not in queries.positions:
            raise unknown_name("map_position", position, queries.positions)
        return cls(layer, queries.positions.index(position), bridges, points)


def state_map(
    there: Float[Tensor, "layer n_train pos d_model"],
    here: Float[Tensor, "layer n pos d_model"],
    train: Queries,
    queries: Queries,
    options: MapOptions,
) -> tuple[Variables, Int[np.ndarray, " bridges"]]:
    """The examples' states on the plane of most variance among trained states.

    Returns:
        Variables `map_state` (map_bridge, map_point, axis), NaN where a bridge has fewer states;
        `map_centroid` (map_bridge, axis) of the trained states; `map_explained` (axis), the share
        of variance. And the token ids of the bridges, most frequent first.
    """
    bridges = _most_frequent(train.bridge.numpy(), options.bridges)
    x = there[options.layer, :, options.position].cpu()
    owner = train.bridge.numpy()
    chosen = x[torch.from_numpy(np.isin(owner, bridges))]
    mean = chosen.mean(0)
    _, sizes, axes = torch.linalg.svd(chosen - mean, full_matrices=False)
    first = (x[torch.from_numpy(owner == bridges[0])].mean(0) - mean) @ axes[:2].T
    axes = axes[:2] * torch.where(first < 0, -1.0, 1.0)[:, None]
    placed = ((here[options.layer, :, options.position].cpu() - mean) @ axes.T).numpy()
    points = np.full((len(bridges), options.points, 2), np.nan, np.float32)
    for i, bridge in enumerate(bridges):
        rows = placed[queries.bridge.numpy() == bridge][: options.points]
        points[i, : len(rows)] = rows
    centroids = np.stack(
        [((x[torch.from_numpy(owner == b)].mean(0) - mean) @ axes.T).numpy() for b in bridges]
    )
    explained = (sizes[:2] ** 2 / (sizes**2).sum().clamp_min(1e-30)).numpy()
    where = {"layer": str(options.layer), "position": queries.positions[options.position]}
    variables: Variables = {
        "map_state": (
            ("map_bridge", "map_point", "axis"),
            points,
            {"long_name": "states of the examples on two principal components", **where},
        ),
        "map_centroid": (
            ("map_bridge", "axis"),
            centroids,
            {"long_name": "centroids of trained states on the map"},
        ),
        "map_explained": (
            ("axis",),
            explained,
            {"long_name": "share of the trained states' variance", "units": "share"},
        ),
    }
    return variables, bridges


def _most_frequent(bridge: Int[np.ndarray, " n"], at_most: int) -> Int[np.ndarray, " k"]:
    values, counts = np.unique(bridge, return_counts=True)
    return values[np.argsort(-counts, kind="stable")][:at_most]
