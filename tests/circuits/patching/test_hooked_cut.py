"""Attention cut in bridges: the numbers of our own engine, by columns and by roles."""

from __future__ import annotations

import numpy as np
import pytest
from hand_wired import hand_wired, random_model
from worded import worded

from analyses.catalog import CATALOG
from analyses.questions.examples import Examples, draw_examples
from circuits import to_bridge
from circuits.model.bridged import BridgedModel

KNOCKOUT = CATALOG["attention_knockout"]
WIRED = hand_wired(16, 6, n_layers=3, first_hop=0, second_hop=1)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 12)


@pytest.mark.parametrize("span", [None, "last", "all"])
def test_a_cut_in_a_bridge_has_the_numbers_of_our_own_model(span: str | None) -> None:
    examples, options = EXAMPLES, {"width": 2}
    model = random_model(WIRED.corpus, n_layers=3)
    if span is not None:
        queries = worded(EXAMPLES.queries, backwards=True)
        examples = Examples("id_test", queries, EXAMPLES.rows, WIRED.corpus)
        model = random_model(WIRED.corpus, d_vocab=40, n_ctx=24, n_layers=3)
        options["span"] = span
    ours = KNOCKOUT.run(model, examples, KNOCKOUT.options(options))
    theirs = KNOCKOUT.run(BridgedModel(to_bridge(model)), examples, KNOCKOUT.options(options))
    assert list(theirs.data_vars) == list(ours.data_vars)
    for name, values in ours.data_vars.items():
        assert np.allclose(theirs[name], values, atol=1e-5, equal_nan=True), name


def test_in_the_bridge_of_the_wired_model_the_second_hops_edge_takes_the_answers() -> None:
    wired = KNOCKOUT.run(BridgedModel(to_bridge(WIRED.model)), EXAMPLES, KNOCKOUT.options({}))
    hop_2 = wired.lost.sel({"from": "relation_1", "to": "relation_2"})
    assert hop_2.sel(window="block 2") > 0.8
    assert hop_2.sel(window="block 1") == 0
