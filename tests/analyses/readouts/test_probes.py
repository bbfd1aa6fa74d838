"""Probes find the bridge where the wired model has it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import hand_wired
from torch.nn.functional import cosine_similarity

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples
from analyses.readouts import probes
from analyses.readouts.state_map import multidimensional_scaling
from analyses.readouts.states import row_keys, states, trained_questions
from circuits.errors import HopscopeError

PROBES = CATALOG["probes"]
WIRED = hand_wired(16, 6, n_layers=4, first_hop=1, second_hop=2)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 60)


@pytest.fixture(scope="module")
def found():
    return PROBES.run(WIRED.model, EXAMPLES, PROBES.options({}))


def test_the_bridge_is_probed_where_hop_one_has_written_it_and_not_before(found) -> None:
    right = found.accuracy.sel(labels="bridge", position="relation_1")
    assert (right.sel(layer=[2, 3, 4]) > 0.95).all()
    assert (right.sel(layer=[0, 1]) < 0.4).all()
    assert (found.accuracy_low <= found.accuracy).all()


def test_a_probe_of_shuffled_bridges_finds_nothing(found) -> None:
    assert (found.accuracy.sel(labels="shuffled") < 0.4).all()


def test_the_logistic_probe_agrees(found) -> None:
    options = PROBES.options({"classifier": "logistic", "penalty": 0.05})
    right = PROBES.run(WIRED.model, EXAMPLES, options).accuracy
    assert right.sel(labels="bridge", position="relation_1", layer=2) > 0.8
    assert right.sel(labels="bridge", position="relation_1", layer=1) < 0.4


def test_states_with_the_same_bridge_are_alike_once_it_is_there(found) -> None:
    at = {"position": "relation_1", "layer": 2}
    for name in ("cohesion", "alignment"):
        assert found[name].sel(at) > found[f"{name}_other"].sel(at) + 0.2
        assert abs(found[name].sel(at | {"layer": 1}) - found[f"{name}_other"].sel(at)) < 0.2


def test_cosines_to_embedding_and_unembedding_are_those_of_the_wiring(found) -> None:
    # four orthogonal unit parts in the state, one of them shared with a W_U column of length sqrt 2
    at = {"position": "relation_1", "layer": 2}
    assert found.cosine_unembedding.sel(at).item() == pytest.approx(0.5 / 2**0.5, abs=1e-5)
    assert found.cosine_embedding.sel(at).item() == pytest.approx(0, abs=1e-5)


def test_the_baseline_of_a_cosine_is_the_mean_over_all_other_entities_and_says_so(found) -> None:
    queries, model = EXAMPLES.queries, WIRED.model
    n_entities = queries.vocab.first_relation
    state = states(model, queries.tokens)[2, :, 1]
    for name, weight in (("embedding", model.W_E), ("unembedding", model.W_U.T)):
        cosines = cosine_similarity(state[:, None], weight[:n_entities].detach()[None], dim=-1)
        bridge = torch.nn.functional.one_hot(queries.bridge, n_entities).bool()
        expected = float(cosines[~bridge].mean())
        stored = found[f"cosine_{name}_other"].sel(position="relation_1", layer=2)
        assert stored.item() == pytest.approx(expected, abs=1e-5)
        assert stored.long_name.endswith("mean over all other entities")
    for name in ("cohesion", "alignment"):
        assert found[f"{name}_other"].long_name.endswith("mean over other bridges")


def test_no_example_is_judged_by_a_probe_that_saw_its_first_hop() -> None:
    train = WIRED.corpus.queries("train_inferred")
    folds = probes.deal_folds(train, EXAMPLES.queries, PROBES.options({}))
    seen = row_keys(train.token_ids[:, :2], 100)
    asked = row_keys(EXAMPLES.queries.token_ids[:, :2], 100)
    for fold in folds.used():
        assert not np.isin(asked[folds.examples == fold], seen[folds.train != fold]).any()


def test_the_map_holds_each_bridge_s_states_and_no_others(found) -> None:
    bridge = EXAMPLES.queries.bridge.numpy()
    placed = np.isfinite(found.map_state.values[..., 0]).sum(1)
    expected = [(bridge == int(name[1:])).sum() for name in found.map_bridge.values]
    assert placed.tolist() == expected
    assert found.map_centroid.values[0, 0] >= 0


def test_scaling_keeps_the_distances_of_a_plane_that_the_start_does_not_show() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(20, 2))
    states = plane @ np.linalg.qr(rng.normal(size=(10, 2)))[0].T  # turned into ten dimensions
    rows = np.array([[*range(10)], [*range(10, 19), -1]])
    placed, stress = multidimensional_scaling(states, plane + rng.normal(size=(20, 2)), rows)
    assert stress < 0.01
    assert np.isnan(placed[1, 9]).all()
    found, true = placed.reshape(20, 2)[:19], plane[:19]
    far = np.linalg.norm(true[:, None] - true, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=-1), far, atol=0.1)


def test_the_map_explains_the_variance_of_trained_states_with_its_bridges(found) -> None:
    options = PROBES.options({})
    train = trained_questions(WIRED.corpus, options.n_train, options.seed)
    names = [WIRED.corpus.vocab.name(int(b)) for b in train.bridge]
    mapped = np.isin(names, found.map_bridge.values)
    assert 0 < mapped.sum() < len(names)  # other bridges are among the trained ones
    x = states(WIRED.model, train.tokens)[WIRED.model.depth - 1, :, 1].numpy()[mapped]
    spread = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    np.testing.assert_allclose(found.map_explained, spread[:2] / spread.sum(), rtol=1e-3)


def test_the_scaled_map_shows_the_states_of_the_other_one(found) -> None:
    np.testing.assert_array_equal(np.isfinite(found.map_mds), np.isfinite(found.map_state))
    assert 0 <= found.map_stress < 1


def test_a_state_that_does_not_exist_is_refused_in_a_sentence() -> None:
    with pytest.raises(HopscopeError, match="map_layer = 9"):
        PROBES.run(WIRED.model, EXAMPLES, PROBES.options({"map_layer": 9}))
