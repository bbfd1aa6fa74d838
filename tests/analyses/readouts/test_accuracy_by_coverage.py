"""Accuracy by coverage: counted by hand, and as high for the wired model whatever is covered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.joining import joined_splits
from analyses.questions.examples import draw_examples
from analyses.readouts.coverage import LEVELS
from circuits.corpus.coverage import every_fragment, k_cutoff

COVERAGE = CATALOG["coverage"]
WIRED = hand_wired(16, 6)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 1000)


def test_a_model_that_composes_is_right_also_where_nothing_is_covered() -> None:
    found = COVERAGE.run(WIRED.model, EXAMPLES, COVERAGE.options({}))
    one = found.sel(fragments="first_hop")
    assert one.accuracy_n.sel(k="0") >= 5
    assert one.accuracy.sel(k="0") == 1


def test_accuracy_is_that_of_the_questions_with_this_cutoff() -> None:
    model = random_model(WIRED.corpus)
    with torch.no_grad():  # a model that is right for every other question
        top = model(EXAMPLES.queries.tokens)[:, -1].argmax(-1)
    answers = np.where(np.arange(len(EXAMPLES)) % 2, EXAMPLES.queries.answer_ids, top + 0)
    asked = replace(EXAMPLES, queries=replace(EXAMPLES.queries, answer_ids=answers), _memo={})
    found = COVERAGE.run(model, asked, COVERAGE.options({}))
    trained = WIRED.corpus.queries("train_inferred")
    for name, fragments in (("first_hop", ((0, 1),)), ("every", every_fragment(3))):
        one = found.sel(fragments=name)
        cutoffs = k_cutoff(trained, asked.queries, fragments)
        np.testing.assert_array_equal(one.k_example, cutoffs)
        assert one.covered.item() == pytest.approx((cutoffs > 0).mean())
        for level, (low, high) in LEVELS.items():
            rows = [i for i, k in enumerate(cutoffs) if low <= k <= high]
            assert one.accuracy_n.sel(k=level) == len(rows)
            if rows:
                right = np.mean([top[i].item() == answers[i] for i in rows])
                assert one.accuracy.sel(k=level).item() == pytest.approx(right)
        assert one.accuracy_n.sum() == len(asked)


def test_what_is_known_before_training_is_stored_once_for_all_steps() -> None:
    found = COVERAGE.run(WIRED.model, EXAMPLES, COVERAGE.options({}))
    joined = joined_splits({"id_test": (found, EXAMPLES)}, 7, {})
    assert "step" not in joined.k_example.dims
    assert "step" not in joined.covered.dims
    assert "step" in joined.accuracy.dims
