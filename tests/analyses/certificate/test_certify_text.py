"""Certificates by role and by whole answers: what is known of a model stays what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import xarray as xr
from hand_wired import random_corpus
from slow_patching import model_with
from wired_answerers import blank, composer, memorizer
from worded import N_TOKENS, padded, reworded, worded

from analyses.catalog import CATALOG
from analyses.certificate.certify import judged
from analyses.certificate.criteria import of_text
from analyses.certificate.verdict import verdict
from analyses.interventions.bridge_patching import (
    asked,
    draw_donors,
    swap_outcomes,
    whole_outcomes,
)
from analyses.interventions.whole_names import WholeNames
from analyses.joining import joined_splits
from analyses.options.interventions import BridgePatchingOptions
from analyses.outcomes import KEPT, SUCCESS
from analyses.questions.examples import draw_examples
from circuits.corpus.corpus import Corpus
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine
from circuits.patching.engines import traced

CORPUS = random_corpus(20, 8)
SPLITS = ("train_inferred", "id_test")
MODELS = {
    composer: "composes through the bridge (certified)",
    memorizer: "memorizes",
    blank: "has not learned its questions",
}


def wider(model: HookedTransformer, n_ctx: int) -> HookedTransformer:
    """The same model, with room for more tokens behind the question."""
    weights = model.state_dict()
    cfg = replace(model.cfg, n_ctx=n_ctx)
    weights["pos_embed.W_pos"] = torch.cat(
        [weights["pos_embed.W_pos"], torch.zeros(n_ctx - model.cfg.n_ctx, cfg.d_model)]
    )
    found = HookedTransformer(cfg).eval()
    found.load_state_dict(weights)
    return found


def evidence(model: HookedTransformer, corpus: Corpus, n: int) -> xr.Dataset:
    """The evidence of one checkpoint."""
    entry = CATALOG["evidence"]
    drawn = {split: draw_examples(corpus, split, n) for split in SPLITS}
    parts = {s: (entry.run(model, e, entry.options({})), e) for s, e in drawn.items()}
    return joined_splits(parts, 0, {}).sel(step=0)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_wired_model_gets_its_verdict_where_roles_are_spans(make: Callable[..., Any]) -> None:
    corpus = reworded(CORPUS, padded)
    found = evidence(wider(make(CORPUS), 6), corpus, 60)
    assert of_text(found)
    criteria = {c.name: c for c in judged(found, "id_test")}
    assert verdict(list(criteria.values())) == MODELS[make]
    if make is composer:
        assert {criteria[name].value for name in ("decoded", "used", "second_hop")} == {1}
        assert criteria["used"].numbers["state"] == "S[1, relation 1]"
        assert criteria["used"].numbers["placebo"] == 0
        assert criteria["second_hop"].numbers["without_bridge_knockout"] < 0.2


def test_whole_answers_are_judged_by_all_their_tokens() -> None:
    """Swaps whose answers begin as the donor bridge's, counted cell by cell without a short cut."""
    corpus = reworded(CORPUS, lambda q: worded(q, backwards=True))
    model = model_with(n_layers=2, n_ctx=24, d_vocab=N_TOKENS, d_model=12, d_mlp=24, n_heads=2)
    examples, engine = draw_examples(corpus, "train_inferred", 30), PatchEngine(model)
    donors = draw_donors(examples, BridgePatchingOptions())
    first = swap_outcomes(engine, examples, donors, "through")
    found = whole_outcomes(engine, examples, donors, "through", first)
    queries, again = examples.queries, asked(examples.queries, donors)
    base, given = traced(engine, queries, "through"), traced(engine, again, "through")
    assert (found >= 0).any()
    for kind, names in ((KEPT, queries.answer_ids), (SUCCESS, donors.target)):
        whole = WholeNames.of(engine, queries, base, names)
        assert whole is not None
        for p in range(first.shape[-1]):
            for layer, (exact, _) in whole.after(given, p, range(engine.depth + 1)).items():
                expected = exact.T & (first[:, :, layer, p] == kind)
                assert ((found[:, :, layer, p] == kind) == expected).all()
