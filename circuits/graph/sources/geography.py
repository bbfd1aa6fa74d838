"""Functional relations computed from coordinates, populations and areas.

Every relation is a true statement *among the cities and countries of the graph*: "nearest city"
is the nearest of those, by great-circle distance. Each maps an entity to at most one other. Ties
(equal populations, areas, coordinates or distances) give no fact, because neither is "the" largest
or nearest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

_NEAR = 32  # neighbours looked at for a foreign one before searching abroad only
_EQUAL = 1e-9  # chords on the unit sphere this close are equal: 6 mm; coordinates are given to 1 m

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
    """Countries of the graph with a common land border."""

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
    """Each item with the one of the next larger key, if that one is unique.

    >>> next_by(np.array([3, 5, 3])).tolist()  # items 0 and 2 tie below item 1
    [[0, 1], [2, 1]]
    """
    values, place, count = np.unique(key, return_inverse=True, return_counts=True)
    holder = np.zeros(len(values), int)
    holder[place] = np.arange(len(key))
    above = place + 1
    single = (above < len(values)) & (np.append(count, 0)[above] == 1)
    items = np.flatnonzero(single)
    return np.stack([items, holder[above[items]]], axis=1)


def ranked_in_country(world: World, key: Float[np.ndarray, " n_cities"], rank: int) -> Pairs:
    """Rows (country, its city with the `rank`-th largest key, counted from 0), without ties."""
    order = np.lexsort([-key, world.city_country])
    countries, starts, counts = np.unique(
        world.city_country[order], return_index=True, return_counts=True
    )
    pairs = []
    for country, start, count in zip(countries, starts, counts, strict=True):
        inside = order[start : start + count]
        if rank < count and (key[inside] == key[inside[rank]]).sum() == 1:
            pairs.append((country, inside[rank]))
    return np.array(pairs, np.int64).reshape(-1, 2)


def nearest_city(world: World, rank: int) -> Pairs:
    """Rows (city, its nearest other city for rank 1, second nearest for rank 2), without ties."""
    n = len(world.latitude)
    if n <= rank:
        return np.empty((0, 2), np.int64)
    chord, near = world.tree.query(world.unit_vectors, k=rank + 2)  # infinite beyond the last city
    pairs = []
    for city in range(n):
        others = near[city] != city  # the city itself need not come first among equals
        distance, found = chord[city][others], near[city][others]
        if _apart(distance, rank - 1):
            pairs.append((city, found[rank - 1]))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _apart(distance: Float[np.ndarray, " k"], at: int) -> bool:
    """Whether the neighbour at `at` of this ascending list is the only one at its distance."""
    gaps = np.diff(distance[max(at - 1, 0) : at + 2])
    return bool((gaps > _EQUAL).all())


def farthest_city(world: World) -> Pairs:
    """Rows (city, the city nearest to its antipode), without ties."""
    if len(world.latitude) < 2:
        return np.empty((0, 2), np.int64)
    chord, far = world.tree.query(-world.unit_vectors, k=2)
    rows = np.flatnonzero(chord[:, 1] - chord[:, 0] > _EQUAL)
    return np.stack([rows, far[rows, 0]], axis=1)


def nearest_foreign_city(world: World) -> Pairs:
    """Rows (city, nearest city of another country), without ties."""
    n, country = len(world.latitude), world.city_country
    found = np.full(n, -1)
    if len(np.unique(country)) > 1:
        chord, near = world.tree.query(world.unit_vectors, k=min(_NEAR, n))
        foreign = country[near] != country[:, None]
        hit = foreign.sum(axis=1) > 1  # the second one shows whether the first is alone
        for city in np.flatnonzero(hit):
            distance = chord[city][foreign[city]]
            if _apart(distance, 0):
                found[city] = near[city][foreign[city]][0]
        for inland in np.unique(country[~hit]):  # far from every border: search abroad only
            rows, abroad = np.flatnonzero(~hit & (country == inland)), country != inland
            tree = cKDTree(world.unit_vectors[abroad])
            distance, nearest = tree.query(world.unit_vectors[rows], k=2)
            alone = distance[:, 1] - distance[:, 0] > _EQUAL
            found[rows[alone]] = np.flatnonzero(abroad)[nearest[alone, 0]]
    rows = np.flatnonzero(found >= 0)
    return np.stack([rows, found[rows]], axis=1)


def nearest_foreign_country(world: World) -> Pairs:
    """Rows (city, country of its nearest foreign city)."""
    pairs = nearest_foreign_city(world)
    return np.stack([pairs[:, 0], world.city_country[pairs[:, 1]]], axis=1)


def largest_neighbour(world: World) -> Pairs:
    """Rows (country, the one with the largest area among its land neighbours), without ties."""
    area = world.country_area
    pairs = []
    for country, near in enumerate(world.neighbours):
        by_area = sorted(near, key=lambda other: -area[other])
        if by_area and (len(near) == 1 or area[by_area[0]] > area[by_area[1]]):
            pairs.append((country, by_area[0]))
    return np.array(pairs, np.int64).reshape(-1, 2)


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
    "next less populous country": lambda w: next_by(-w.country_population),
    "next larger country by area": lambda w: next_by(w.country_area),
    "largest neighbour": largest_neighbour,
}
CITY_TO_CITY: dict[str, Callable[[World], Pairs]] = {
    "nearest city": lambda w: nearest_city(w, 1),
    "second nearest city": lambda w: nearest_city(w, 2),
    "farthest city": farthest_city,
    "nearest foreign city": nearest_foreign_city,
    "next larger city": lambda w: next_by(w.population),
    "next smaller city": lambda w: next_by(-w.population),
    "next city north": lambda w: next_by(w.latitude),
    "next city south": lambda w: next_by(-w.latitude),
    "next city east": lambda w: next_by(w.longitude),
    "next city west": lambda w: next_by(-w.longitude),
}
CITY_TO_COUNTRY: dict[str, Callable[[World], Pairs]] = {
    "nearest foreign country": nearest_foreign_country,
}
