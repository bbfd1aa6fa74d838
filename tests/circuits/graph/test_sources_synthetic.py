"""The generators of *Grokked* give the paper's counts."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.errors import HopscopeError
from circuits.graph.paths import n_two_hop_paths, phi
from circuits.graph.sources import load_source


def test_the_composition_graph_has_the_counts_of_the_paper():
    graph = load_source("grokked_composition")
    assert (len(graph.entities), len(graph.relations), len(graph)) == (2000, 200, 40_000)
    assert graph.count("synthetic") == 40_000
    assert n_two_hop_paths(graph) == 800_000
    assert (np.bincount(graph.facts[:, 0]) == 20).all()
    assert not graph.multi_valued.any()


def test_a_five_percent_draw_splits_paths_as_published():
    # methods 3, one seed: II 721,803, IO 38,197, OI 37,983, OO 2,017; standard deviation < 700
    from circuits.graph.paths import two_hop_paths

    graph = load_source("grokked_composition")
    ood = np.zeros(len(graph), bool)
    ood[np.random.default_rng(0).permutation(len(graph))[:2000]] = True
    paths = two_hop_paths(graph)
    first, second = ood[paths.first_fact], ood[paths.second_fact]
    published = {"II": 721_803, "IO": 38_197, "OI": 37_983, "OO": 2_017}
    counted = {
        "II": (~first & ~second).sum(),
        "IO": (~first & second).sum(),
        "OI": (first & ~second).sum(),
        "OO": (first & second).sum(),
    }
    for kind, n in published.items():
        assert abs(int(counted[kind]) - n) < 0.06 * n


def test_objects_are_drawn_uniformly():
    graph = load_source("grokked_composition")
    incoming = np.bincount(graph.facts[:, 2], minlength=2000)
    assert abs(incoming.var() - 20) < 3  # Poisson: variance equals the mean


def test_the_comparison_table_has_the_counts_of_the_paper():
    graph = load_source("grokked_comparison")
    assert len(graph) == 20_000
    assert len(graph.relations) == 20
    values = {graph.entities[o] for o in graph.facts[:, 2]}
    assert values == {str(v) for v in range(20)}
    assert len(graph.entities) == 1020
    assert phi(graph) == 0


def test_sizes_are_options():
    options = {"n_entities": 64, "n_relations": 24, "out_degree": 16}
    graph = load_source("grokked_composition", options=options)
    assert (len(graph.entities), len(graph.relations), len(graph)) == (64, 24, 1024)
    table = load_source("grokked_comparison", options={"n_entities": 7, "n_attributes": 3})
    assert len(table) == 21


@pytest.mark.parametrize("name", ["grokked_composition", "grokked_comparison"])
def test_the_seed_alone_decides(name):
    small = {"n_entities": 50}
    one, same, other = (load_source(name, options={**small, "seed": seed}) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.facts, same.facts)
    assert one.entities == same.entities
    assert one.facts.tolist() != other.facts.tolist()


def test_more_relations_per_entity_than_there_are_is_refused():
    with pytest.raises(HopscopeError, match="out_degree 30 needs as many distinct relations"):
        load_source("grokked_composition", options={"out_degree": 30, "n_relations": 20})
