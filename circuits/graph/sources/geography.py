"""Functional relations computed from coordinates, populations and areas.

Every relation is a true statement *among the cities and countries of the graph*: "nearest city"
is the nearest of those, by great-circle distance. Each maps an entity to at most one other.
Ties (equal populations, equal latitudes) are settled by name, so that nothing depends on the
order in which the data is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

_NEAR = 32  # neighbours looked at for a foreign one before searching abroad only

Pairs = Int[np.ndarray, "n 2"]
"""Rows (subject, object)."""


@dataclass(frozen=True, eq=False)
class World:
    """Cities and countries as arrays, each sorted by name."""

    city_country: Int[np.ndarray, " n_cities"]
    latitude: Float[np.ndarray, " n_cities"]
    longitude: Float[np.ndarray, " n_cities"]
    population: Int[np.ndarray, " n_cities"]
    country_population: Int[np.ndarray, " n_countries"]
    country_area: Float[np.ndarray, " n_countries"]
    """In square kilometres."""
    neighbours: tuple[tuple[int, ...], ...]
    """Countries with a common land border, as far as they are in the graph."""

    @cached_property
    def unit_vectors(self) -> Float[np.ndarray, "n_cities 3"]:
        """Cities on the unit sphere; the chord orders pairs as the great circle does."""
        lat, lon = np.radians(self.latitude), np.radians(self.longitude)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)

    @cached_property
    def tree(self) -> cKDTree:
        """Nearest-neighbour index over `unit_vectors`."""
        return cKDTree(self.unit_vectors)


def next_by(key: Float[np.ndarray, " n"] | Int[np.ndarray, " n"]) -> Pairs:
    """Each item with the one of the next larger key; equal keys follow each other by index.

    The last has none.
    """
    order = np.argsort(key, kind="stable")
    return np.stack([order[:-1], order[1:]], axis=1)


def ranked_in_country(world: World, key: Float[np.ndarray, " n_cities"], rank: int) -> Pairs:
    """Rows (country, its city with the `rank`-th largest key, counted from 0)."""
    order = np.lexsort([-key, world.city_country])
    countries, starts, counts = np.unique(
        world.city_country[order], return_index=True, return_counts=True
    )
    enough = counts > rank
    return np.stack([countries[enough], order[starts[enough] + rank]], axis=1)


def nearest_city(world: World, rank: int) -> Pairs:
    """Rows (city, its nearest other city for rank 1, second nearest for rank 2)."""
    n = len(world.latitude)
    if n <= rank:
        return np.empty((0, 2), np.int64)
    _, near = world.tree.query(world.unit_vectors, k=rank + 2)
    return np.array([(i, _others(row, i)[rank - 1]) for i, row in enumerate(near)])


def _others(row: Int[np.ndarray, " k"], city: int) -> Int[np.ndarray, " m"]:
    # the city itself need not come first where two share their coordinates
    return row[row != city]


def farthest_city(world: World) -> Pairs:
    """Rows (city, the city nearest to its antipode)."""
    if len(world.latitude) < 2:
        return np.empty((0, 2), np.int64)
    _, far = world.tree.query(-world.unit_vectors, k=1)
    return np.stack([np.arange(len(far)), far], axis=1)


def nearest_foreign_city(world: World) -> Pairs:
    """Rows (city, nearest city of another country)."""
    n, country = len(world.latitude), world.city_country
    found = np.full(n, -1)
    if len(np.unique(country)) > 1:
        _, near = world.tree.query(world.unit_vectors, k=min(_NEAR, n))
        foreign = country[near] != country[:, None]
        hit = foreign.any(axis=1)
        found[hit] = near[hit, foreign[hit].argmax(axis=1)]
        for inland in np.unique(country[~hit]):  # far from every border: search abroad only
            rows, abroad = np.flatnonzero(~hit & (country == inland)), country != inland
            _, nearest = cKDTree(world.unit_vectors[abroad]).query(world.unit_vectors[rows])
            found[rows] = np.flatnonzero(abroad)[nearest]
    rows = np.flatnonzero(found >= 0)
    return np.stack([rows, found[rows]], axis=1)


def nearest_foreign_country(world: World) -> Pairs:
    """Rows (city, country of its nearest foreign city)."""
    pairs = nearest_foreign_city(world)
    return np.stack([pairs[:, 0], world.city_country[pairs[:, 1]]], axis=1)


def largest_neighbour(world: World) -> Pairs:
    """Rows (country, the one with the largest area among its land neighbours in the graph)."""
    pairs = [
        (country, max(near, key=lambda other: (world.country_area[other], -other)))
        for country, near in enumerate(world.neighbours)
        if near
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _reversed(pairs: Pairs) -> Pairs:
    return pairs[:, ::-1]


COUNTRY_TO_CITY: dict[str, Callable[[World], Pairs]] = {
    "largest city": lambda w: ranked_in_country(w, w.population.astype(float), 0),
    "second largest city": lambda w: ranked_in_country(w, w.population.astype(float), 1),
    "northernmost city": lambda w: ranked_in_country(w, w.latitude, 0),
    "southernmost city": lambda w: ranked_in_country(w, -w.latitude, 0),
    "easternmost city": lambda w: ranked_in_country(w, w.longitude, 0),
    "westernmost city": lambda w: ranked_in_country(w, -w.longitude, 0),
}
COUNTRY_TO_COUNTRY: dict[str, Callable[[World], Pairs]] = {
    "next more populous country": lambda w: next_by(w.country_population),
    "next less populous country": lambda w: _reversed(next_by(w.country_population)),
    "next larger country by area": lambda w: next_by(w.country_area),
    "largest neighbour": largest_neighbour,
}
CITY_TO_CITY: dict[str, Callable[[World], Pairs]] = {
    "nearest city": lambda w: nearest_city(w, 1),
    "second nearest city": lambda w: nearest_city(w, 2),
    "farthest city": farthest_city,
    "nearest foreign city": nearest_foreign_city,
    "next larger city": lambda w: next_by(w.population),
    "next smaller city": lambda w: _reversed(next_by(w.population)),
    "next city north": lambda w: next_by(w.latitude),
    "next city south": lambda w: _reversed(next_by(w.latitude)),
    "next city east": lambda w: next_by(w.longitude),
    "next city west": lambda w: _reversed(next_by(w.longitude)),
}
CITY_TO_COUNTRY: dict[str, Callable[[World], Pairs]] = {
    "nearest foreign country": nearest_foreign_country,
}
