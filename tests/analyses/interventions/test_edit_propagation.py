"""Edits made by hand in the wired model propagate through exactly the hop that was edited."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hand_wired import HandWired, hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.interventions.edit_propagation import Edit, measure_edit
from analyses.questions.corruptions import FactTable
from analyses.questions.examples import draw_examples
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer

EDITS = CATALOG["edit_propagation"]
WIRED = hand_wired(16, 6)
TABLE = FactTable.of(WIRED.corpus.graph).object
EXAMPLES = draw_examples(WIRED.corpus, "train_inferred", 100)


def edited(wired: HandWired, row: int, new: int, hops: tuple[int, ...]) -> HookedTransformer:
    """The wired model with fact `row` leading to `new` in the lookups of these blocks."""
    model = copy.deepcopy(wired.model)
    n, k = len(wired.corpus.vocab.entities), len(wired.corpus.vocab.relations)
    for block in hops:
        start = n + k + 3 + n * (1 if block == wired.first_hop else 3)
        model.blocks[block].mlp.W_out.data[row] = 0
        model.blocks[block].mlp.W_out.data[row, start + new] = 1.0
    return model


def some_edit() -> tuple[int, Edit]:
    """A fact that is asked as both hops, and a new object that leads elsewhere."""
    for row, (s, r, o) in enumerate(WIRED.corpus.graph.facts.tolist()):
        for new in range(len(TABLE)):
            differs = (TABLE[o] >= 0) & (TABLE[new] >= 0) & (TABLE[o] != TABLE[new])
            if new != o and differs.sum() > 1 and (s == TABLE).any() and s not in (o, new):
                return row, Edit(s, r, o, new)
    raise AssertionError


@pytest.mark.parametrize(("hops", "first", "second"), [((0, 1), 1, 1), ((0,), 1, 0), ((1,), 0, 1)])
def test_two_hop_answers_follow_the_hop_that_was_edited(
    hops: tuple[int, ...], first: float, second: float
) -> None:
    row, edit = some_edit()
    after = edited(WIRED, row, edit.new, hops)
    found = measure_edit(WIRED.model, after, EXAMPLES, edit, TABLE)
    assert found["first_hop_before"] == found["second_hop_before"] == 1
    assert (found["first_hop_new"], found["first_hop_old"]) == (first, 1 - first)
    assert (found["second_hop_new"], found["second_hop_old"]) == (second, 1 - second)
    assert found["bystanders_kept"] == 1
    assert found["first_hop_chance"] == found["second_hop_chance"] == 0


def test_a_composing_model_keeps_its_old_answers_if_the_fact_was_changed_in_the_last_block() -> (
    None
):
    wired = hand_wired(16, 6, n_layers=3)
    _, edit = some_edit()
    after, n = copy.deepcopy(wired.model), len(wired.corpus.vocab.entities)
    copied = n + len(wired.corpus.vocab.relations) + 3  # the subject, at relation_1
    mlp = after.blocks[2].mlp
    mlp.W_in.data[[copied + edit.subject, n + edit.relation], 0] = 1.0
    mlp.b_in.data[0] = -1.0
    mlp.W_out.data[0, copied + n + edit.new] = 2.0  # beside the old object, which counts 1
    found = measure_edit(wired.model, after, EXAMPLES, edit, TABLE)
    assert found["learned"] == 1
    assert (found["first_hop_new"], found["first_hop_old"]) == (0, 1)


def test_a_question_that_passes_the_changed_fact_twice_is_not_asked() -> None:
    """(s, r) -> s: the question (s, r, r) is answered by s now, not by what (s, r) was before."""
    row, edit = next(
        (row, Edit(s, r, o, s))
        for row, (s, r, o) in enumerate(WIRED.corpus.graph.facts.tolist())
        if s != o and TABLE[o, r] >= 0 and o != TABLE[o, r] != s
    )
    after = edited(WIRED, row, edit.new, (0, 1))
    found = measure_edit(WIRED.model, after, EXAMPLES, edit, TABLE)
    assert (found["first_hop_new"], found["first_hop_old"]) == (1, 0)
    assert found["second_hop_new"] == 1


def test_without_a_step_nothing_changes() -> None:
    found = EDITS.run(WIRED.model, EXAMPLES, EDITS.options({"max_steps": 0, "n_edits": 5}))
    share = {str(name): found.share.sel(measure=name).item() for name in found.measure.values}
    assert share["learned"] == share["first_hop_new"] == share["second_hop_new"] == 0
    assert share["first_hop_old"] == share["bystanders_kept"] == 1
    assert (found.fact_edit.sel(part="old") != found.fact_edit.sel(part="new")).all()


def test_the_fine_tune_learns_the_fact_and_leaves_the_model_alone() -> None:
    model = random_model(WIRED.corpus)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    options = EDITS.options(
        {"n_edits": 5, "max_steps": 30, "learning_rate": 1e-2, "retained": 16, "sure": 0.6}
    )
    found = EDITS.run(model, EXAMPLES, options)
    assert found.share.sel(measure="learned") == 1
    assert ((found.steps_edit > 0) & (found.steps_edit < 30)).all()
    assert all((p == before[name]).all() for name, p in model.named_parameters())
    assert np.isfinite(found.share_low.sel(measure="learned"))


def test_too_few_facts_to_change_are_refused_in_a_sentence() -> None:
    few = draw_examples(WIRED.corpus, "id_test", 2)
    with pytest.raises(HopscopeError, match="at least 5 are needed"):
        EDITS.run(WIRED.model, few, EDITS.options({}))
