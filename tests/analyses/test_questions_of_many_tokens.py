"""Analyses read and patch by role: the same numbers wherever the roles stand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from comparison_corpora import CORPORA
from hand_wired import random_corpus
from slow_patching import model_with
from worded import N_TOKENS, padded, reworded, with_spans, worded

from analyses.catalog import CATALOG
from analyses.fitting import catalog_entry, usual_analyses
from analyses.questions.examples import draw_examples
from circuits import HookedTransformer, HopscopeError
from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.model.bridged import BridgedModel
from circuits.model.transformer_lens_4 import to_bridge

N = 12
OPTIONS: dict[str, dict[str, Any]] = {
    "logit_lens": {},
    "causal_tracing": {},
    "bridge_patching": {},
    "trace_classes": {},
    "coverage": {},
    "probes": {"n_train": 60},
    "tuned_lens": {"n_train": 40, "adam_steps": 2},
    "back_patching": {},
    "attention_knockout": {},
    "mixing": {},
    "attention": {"keep_examples": True},
    "weights": {},
    "component_patching": {"components": ("mlp_out", "z")},
    "bridge_subspace": {"train": 40, "learn_steps": 2, "rank": 4},
    "sparse_probes": {"bridges": 5, "k": (1,)},
    "jacobian_lens": {"prompts": 20},
    "edit_propagation": {"n_edits": 5, "max_steps": 3, "learning_rate": 0.01, "retained": 8},
    "transfer": {"pairs": 5, "tune_steps": 4, "batch": 16},
    "comparison_tracing": {},
    "comparison_lens": {},
}
REFUSED = {name for name, entry in CATALOG.items() if entry.one_token and not entry.joint}


@cache
def _corpus(task: str) -> Corpus:
    return CORPORA["same"] if task == "comparison" else random_corpus(24, 6)


@cache
def _model(d_vocab: int) -> HookedTransformer:
    return model_with(n_layers=2, n_ctx=24, d_vocab=d_vocab, d_model=12, d_mlp=24, n_heads=2)


def _run(name: str, change: Any, model: Any = None, **options: Any) -> xr.Dataset:
    entry = CATALOG[name]
    corpus = reworded(_corpus(entry.tasks[0]), change)
    split = "id_test" if entry.tasks[0] == "comparison" else "train_inferred"
    model = model or _model(len(corpus.vocab))
    with torch.no_grad():
        return entry.run(
            model, draw_examples(corpus, split, N), entry.options(OPTIONS[name] | options)
        )


def _as_it_is(queries: Queries) -> Queries:
    return queries


def test_every_analysis_works_on_many_tokens_or_says_why_not() -> None:
    checked = set(OPTIONS) | {name for name, entry in CATALOG.items() if entry.one_token}
    checked |= {name for name, entry in CATALOG.items() if entry.needs_text}  # tests/.../latent
    checked |= {"evidence", "composability"}  # tests/analyses/{certificate,latent}
    checked.add("crosscoder")  # tests/analyses/over_training/test_bridge_features.py
    checked.add("learning_coefficient")  # needs a package; it reads nothing but the training set
    assert set(CATALOG) == checked


@pytest.mark.parametrize("name", OPTIONS)
def test_junk_behind_the_questions_changes_no_number(name: str) -> None:
    plain, other = _run(name, _as_it_is), _run(name, padded)
    assert list(plain.sizes.items()) == list(other.sizes.items())
    for key, values in plain.data_vars.items():
        if key.startswith("mrr_added") and "position" in values.dims:
            # what the shorter prompt adds is 0 by construction, and not measured by role
            values, found = (ds[key].isel(position=slice(2, None)) for ds in (plain, other))
        else:
            found = other[key]
        a, b = values.values, found.values
        if name == "component_patching":  # by role, places before the corrupted name count as well
            b = np.where(np.isnan(a), np.nan, b) if a.dtype.kind == "f" else a
        if a.dtype.kind in "fiub":
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4, err_msg=key)


@pytest.mark.parametrize("name", ["logit_lens", "causal_tracing", "attention", "probes"])
def test_spans_given_for_one_token_roles_give_the_same_bits(name: str) -> None:
    xr.testing.assert_identical(_run(name, _as_it_is), _run(name, with_spans))


@pytest.mark.parametrize("name", OPTIONS)
def test_questions_of_many_tokens_in_any_order_are_analyzed(name: str) -> None:
    found = _run(name, lambda q: worded(q, backwards=True), _model(N_TOKENS))
    if "position" in found.sizes:
        assert found.position.values.tolist()[:2] in (
            ["subject", "relation_1"],
            ["attribute", "entity_1"],
        )
    assert any(np.isfinite(v.values).any() for v in found.data_vars.values() if v.dtype.kind == "f")


@pytest.mark.parametrize("name", ["bridge_patching"])
def test_a_bridged_model_gives_the_same_numbers_by_role(name: str) -> None:
    model = _model(N_TOKENS)
    ours, theirs = (_run(name, worded, m) for m in (model, BridgedModel(to_bridge(model))))
    for key, values in ours.data_vars.items():
        if values.dtype.kind in "fiub":
            np.testing.assert_allclose(values, theirs[key], rtol=2e-3, atol=2e-4, err_msg=key)


def _worded_backwards(queries: Queries) -> Queries:
    return worded(queries, backwards=True)


def test_what_is_read_through_a_role_is_the_best_of_the_role_and_of_what_follows() -> None:
    found = {
        span: _run("logit_lens", _worded_backwards, _model(N_TOKENS), span=span).rank_example
        for span in ("last", "all", "after", "through")
    }
    nowhere = np.iinfo(np.int16).max
    after = found["after"].where(found["after"] >= 0, nowhere)
    assert (found["after"] < 0).any()  # names that the next one follows at once
    assert (found["all"] <= found["last"]).all()
    assert (found["through"] == np.minimum(found["all"], after)).all()
    assert (found["through"] < found["all"]).any()


@pytest.mark.parametrize("name", ["bridge_patching", "causal_tracing"])
def test_more_tokens_swapped_change_more_and_absent_ones_nothing(name: str) -> None:
    found = {
        span: _run(name, _worded_backwards, _model(N_TOKENS), span=span)
        for span in ("last", "all", "after", "through")
    }
    if name == "bridge_patching":
        absent = found["after"].outcome_example.sel(control="bridge", layer=0) < 0
        assert absent.any()
        assert (found["all"].outcome_example >= found["last"].outcome_example.min()).all()
        return
    changed = {k: ds.changed.sel(layer=0).mean().item() for k, ds in found.items()}
    assert changed["last"] < changed["all"] <= changed["through"] + 0.02
    assert (found["after"].n_valid < found["through"].n_valid).any()


def test_spans_of_one_token_names_are_the_names_and_nothing_after_them() -> None:
    whole, last = (_run("bridge_patching", _as_it_is, span=span) for span in ("all", "last"))
    assert (whole.outcome_example == last.outcome_example).all()
    with pytest.raises(HopscopeError, match="no token stands between the roles"):
        _run("bridge_patching", _as_it_is, span="after")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_analysis_of_columns_refuses_many_tokens_in_a_sentence(name: str) -> None:
    entry = CATALOG[name]
    examples = draw_examples(reworded(_corpus("composition"), worded), "train_inferred", N)
    with pytest.raises(HopscopeError, match=f"{name} needs questions of one token per name"):
        entry.run(_model(N_TOKENS), examples, entry.options({}))
    with pytest.raises(HopscopeError, match=r"analyses for this run: logit_lens"):
        catalog_entry(name, "composition", text=True)
    assert name not in usual_analyses("composition", text=True)


def test_noise_on_a_name_is_on_all_its_tokens() -> None:
    entry = CATALOG["causal_tracing"]
    examples = draw_examples(reworded(_corpus("composition"), worded), "train_inferred", N)
    options = entry.options({"corruption": "noise"})
    found = entry.run(_model(N_TOKENS), examples, options)
    last_layer = found.changed.isel(layer=-1)
    assert float(last_layer.max()) == 0  # nothing reads a name's state after the last block
    assert float(found.changed.isel(layer=0).max()) > 0


def test_the_training_set_predicts_every_token_of_each_answer() -> None:
    plain = _corpus("composition")
    one, other = plain.training_set(), reworded(plain, padded).training_set()
    assert torch.equal(one.predict_at, other.predict_at)
    assert torch.equal(one.answer, other.answer)
    asked = worded(plain.splits["train_inferred"])
    text = reworded(plain, worded).training_set()
    assert asked.names is not None
    row = 0
    for query, name in zip(asked, asked.answer_ids.tolist(), strict=True):
        for step, token in enumerate(asked.names.closed(name)):
            wanted = [*query.tokens, *asked.names.closed(name)[:step]]
            assert text.tokens[row, : len(wanted)].tolist() == wanted
            assert (text.predict_at[row], text.answer[row]) == (len(wanted) - 1, token)
            row += 1


def test_a_rank_of_text_says_how_many_names_it_stands_for() -> None:
    found = _run("logit_lens", worded, _model(N_TOKENS)).sharing_example
    queries = draw_examples(reworded(_corpus("composition"), worded), "train_inferred", N).queries
    assert queries.names is not None
    first = queries.names.first.tolist()
    expected = [first.count(token) for token in queries.answer_tokens.tolist()]
    assert found.sel(target="answer").values.tolist() == expected
    assert max(expected) > 1
    assert "sharing_example" not in _run("logit_lens", _as_it_is)


@pytest.mark.parametrize("span", ["last", "through"])
def test_a_rank_among_names_leaves_out_tokens_that_begin_none(span: str) -> None:
    model = _model(N_TOKENS)
    found = _run("logit_lens", worded, model, span=span)
    queries = draw_examples(reworded(_corpus("composition"), worded), "train_inferred", N).queries
    assert queries.names is not None
    ranks = found.rank_among_names_example
    assert (ranks.sel(target="relation_2") == -1).all()
    if span == "last":
        _, cache = model.run_with_cache(queries.tokens, names_filter="blocks.0.hook_resid_post")
        entities = range(queries.vocab.first_relation)
        for row, (query, column) in enumerate(
            zip(queries, queries.role_columns[:, 1], strict=True)
        ):
            state = cache["blocks.0.hook_resid_post"][row, column]
            logits = model.unembed(model.ln_final(state[None, None]))[0, 0].tolist()
            own = logits[queries.names.tokens(query.bridge)[0]]
            better = [e for e in entities if logits[queries.names.tokens(e)[0]] >= own]
            rank = ranks.sel(target="bridge", layer=1, position="relation_1")[row]
            assert rank == len(better) - 1
    everything = found.rank_example.sel(target=["bridge", "answer"])
    assert (ranks.sel(target=["bridge", "answer"]) != everything).any()
    assert "mrr_among_names" not in _run("logit_lens", _as_it_is)
