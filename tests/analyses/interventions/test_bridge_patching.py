"""Bridge patching: only the state that carries the bridge changes the answer to the donor's."""

from __future__ import annotations

import numpy as np
import pytest
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.interventions.bridge_patching import KEPT, NO_DONOR, SUCCESS, draw_donors
from analyses.questions.corruptions import FactTable
from analyses.questions.examples import draw_examples
from circuits.errors import HopscopeError

PATCHING = CATALOG["bridge_patching"]
OPTIONS = PATCHING.options({})
WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)


@pytest.mark.parametrize("split", ["train_inferred", "id_test"])
def test_the_answer_follows_the_bridge_at_the_one_state_that_carries_it(split: str) -> None:
    examples = draw_examples(WIRED.corpus, split, 60)
    found = PATCHING.run(WIRED.model, examples, OPTIONS)
    expected = np.zeros((5, 3))
    expected[2, 1] = 1  # after the first hop, before the second, at relation_1
    np.testing.assert_array_equal(found.success.sel(control="bridge"), expected)
    for placebo in ("same_bridge", "random"):
        assert (found.success.sel(control=placebo).fillna(0) == 0).all()


def test_a_donor_with_the_same_bridge_leaves_the_answer_alone() -> None:
    found = PATCHING.run(WIRED.model, draw_examples(WIRED.corpus, "train_inferred", 60), OPTIONS)
    kept = found.kept.sel(control="same_bridge")
    assert (kept.sel(position="relation_1", layer=[2, 3, 4]) == 1).all()
    assert found.kept.sel(control="bridge", position="relation_1", layer=2) == 0


def test_a_random_model_follows_no_bridge() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 87)
    found = PATCHING.run(random_model(WIRED.corpus), examples, OPTIONS)
    assert (found.success < 0.2).all()
    real, placebo = found.success.sel(control="bridge"), found.success_high.sel(control="random")
    assert (real <= placebo + 0.1).all()


def test_donors_share_nothing_but_what_they_should() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 87)
    donors = draw_donors(examples, OPTIONS)
    pool, queries = WIRED.corpus.queries("train_inferred"), examples.queries
    table = FactTable.of(WIRED.corpus.graph).object
    first = WIRED.corpus.vocab.first_relation
    for c, control in enumerate(OPTIONS.controls):
        for i in np.flatnonzero(donors.rows[c] >= 0):
            donor, question = pool[donors.rows[c, i]], queries[int(i)]
            assert donor.tokens == tuple(donors.tokens[c, i])
            assert donor.tokens[0] != question.tokens[0]
            assert donor.tokens[1] != question.tokens[1]
            assert donor.answer != donors.target[i] != question.answer
            leads_to = table[donor.bridge, question.tokens[2] - first]
            assert (leads_to == donors.target[i]) == (control == "bridge")
            assert (donor.bridge == question.bridge) == (control == "same_bridge")


@pytest.mark.parametrize("bridge", [1, 2])
def test_each_bridge_of_a_three_hop_question_is_at_the_state_that_was_wired(bridge: int) -> None:
    wired = hand_wired(hops=3, n_layers=3)
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    found = PATCHING.run(wired.model, examples, PATCHING.options({"bridge": bridge}))
    expected = np.zeros((4, 4))
    expected[bridge, bridge] = (
        1  # written by block bridge - 1 at relation_<bridge>, read by the next
    )
    np.testing.assert_array_equal(found.success.sel(control="bridge"), expected)
    for placebo in ("same_bridge", "random"):
        assert (found.success.sel(control=placebo).fillna(0) == 0).all()


def test_a_bridge_that_the_questions_do_not_have_is_refused() -> None:
    examples = draw_examples(WIRED.corpus, "train_inferred", 20)
    with pytest.raises(HopscopeError, match="have 1 bridge;"):
        PATCHING.run(WIRED.model, examples, PATCHING.options({"bridge": 2}))


def test_outcomes_of_single_examples_add_up() -> None:
    found = PATCHING.run(WIRED.model, draw_examples(WIRED.corpus, "train_inferred", 60), OPTIONS)
    each = found.outcome_example
    valid = (each != NO_DONOR).sum("example")
    np.testing.assert_allclose((each == SUCCESS).sum("example") / valid, found.success, 1e-6)
    np.testing.assert_allclose((each == KEPT).sum("example") / valid, found.kept, 1e-6)
    np.testing.assert_array_equal(valid[:, 0, 0], found.n_valid)


def test_atomic_questions_have_no_bridge_to_patch() -> None:
    examples = draw_examples(WIRED.corpus, "atomic_id", 20)
    with pytest.raises(HopscopeError, match="no bridges"):
        PATCHING.run(WIRED.model, examples, OPTIONS)
