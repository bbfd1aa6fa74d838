"""Two-dimensional maps of bridge states: principal components of trained states, and MDS.

1. The principal components are those of the trained states with the mapped bridges, not of all
   trained states. They show the directions in which these states vary most, and lose the others.
2. Metric multidimensional scaling (SMACOF, de Leeuw 1977) places the examples' states so that
   distances on the map are as close as possible to distances in the model, whatever their
   direction. It starts from the principal components, and its result is rotated back onto them, so
   that maps can be compared.

States at relation_1 are those of the atomic prompts (h, r1), with or without a second relation: a
map of them shows how facts are held, not what a question does with them. After the last block they
cluster by bridge in every model that knows its facts (`analyses.usable`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import Variables
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError, unknown_name

LEAST_ON_MAP = 3
"""Fewer states than this need no scaling: they fit on a line."""


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
        """Resolve the position's name; a state that does not exist raises `HopscopeError`."""
        if not 0 <= layer <= depth:
            raise HopscopeError(
                f"map_layer = {layer} does not exist; states are S[0] to S[{depth}]."
            )
        if position not in queries.positions:
            raise unknown_name("map_position", position, queries.positions)
        return cls(layer, queries.role_index(position), bridges, points)


def state_map(
    there: Float[Tensor, "layer n_train pos d_model"],
    here: Float[Tensor, "layer n pos d_model"],
    train: Queries,
    queries: Queries,
    options: MapOptions,
) -> tuple[Variables, Int[np.ndarray, " bridges"]]:
    """Place the examples' states on the trained states' plane of most variance, and by MDS.

    Returns:
        The variables `map_state` and `map_mds` (map_bridge, map_point, axis), NaN where a bridge
        has fewer states; `map_centroid` (map_bridge, axis) of the trained states; `map_explained`
        (axis), the share of variance among trained states with these bridges; `map_stress`. Also
        the ids of the bridges, most frequent first.
    """
    bridges = _most_frequent(train.bridge_ids[:, 0], options.bridges)
    x = there[options.layer, :, options.position].cpu()
    owner = train.bridge_ids[:, 0]
    chosen = x[torch.from_numpy(np.isin(owner, bridges))]
    mean = chosen.mean(0)
    _, sizes, axes = torch.linalg.svd(chosen - mean, full_matrices=False)
    first = (x[torch.from_numpy(owner == bridges[0])].mean(0) - mean) @ axes[:2].T
    axes = axes[:2] * torch.where(first < 0, -1.0, 1.0)[:, None]
    asked = here[options.layer, :, options.position].cpu()
    placed = ((asked - mean) @ axes.T).numpy()
    centroids = np.stack(
        [((x[torch.from_numpy(owner == b)].mean(0) - mean) @ axes.T).numpy() for b in bridges]
    )
    explained = (sizes[:2] ** 2 / (sizes**2).sum().clamp_min(1e-30)).numpy()
    variables: Variables = {
        **_of_examples(asked.numpy(), placed, bridges, queries, options),
        "map_centroid": (
            ("map_bridge", "axis"),
            centroids,
            {"long_name": "centroids of trained states on the map"},
        ),
        "map_explained": (
            ("axis",),
            explained,
            {
                "long_name": "share of the variance of trained states with these bridges",
                "units": "share",
            },
        ),
    }
    return variables, bridges


def _of_examples(
    asked: Float[np.ndarray, "n d_model"],
    placed: Float[np.ndarray, "n axis"],
    bridges: Int[np.ndarray, " bridges"],
    queries: Queries,
    options: MapOptions,
) -> Variables:
    """Coordinates of the first examples of each bridge, on the components and by scaling."""
    on_map = np.full((len(bridges), options.points), -1)
    for i, bridge in enumerate(bridges):
        rows = np.flatnonzero(queries.bridge_ids[:, 0] == bridge)[: options.points]
        on_map[i, : len(rows)] = rows
    points = np.where(on_map[..., None] >= 0, placed[on_map], np.nan).astype(np.float32)
    mds, stress = multidimensional_scaling(asked, placed, on_map)
    where = {"layer": str(options.layer), "position": queries.positions[options.position]}
    dims = ("map_bridge", "map_point", "axis")
    text = "states of the examples"
    spent = {"long_name": "normalized stress of the scaling, 0: distances are kept", "units": "1"}
    return {
        "map_mds": (dims, mds, {"long_name": f"{text} by multidimensional scaling", **where}),
        "map_stress": ((), stress, spent),
        "map_state": (dims, points, {"long_name": f"{text} on two principal components", **where}),
    }


def multidimensional_scaling(
    states: Float[np.ndarray, "n d_model"],
    start: Float[np.ndarray, "n axis"],
    on_map: Int[np.ndarray, "bridge point"],
) -> tuple[Float[np.ndarray, "bridge point axis"], float]:
    """Coordinates of the chosen states, and the normalized stress (Kruskal's stress-1).

    Args:
        states: States of all examples.
        start: Coordinates at which the scaling starts and onto which its result is rotated.
        on_map: Rows of the chosen states; -1 for none, which gives NaN.
    """
    from scipy.linalg import orthogonal_procrustes
    from scipy.spatial.distance import cdist
    from sklearn.manifold import smacof

    here = on_map >= 0
    rows = on_map[here]
    placed = np.full((*on_map.shape, start.shape[1]), np.nan, np.float32)
    if len(rows) < LEAST_ON_MAP:
        return placed, float("nan")
    chosen, first = states[rows].astype(float), start[rows].astype(float)
    found, stress = smacof(
        cdist(chosen, chosen), init=first, n_init=1, random_state=0, normalized_stress=True
    )
    turn, _ = orthogonal_procrustes(found - found.mean(0), first - first.mean(0))
    placed[here] = (found - found.mean(0)) @ turn + first.mean(0)
    return placed, float(stress)


def _most_frequent(bridge: Int[np.ndarray, " n"], at_most: int) -> Int[np.ndarray, " k"]:
    values, counts = np.unique(bridge, return_counts=True)
    return values[np.argsort(-counts, kind="stable")][:at_most]
