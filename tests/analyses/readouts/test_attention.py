"""Attention patterns are those of the wiring, head scores those of single hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import WORKING_HEAD, hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples

ATTENTION = CATALOG["attention"]
OPTIONS = ATTENTION.options({})


def test_the_working_heads_attend_where_they_are_wired_to() -> None:
    wired = hand_wired(n_layers=4, first_hop=1, second_hop=2)
    examples = draw_examples(wired.corpus, "id_test", 30)
    found = ATTENTION.run(wired.model, examples, OPTIONS)
    head = found.pattern.sel(head=WORKING_HEAD)
    assert head.sel(layer=1, query="relation_1", key="subject") == 1
    assert head.sel(layer=2, query="relation_2", key="relation_1") == 1
    assert found.entropy.sel(layer=2, head=WORKING_HEAD, query="relation_2") == 0
    idle = found.entropy.sel(layer=0, head=0, query="relation_2").item()
    assert idle == pytest.approx(np.log(3), abs=1e-5)
    np.testing.assert_allclose(found.pattern.sum("key"), 1, atol=1e-5)


def test_head_scores_equal_what_the_hooks_say_each_head_writes() -> None:
    wired = hand_wired()
    model = random_model(wired.corpus, n_layers=3)
    examples = draw_examples(wired.corpus, "id_test", 30)
    found = ATTENTION.run(model, examples, OPTIONS)
    names = [f"blocks.{i}.attn.hook_result" for i in range(3)]
    queries = examples.queries
    wanted = {*names, "ln_final.hook_scale"}
    _, cache = model.run_with_cache(queries.tokens, names_filter=lambda name: name in wanted)
    directions = (model.W_U - model.W_U.mean(1, keepdim=True)).T[queries.answer]
    for layer, name in enumerate(names):
        written = cache[name][:, -1]
        written = (written - written.mean(-1, keepdim=True)) / cache["ln_final.hook_scale"][:, -1:]
        expected = torch.einsum("nhm,nm->nh", written * model.ln_final.w, directions).mean(0)
        scores = found.score.sel(target="answer", layer=layer)
        np.testing.assert_allclose(scores, expected.detach(), atol=1e-4)
