"""DAS: the learned subspace carries the bridge, on questions it was not learned from."""

from __future__ import annotations

import pytest
from hand_wired import hand_wired, random_corpus, random_model

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples
from circuits.errors import HopscopeError

SUBSPACE = CATALOG["bridge_subspace"]
WIRED = hand_wired(20, 8)


def test_a_learned_subspace_carries_the_bridge_and_the_rest_does_not() -> None:
    examples = draw_examples(WIRED.corpus, "id_test", 100)
    found = SUBSPACE.run(WIRED.model, examples, SUBSPACE.options({"rank": 24, "learn_steps": 120}))
    success = found.success.sel(control="bridge")
    assert found.state_layer == 1
    assert success.sel(kind="whole") == 1
    assert success.sel(kind="subspace") > 0.9
    assert success.sel(kind="rest") < 0.05
    assert success.sel(kind="random") < 0.05
    assert (found.success.sel(control=["same_bridge", "random"]) < 0.05).all()
    assert found.kept.sel(kind="subspace", control="same_bridge") > 0.95


def test_a_subspace_as_large_as_the_state_is_the_whole_state() -> None:
    examples = draw_examples(WIRED.corpus, "id_test", 60)
    options = SUBSPACE.options({"rank": 10_000, "learn_steps": 0})
    found = SUBSPACE.run(WIRED.model, examples, options)
    assert found.state_rank == WIRED.model.cfg.d_model
    one, other = (found.outcome_example.sel(kind=kind).values for kind in ("subspace", "whole"))
    assert (one == other).mean() > 0.99


def test_a_random_model_has_no_such_subspace() -> None:
    corpus = random_corpus(20, 8)
    examples = draw_examples(corpus, "id_test", 100)
    found = SUBSPACE.run(
        random_model(corpus), examples, SUBSPACE.options({"rank": 8, "learn_steps": 30})
    )
    assert found.success.sel(kind="subspace", control="bridge") < 0.3


@pytest.mark.parametrize("layer", [2, 5])
def test_a_layer_without_a_block_behind_it_is_refused(layer: int) -> None:
    examples = draw_examples(WIRED.corpus, "id_test", 20)
    with pytest.raises(HopscopeError, match=f"layer {layer} has no block behind it"):
        SUBSPACE.run(WIRED.model, examples, SUBSPACE.options({"layer": layer}))
