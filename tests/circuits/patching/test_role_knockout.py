"""Attention cut between roles: the numbers of the fast engine, and of one prompt at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from circuits.patching.role_knockout import cut_logits, edges
from hand_wired import hand_wired, random_model
from worded import worded

from analyses.catalog import CATALOG
from analyses.interventions.attention_knockout import _by_role
from analyses.questions.examples import Examples, draw_examples
from circuits import to_bridge
from circuits.model.bridged import BridgedModel

KNOCKOUT = CATALOG["attention_knockout"]
WIRED = hand_wired(16, 6, n_layers=3, first_hop=0, second_hop=1)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 12)


def test_by_role_and_by_the_fast_engine_a_cut_has_the_same_numbers() -> None:
    options = KNOCKOUT.options({"width": 2})
    random = random_model(WIRED.corpus, n_layers=3)
    pairs = (
        (WIRED.model, WIRED.model),
        (random, random),
        (random, BridgedModel(to_bridge(random))),
    )
    for model, same in pairs:
        fast = KNOCKOUT.run(model, EXAMPLES, options)
        slow = _by_role(same, EXAMPLES, options)
        assert list(slow.data_vars) == list(fast.data_vars)
        for name, values in fast.data_vars.items():
            assert np.allclose(slow[name], values, atol=1e-5, equal_nan=True), name


@pytest.mark.parametrize("bridged", [False, True])
def test_in_sentences_a_cut_is_that_of_each_prompt_alone_token_by_token(bridged: bool) -> None:
    queries = worded(EXAMPLES.queries, backwards=True)
    ours = random_model(WIRED.corpus, d_vocab=40, n_ctx=24, n_layers=3)
    model = BridgedModel(to_bridge(ours)) if bridged else ours
    there, spans = edges(queries), queries.spans
    assert spans is not None
    assert there.any(0)[1, 0] > there.all(0)[1, 0]  # the order of roles differs by question
    for read, reads in ((0, 1), (1, 0), (0, 3), (2, 3), (1, 1)):
        found = cut_logits(model, queries, range(1, 3), read, reads)
        for i in range(len(queries)):
            alone = torch.tensor([queries[i].tokens])
            expected = _one_by_one(ours, alone, spans[i, read], spans[i, reads])
            assert torch.allclose(found[i], expected, atol=1e-4)


def test_an_edge_that_no_question_has_gets_no_value_and_the_wired_one_takes_all_answers() -> None:
    model = random_model(WIRED.corpus, d_vocab=40, n_ctx=24, n_layers=2)
    queries = worded(EXAMPLES.queries)
    found = KNOCKOUT.run(
        model, Examples("id_test", queries, EXAMPLES.rows, WIRED.corpus), KNOCKOUT.options({})
    )
    usable = found.usable.sel(window="all blocks").values
    assert (usable[np.triu_indices(4)] == 1).all()
    assert (usable[np.tril_indices(4, -1)] == -1).all()
    assert np.isnan(found.changed.values[found.usable.values == -1]).all()
    wired = KNOCKOUT.run(BridgedModel(to_bridge(WIRED.model)), EXAMPLES, KNOCKOUT.options({}))
    hop_2 = wired.lost.sel({"from": "relation_1", "to": "relation_2"})
    assert hop_2.sel(window="block 2") > 0.8
    assert hop_2.sel(window="block 1") == 0


@torch.no_grad()
def _one_by_one(model, tokens, read, reads):
    """Single edges of single heads, set to -inf in a loop."""

    def cut(scores, hook):
        for head in range(scores.shape[1]):
            for q in range(*reads):
                for k in range(*read):
                    scores[0, head, q, k] = -torch.inf
        return scores

    def silent(pattern, hook):
        return pattern.nan_to_num()

    hooks = [
        (f"blocks.{i}.attn.hook_{name}", change)
        for i in (1, 2)
        for name, change in (("attn_scores", cut), ("pattern", silent))
    ]
    with model.hooks(fwd_hooks=hooks):
        return model(tokens)[0, -1]
