"""The lens finds what is written in the hand-wired model, where it is written."""

from __future__ import annotations

import numpy as np
import torch
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples
from analyses.readouts.logit_lens import lens_targets, ranks
from circuits.patching.engine import PatchEngine

LENS = CATALOG["logit_lens"]


def test_the_bridge_is_read_where_the_first_hop_writes_it_and_nowhere_else() -> None:
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    examples = draw_examples(wired.corpus, "id_test", 30)
    mrr = LENS.run(wired.model, examples, LENS.options({})).mrr
    bridge = mrr.sel(target="bridge")
    assert (bridge.sel(position="relation_1", layer=[2, 3, 4]) == 1).all()
    assert (bridge.sel(layer=[0, 1]) < 0.3).all()
    assert (bridge.sel(position=["subject", "relation_2"]) < 0.3).all()


def test_relation_2_waits_until_the_answer_is_written() -> None:
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    examples = draw_examples(wired.corpus, "train_inferred", 60)
    mrr = LENS.run(wired.model, examples, LENS.options({})).mrr.sel(position="relation_2")
    assert (mrr.sel(target="relation_2", layer=[0, 1, 2]) == 1).all()
    assert (mrr.sel(target="answer", layer=[3, 4]) == 1).all()
    assert (mrr.sel(target="answer", layer=[0, 1, 2]) < 0.3).all()


def test_the_lens_at_the_last_state_is_the_model() -> None:
    wired = hand_wired()
    model = random_model(wired.corpus)
    queries = draw_examples(wired.corpus, "train_inferred", 60).queries
    _, targets = lens_targets(queries)
    rank, probability = ranks(PatchEngine(model), queries.tokens, targets)
    logits = model(queries.tokens)[:, -1]
    expected = (logits > logits.gather(1, queries.answer[:, None])).sum(-1)
    np.testing.assert_array_equal(rank[:, -1, -1, -1], expected)
    chance = logits.softmax(-1).gather(1, queries.answer[:, None])[:, 0].detach()
    torch.testing.assert_close(torch.from_numpy(probability[:, -1, -1, -1]), chance)


def test_a_random_model_decodes_at_chance() -> None:
    wired = hand_wired()
    examples = draw_examples(wired.corpus, "train_inferred", 80)
    found = LENS.run(random_model(wired.corpus), examples, LENS.options({}))
    by_chance = np.mean(1 / np.arange(1, len(wired.corpus.vocab) + 1))
    answer = found.sel(target="answer", position="relation_2", layer=2)
    assert answer.mrr_low.item() < by_chance < answer.mrr_high.item() + 0.1


def test_ranks_of_single_examples_average_to_the_mrr() -> None:
    wired = hand_wired()
    examples = draw_examples(wired.corpus, "id_test", 20)
    found = LENS.run(random_model(wired.corpus), examples, LENS.options({}))
    np.testing.assert_allclose((1 / (found.rank_example + 1.0)).mean("example"), found.mrr, 1e-5)
    assert (found.mrr_low <= found.mrr).all()
    assert (found.mrr <= found.mrr_high).all()
