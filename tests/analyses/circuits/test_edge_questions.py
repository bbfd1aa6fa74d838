"""The single effects behind an edge: those that were put in, rounded as is said."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import xarray as xr

from analyses.circuits.edge_questions import KEPT_PAIRS, edge_questions, example_variables
from analyses.estimates import coarse
from app.instrument.discovered import LISTED, discovered_measures
from circuits.circuit.edge_choice import Effects, Rules, choose
from circuits.errors import HopscopeError

EDGES = ["embed[subject]>mlp.0[subject]", "mlp.0[subject]>output", "embed[subject]>output"]
TOKENS = ["subject", "relation_1"]


def known_result(n: int = 50) -> tuple[xr.Dataset, Effects]:
    """Two kept pairs, (edge 1, subject) and (edge 0, relation 1), and one edge that does nothing.

    Question i has the effect i / 10 along edge 1; the first one has no corruption of relation 1.
    """
    noise = np.random.default_rng(0).normal(0, 0.01, (n, 2, 3))
    real = noise.copy()
    real[:, 0, 1] += np.arange(n) / 10
    real[:, 1, 0] -= 2.0
    real[0, 1] = np.nan
    effects = Effects(real, -noise, np.full((n, 2), 4.0))
    found = choose(effects, Rules(0.01, 0.05, "holm"))
    means = {
        "effect": (("corrupted", "edge"), found.effect),
        "strength": (("edge",), found.share[0]),
        "in_circuit": (("edge",), found.in_circuit.astype(np.int8)),
        "kept": (("corrupted", "edge"), found.kept.astype(np.int8)),
        "edge_frequency": (("edge",), np.ones(3)),
        "accuracy": (("ablation", "variant"), np.ones((1, 1))),
        "full_accuracy": ((), 1.0),
    }
    coords = {"corrupted": TOKENS, "edge": EDGES, "ablation": ["mean"], "variant": ["restricted"]}
    ds = xr.Dataset({**means, **example_variables(effects, found)}, coords)
    ds = ds.expand_dims(step=[7], split=["id_test"])
    ds["example_row"] = (("split", "example"), 100 + np.arange(n)[None])
    return ds, effects


def test_kept_pairs_keep_the_effect_of_every_question() -> None:
    ds, effects = known_result()
    now = ds.isel(step=0, split=0)
    assert now.pair_edge.values.tolist() == [0, 1, -1, -1, -1, -1]
    assert now.pair_token.values.tolist() == [1, 0, -1, -1, -1, -1]
    stored = now.effect_example.values.astype(float)
    for pair, exact in ((0, effects.real[:, 1, 0]), (1, effects.real[:, 0, 1])):
        assert np.nanmax(np.abs(stored[:, pair] - exact)) <= np.nanstd(exact) / 4
    assert np.isnan(stored[:, 2:]).all()


def test_the_questions_of_an_edge_are_listed_strongest_first() -> None:
    ds, _ = known_result()
    found = edge_questions(ds, EDGES[1], split="id_test")
    assert (np.diff(found["effect"]) <= 0).all()
    assert (found["row"][:5] > 140).all()  # the effect rises with the question
    assert (found["row"][-5:] < 110).all()
    against = edge_questions(ds, EDGES[0], split="id_test", step=7)  # its mean is below zero
    assert (np.diff(against["effect"]) >= 0).all()
    assert len(against) == 49
    assert 100 not in against["row"].values


def test_an_edge_or_token_that_is_not_kept_is_refused_in_a_sentence() -> None:
    ds, _ = known_result()
    with pytest.raises(HopscopeError, match=r"embed\[subject\]>output at step 7: it is not among"):
        edge_questions(ds, EDGES[2], split="id_test")
    with pytest.raises(HopscopeError, match="unknown edge 'mlp'"):
        edge_questions(ds, "mlp", split="id_test")
    with pytest.raises(HopscopeError, match="token that the edge carries 'relation_1'"):
        edge_questions(ds, EDGES[1], split="id_test", corrupted="relation_1")


def test_of_more_pairs_than_are_kept_the_strongest_stay() -> None:
    n_edges = KEPT_PAIRS + 10
    mean = np.arange(1, n_edges + 1) / 10
    real = np.random.default_rng(0).normal(mean, 0.01, (20, 1, n_edges))
    effects = Effects(real, np.zeros_like(real), np.ones((20, 1)))
    kept = example_variables(effects, choose(effects, Rules(0.01, 0.0, "holm")))
    assert kept["pair_edge"][1].tolist() == list(range(10, n_edges))


def test_coarse_values_are_off_by_a_quarter_of_their_deviation_at_most() -> None:
    values = np.random.default_rng(0).normal([0.0, 1.0, 300.0], [1e-3, 1.0, 50.0], (400, 3))
    stored = coarse(values).astype(float)
    deviation = values.std(0)
    assert (np.abs(stored - values).max(0) <= deviation / 4).all()
    assert (np.abs(stored.mean(0) - values.mean(0)) < 0.02 * deviation).all()
    assert len(np.unique(stored[:, 1])) < 30
    constant = np.array([[0.3, np.nan], [0.3, 2.0]])
    np.testing.assert_array_equal(coarse(constant), constant.astype(np.float16))


@pytest.mark.parametrize("n", [50, 16])
def test_the_instrument_gets_the_questions_at_either_end(n: int) -> None:
    ds, _ = known_result(n)
    sent = discovered_measures(ds, "id_test", [7])["singles"]
    assert sent["edge"] == [[0, 1]]
    assert sent["token"] == [[1, 0]]
    assert sent["n"] == [[n - 1, n]]  # question 0 has no corruption of relation 1
    largest = np.array(sent["largest"]["values"])[:, None] / 1000
    stored = ds.effect_example.isel(step=0, split=0).transpose("pair", "example").values[:2]
    for end, sign in (("most", 1), ("least", -1)):
        question = _unpacked(sent[end]["question"], "<u2")
        effects = _unpacked(sent[end]["code"], "i1") / 127 * largest
        assert question.shape == (2, min(n, LISTED))
        for pair, direction in ((0, -1), (1, 1)):  # pair 0 has effects below zero
            known = np.flatnonzero(np.isfinite(stored[pair]))
            ranked = sorted(known, key=lambda i, p=pair, s=sign * direction: -s * stored[p, i])
            count = min(LISTED, len(ranked))
            np.testing.assert_allclose(
                effects[pair, :count], stored[pair, ranked[:count]], atol=0.02
            )
            assert set(question[pair, :count]) <= set(known)


def _unpacked(packed: dict[str, Any], dtype: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(packed["base64"]), dtype)
    return data.reshape(packed["shape"])[0]
