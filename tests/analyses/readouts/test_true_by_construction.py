"""Identities that hold in every causal model, shown on random ones: what they say is no finding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from comparison_corpora import CORPORA
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.questions.comparison_corruptions import other_first_entities
from analyses.questions.corruptions import draw_corruptions
from analyses.questions.examples import Examples, draw_examples
from analyses.questions.placebos import draw_placebos
from analyses.readouts.states import states
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.graph.knowledge_graph import KnowledgeGraph

CORPUS = hand_wired().corpus
MODEL = random_model(CORPUS)
EXAMPLES = draw_examples(CORPUS, "id_test", 40)
SHORT = ["subject", "relation_1"]


def measured(name: str, examples: Examples = EXAMPLES, **options: object) -> xr.Dataset:
    entry = CATALOG[name]
    model = random_model(examples.corpus)
    return entry.run(model, examples, entry.options(options))


def without_the_rest(examples: Examples) -> Examples:
    """The same questions cut after relation_1: atomic prompts, whose answer is the bridge."""
    return replace(examples, queries=_cut(examples.queries))


def _cut(queries: Queries) -> Queries:
    tokens, answer = queries.token_ids[:, :2], queries.bridge_ids[:, 0]
    return replace(queries, kind="atomic", token_ids=tokens, answer_ids=answer)


@pytest.mark.parametrize(
    ("name", "axes", "at_relation_1"),
    [
        ("logit_lens", ("position",), ()),
        ("tuned_lens", ("position",), ()),
        ("probes", ("position",), ("map_state", "map_mds")),
        ("attention", ("query", "key"), ("score",)),
        ("trace_classes", (), ("decoded", "decoded_any_state", "decoded_chance")),
    ],
)
def test_a_readout_up_to_relation_1_is_that_of_the_atomic_prompt_bit_for_bit(
    name: str, axes: tuple[str, ...], at_relation_1: tuple[str, ...]
) -> None:
    options = {"n_train": 40, "adam_steps": 2} if name == "tuned_lens" else {}
    cut = without_the_rest(EXAMPLES)
    if name == "probes":  # they learn from states of the same prompts
        trained = {**CORPUS.splits, "train_inferred": _cut(CORPUS.queries("train_inferred"))}
        cut = replace(cut, corpus=replace(CORPUS, splits=trained))
    asked, atomic = (measured(name, ex, **options) for ex in (EXAMPLES, cut))
    if "target" in asked.dims:
        asked, atomic = asked.sel(target="bridge"), atomic.sel(target="answer")
    same = [v for v in asked if v in at_relation_1 or {*axes[:1]} & set(asked[v].dims)]
    # intervals come from sums in another order; the last state of an atomic prompt is its output
    same = [v for v in same if not str(v).endswith(("_low", "_high"))]
    assert same
    for variable in same:
        one = asked[variable].sel({a: SHORT for a in axes if a in asked[variable].dims})
        # a cosine is a sum over a batch, whose shape decides the order of the terms
        rtol = 2e-5 if name == "probes" and "accuracy" not in str(variable) else 0
        np.testing.assert_allclose(
            one.values, atomic[variable].values, rtol=rtol, atol=rtol, err_msg=str(variable)
        )


def test_a_state_of_the_subject_is_that_of_the_prompt_of_one_token() -> None:
    tokens = EXAMPLES.queries.tokens
    torch.testing.assert_close(
        states(MODEL, tokens)[:, :, :1], states(MODEL, tokens[:, :1]), rtol=0, atol=0
    )


def test_the_lens_of_comparisons_at_entity_1_is_that_of_the_atomic_prompt() -> None:
    corpus = CORPORA["order"]
    examples = draw_examples(corpus, "id_test", 30)
    tokens = examples.queries.tokens
    model = random_model(corpus)
    logits, atomic = (model.logits_of(states(model, t)) for t in (tokens, tokens[:, :2]))
    torch.testing.assert_close(logits[:, :, :2], atomic, rtol=0, atol=0)


def test_layer_0_holds_nothing_but_the_token_at_its_place() -> None:
    tokens = EXAMPLES.queries.tokens
    other = tokens.roll(1, 0).clone()
    for p in range(tokens.shape[1]):
        mixed = other.clone()
        mixed[:, p] = tokens[:, p]
        assert torch.equal(states(MODEL, mixed)[0, :, p], states(MODEL, tokens)[0, :, p])


def test_swapping_a_state_of_layer_0_is_replacing_its_token() -> None:
    found = measured("causal_tracing", corruptions=1)
    queries = EXAMPLES.queries
    clean = MODEL(queries.tokens)[:, -1].argmax(-1).numpy()
    for p, name in enumerate(queries.positions):
        drawn = draw_corruptions(
            queries, CORPUS.graph, CORPUS.in_distribution, p, draws=1, reference=False, seed=0
        )
        tokens = queries.tokens.clone()
        tokens[:, p] = torch.from_numpy(drawn.tokens[0].astype(np.int64))
        changed = (MODEL(tokens)[:, -1].argmax(-1).numpy() != clean)[drawn.valid[0]]
        assert found.changed.sel(layer=0, position=name).item() == pytest.approx(changed.mean())


def test_swapping_a_state_that_cannot_reach_the_answer_does_nothing() -> None:
    tracing, swap = measured("causal_tracing"), measured("bridge_patching")
    last = {"layer": 2, "position": SHORT}
    assert (tracing.changed.sel(last) == 0).all()
    wrong = 1 - _accuracy()
    assert tracing.strength.sel(last).values == pytest.approx(wrong, abs=0.1)
    # the answer is the unpatched one, whatever the state that was written
    assert (swap.kept.sel(layer=2, position="subject") == swap.kept.sel(last)).all()
    assert (swap.success.sel(layer=2, position="subject") == swap.success.sel(last)).all()


def test_the_last_block_s_output_before_the_last_position_has_no_effect() -> None:
    found = measured("component_patching")
    before = found.effect.sel(
        layer=1, position=SHORT, component=["resid_mid", "attn_out", "mlp_out"]
    )
    assert np.nanmax(np.abs(before)) == 0


def test_the_answer_comes_first_at_the_last_state_exactly_if_the_model_is_right() -> None:
    lens = measured("logit_lens").rank_example.sel(target="answer", layer=2, position="relation_2")
    assert (lens == 0).mean().item() == pytest.approx(_accuracy())


def test_both_lenses_are_the_output_at_the_last_layer() -> None:
    found = measured("tuned_lens", n_train=40, adam_steps=2).sel(layer=2)
    assert np.abs(found.kl).max() < 1e-6
    assert np.abs(found.kl_logit_lens).max() < 1e-6


def test_the_first_position_attends_to_itself_alone() -> None:
    pattern = measured("attention").pattern.sel(query="subject")
    assert (pattern.sel(key="subject") == 1).all()
    assert (pattern.sel(key=["relation_1", "relation_2"]) == 0).all()


def test_a_bridge_decoded_at_the_last_layer_is_the_answer_to_the_atomic_prompt() -> None:
    queries = EXAMPLES.queries
    entities = len(CORPUS.vocab.entities)
    best = MODEL(queries.tokens[:, :2])[:, -1, :entities].argmax(-1)
    right = (best == queries.bridge).float().mean().item()
    assert measured("mixing").decoded_right.item() == pytest.approx(right)


@pytest.mark.parametrize(
    ("name", "options"), [("logit_lens", {}), ("tuned_lens", {"n_train": 40, "adam_steps": 2})]
)
def test_the_question_adds_nothing_up_to_relation_1_and_may_add_at_relation_2(
    name: str, options: dict[str, int]
) -> None:
    found = measured(name, **options)
    for end in ("", "_low", "_high"):
        assert (found[f"mrr_added{end}"].sel(position=SHORT) == 0).all()
    assert (found.mrr_added.sel(position="relation_2", layer=0) == 0).all()
    assert (found.mrr_added.sel(position="relation_2", layer=2) != 0).any()


@pytest.mark.parametrize(
    ("name", "options"), [("logit_lens", {}), ("tuned_lens", {"n_train": 40, "adam_steps": 2})]
)
def test_atomic_prompts_add_nothing_to_themselves(name: str, options: dict[str, int]) -> None:
    found = measured(name, draw_examples(CORPUS, "atomic_id", 20), **options)
    assert (found.mrr_added == 0).all()


def test_the_question_adds_nothing_at_entity_1_and_its_mark_either_where_a_run_has_marks() -> None:
    corpus = CORPORA["order"]
    examples = draw_examples(corpus, "id_test", 30)
    asked = examples.queries.token_ids
    marked = np.column_stack(
        [asked[:, 0], asked[:, 0] * 0, asked[:, 1], asked[:, 0] * 0, asked[:, 2]]
    )
    examples = replace(examples, queries=replace(examples.queries, token_ids=marked))
    model = random_model(corpus, n_ctx=5)
    found = CATALOG["comparison_lens"].run(model, examples, CATALOG["comparison_lens"].options({}))
    early = ["attribute", "query_mark", "entity_1", "mask"]
    assert (found.mrr_added.sel(position=early) == 0).all()
    assert (found.mrr_added.sel(position="entity_2", layer=2) != 0).any()


def test_of_comparisons_the_question_adds_nothing_up_to_entity_1_and_may_add_at_entity_2() -> None:
    corpus = CORPORA["order"]
    examples = draw_examples(corpus, "id_test", 30)
    found = measured("comparison_lens", examples)
    assert (found.mrr_added.sel(position=["attribute", "entity_1"]) == 0).all()
    assert (found.mrr_added.sel(position="entity_2", layer=0) == 0).all()
    model, queries = random_model(corpus), examples.queries
    tokens, valid = other_first_entities(examples, 0)
    table = {(s, r): o for s, r, o in corpus.graph.facts.tolist()}
    first = corpus.vocab.first_relation
    for ours, theirs in zip(queries.token_ids[valid].tolist(), tokens[valid].tolist(), strict=True):
        assert (ours[0], ours[2]) == (theirs[0], theirs[2])
        values = [table[question[1], ours[0] - first] for question in (ours, theirs)]
        assert values[0] != values[1]
    ranks = []
    for asked in (queries.tokens, torch.from_numpy(tokens)):
        logits = model(asked)[:, -1]
        own = logits.gather(1, queries.answer[:, None])
        ranks.append((1 / (logits >= own).sum(-1)).numpy())
    slow = (ranks[0] - ranks[1])[valid].mean()
    at_end = {"target": "answer", "layer": 2, "position": "entity_2"}
    assert valid.any()
    assert found.mrr_added.sel(at_end).item() == pytest.approx(slow, abs=1e-6)


def test_what_a_composing_model_s_question_adds_is_what_a_placebo_lacks() -> None:
    wired = hand_wired()
    examples = draw_examples(wired.corpus, "id_test", 40)
    entry = CATALOG["logit_lens"]
    found = entry.run(wired.model, examples, entry.options({}))
    placebos = draw_placebos(examples)
    assert placebos.valid.all()
    logits = wired.model(torch.from_numpy(placebos.tokens.astype(np.int64)))[:, -1]
    own = logits.gather(1, examples.queries.answer[:, None])
    slow = 1 - (1 / (logits >= own).sum(-1)).mean().item()  # the question itself ranks it first
    at_end = {"target": "answer", "layer": 2, "position": "relation_2"}
    assert found.mrr_added.sel(at_end).item() == pytest.approx(slow, abs=1e-6)
    assert found.mrr_added_low.sel(at_end) > 0.3


def test_a_placebo_shares_the_later_relations_and_no_part_of_the_first_hop() -> None:
    queries, placebos = EXAMPLES.queries, draw_placebos(EXAMPLES)
    here = placebos.valid
    assert here.any()
    ours, theirs = queries.token_ids[here], placebos.tokens[here]
    assert (ours[:, 2] == theirs[:, 2]).all()
    assert (ours[:, :2] != theirs[:, :2]).all()
    obj = {(s, r): o for s, r, o in CORPUS.graph.facts.tolist()}
    first = CORPUS.vocab.first_relation
    for (s, r, r2), bridge in zip(theirs.tolist(), queries.bridge_ids[here, 0], strict=True):
        other = obj[s, r - first]
        assert other != bridge
        assert (other, r2 - first) in obj


def test_a_question_without_another_first_hop_has_no_placebo_and_no_value() -> None:
    graph = KnowledgeGraph.from_triples("two facts", [("a", "r", "b"), ("b", "s", "c")])
    vocab = Vocab(graph.entities, graph.relations)
    asked = np.array([[0, vocab.first_relation, vocab.first_relation + 1]] * 6)
    queries = Queries("composition", vocab, asked, np.full((6, 1), 1), np.full(6, 2))
    one = Examples("id_test", queries, np.arange(6), replace(CORPUS, graph=graph, vocab=vocab))
    assert not draw_placebos(one).valid.any()
    found = measured("logit_lens", one)
    assert np.isnan(found.mrr_added.sel(position="relation_2")).all()
    assert (found.mrr_added.sel(position=SHORT) == 0).all()


def _accuracy() -> float:
    top = MODEL(EXAMPLES.queries.tokens)[:, -1].argmax(-1)
    return (top == EXAMPLES.queries.answer).float().mean().item()
