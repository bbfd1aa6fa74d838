"""A circuit is found from two sets of prompts alone: the wired one, exactly, and none by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from edge_by_hooks import one_edge_by_hooks
from hand_wired import hand_wired, random_model

from circuits import HopscopeError, find_circuit
from circuits.circuit.circuit import Circuit
from circuits.circuit.curves import auroc
from circuits.model.transformer import HookedTransformer

WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)
POSITIONS = ("subject", "relation_1", "relation_2")
WIRED_EDGES = {
    "embed[subject]>attn.1[relation_1]",
    "attn.1[relation_1]>mlp.1[relation_1]",
    "embed[relation_1]>mlp.1[relation_1]",
    "mlp.1[relation_1]>attn.2[relation_2]",
    "attn.2[relation_2]>mlp.2[relation_2]",
    "embed[relation_2]>mlp.2[relation_2]",
    "mlp.2[relation_2]>output",
}


def pairs(n: int = 60, position: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Questions and others with other answers; with a position, they differ there alone."""
    queries = WIRED.corpus.splits["train_inferred"]
    table = {tuple(row): i for i, row in enumerate(queries.tokens.tolist())}
    rng, found = np.random.default_rng(0), []
    rows = list(table)
    while len(found) < n:
        one, other = (rows[i] for i in rng.integers(len(rows), size=2))
        if position is not None:
            other = (*one[:position], other[position], *one[position + 1 :])
        if other in table and queries.answer[table[one]] != queries.answer[table[other]]:
            found.append((one, other))
    clean, corrupted = torch.tensor(found).unbind(1)
    return clean, corrupted


def names(circuit: Circuit) -> set[str]:
    return {edge.name for edge in circuit.edges}


def with_heads(edges: set[str]) -> set[str]:
    return {e.replace("attn.1", "head.1.1").replace("attn.2", "head.2.1") for e in edges}


@pytest.mark.parametrize("method", ["exact", "eap", "eap_ig"])
def test_exactly_the_wired_circuit_is_found_without_a_corpus(method: str) -> None:
    circuit = find_circuit(WIRED.model, *pairs(), positions=POSITIONS, method=method)
    assert names(circuit) == WIRED_EDGES
    assert circuit.stability == 1
    assert circuit.n == 60


def test_every_wired_edge_carries_the_whole_effect_and_no_other_any() -> None:
    circuit = find_circuit(WIRED.model, *pairs(position=0), positions=POSITIONS, per_component=None)
    carries_the_subject = {
        "embed[subject]>attn.1[relation_1]",
        "attn.1[relation_1]>mlp.1[relation_1]",
        "mlp.1[relation_1]>attn.2[relation_2]",
        "attn.2[relation_2]>mlp.2[relation_2]",
        "mlp.2[relation_2]>output",
    }
    assert names(circuit) == carries_the_subject
    for edge in circuit.candidates:
        assert edge.share == pytest.approx(float(edge.name in carries_the_subject), abs=1e-4)
        assert edge.low <= edge.effect <= edge.high


def test_with_heads_and_inputs_told_apart_the_values_of_the_working_heads_are_found() -> None:
    circuit = find_circuit(WIRED.model, *pairs(), positions=POSITIONS, heads=True, parts=True)
    expected = {
        "embed[subject]>head.1.1[relation_1].v",
        "head.1.1[relation_1]>mlp.1[relation_1]",
        "embed[relation_1]>mlp.1[relation_1]",
        "mlp.1[relation_1]>head.2.1[relation_2].v",
        "head.2.1[relation_2]>mlp.2[relation_2]",
        "embed[relation_2]>mlp.2[relation_2]",
        "mlp.2[relation_2]>output",
    }
    assert names(circuit) == expected
    clean, corrupted = pairs()
    assert circuit.faithfulness(WIRED.model, clean, corrupted).restricted.value == pytest.approx(1)


def test_effects_are_those_of_patching_edge_by_edge_with_hooks() -> None:
    model = random_model(WIRED.corpus, n_layers=2)
    clean, corrupted = pairs(12)
    answer, other = torch.arange(12), torch.arange(12).roll(1)
    circuit = find_circuit(
        model, clean, corrupted, answer=answer, other=other, heads=True, parts=True,
        per_component=None,
    )  # fmt: skip

    def difference(logits: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(12)
        return (logits[rows, answer] - logits[rows, other]).mean()

    before = difference(model(clean)[:, -1].detach())
    for edge, found in list(zip(circuit.all_edges, circuit.candidates, strict=True))[::5]:
        after = difference(one_edge_by_hooks(model, edge, clean, corrupted).detach())
        assert found.effect == pytest.approx(float(before - after), abs=1e-4)


def test_nothing_is_found_where_corrupted_prompts_do_nothing_of_their_own() -> None:
    """Answers drawn at random have nothing to do with the prompts."""
    clean, corrupted = pairs(80)
    for seed in range(4):
        draw = torch.Generator().manual_seed(seed)
        answer, other = torch.randint(len(WIRED.corpus.vocab), (2, 80), generator=draw)
        model = random_model(WIRED.corpus, seed)
        circuit = find_circuit(model, clean, corrupted, answer=answer, other=other)
        assert not circuit.edges
        assert circuit.stability is None
        assert circuit.nodes == ()


def test_an_edge_must_do_more_than_its_placebo() -> None:
    """Placebos that are the corrupted prompts do exactly as much, so nothing is left."""
    clean, corrupted = pairs()
    assert find_circuit(WIRED.model, clean, corrupted).edges
    assert not find_circuit(WIRED.model, clean, corrupted, placebo=corrupted).edges


def test_prompts_that_are_equal_or_have_one_answer_do_not_count() -> None:
    clean, corrupted = pairs(40)
    corrupted[:10] = clean[:10]
    circuit = find_circuit(WIRED.model, clean, corrupted)
    assert circuit.n == 30
    fewer = find_circuit(WIRED.model, clean[10:], corrupted[10:])
    assert [e.effect for e in circuit.edges] == pytest.approx([e.effect for e in fewer.edges])


def test_the_log_probability_needs_no_other_answer() -> None:
    model = random_model(WIRED.corpus)
    clean, corrupted = pairs(30)
    circuit = find_circuit(model, clean, corrupted, metric="log_probability")
    top = model(clean)[:, -1].detach().log_softmax(-1).max(-1)
    after = model(corrupted)[:, -1].detach().log_softmax(-1).gather(-1, top.indices[:, None])[:, 0]
    assert circuit.total == pytest.approx(float((top.values - after).mean()), abs=1e-5)
    assert circuit.n == 30


@pytest.mark.parametrize("heads", [False, True])
def test_eap_and_eap_ig_tell_the_wired_edges_from_all_others(heads: bool) -> None:
    truth = with_heads(WIRED_EDGES) if heads else WIRED_EDGES
    for method in ("exact", "eap", "eap_ig"):
        circuit = find_circuit(
            WIRED.model,
            *pairs(),
            positions=POSITIONS,
            method=method,
            heads=heads,
            per_component=None,
        )
        assert auroc(circuit, truth) == 1


def saturated() -> HookedTransformer:
    """The wired model, with MLPs that are flat where they answer: relu(4x) - relu(4x - 1)."""
    cfg = WIRED.model.cfg
    model = HookedTransformer(replace(cfg, d_mlp=2 * cfg.d_mlp)).eval()
    weights = WIRED.model.state_dict()
    for name, value in weights.items():
        if name.endswith("W_in"):
            weights[name] = torch.cat([4 * value, 4 * value], 1)
        elif name.endswith("b_in"):
            weights[name] = torch.cat([4 * value, 4 * value - 1])
        elif name.endswith("W_out"):
            weights[name] = torch.cat([value, -value])
    model.load_state_dict(weights)
    return model


def test_where_the_clean_gradient_is_flat_eap_is_blind_and_eap_ig_is_not() -> None:
    model, prompts = saturated(), pairs()
    torch.testing.assert_close(model(prompts[0])[:, -1], WIRED.model(prompts[0])[:, -1])
    area = {
        method: auroc(
            find_circuit(
                model, *prompts, positions=POSITIONS, method=method, per_component=None, steps=20
            ),
            WIRED_EDGES,
        )
        for method in ("exact", "eap", "eap_ig")
    }
    assert area["exact"] == area["eap_ig"] == 1
    assert area["eap"] < 0.6  # only what leads from the last MLP to the output is left


def test_queries_bring_the_names_of_their_positions() -> None:
    queries = WIRED.corpus.splits["train_inferred"]
    half = len(queries) // 2
    clean, corrupted = (queries.take(np.arange(first, first + half)) for first in (0, half))
    assert find_circuit(WIRED.model, clean, corrupted).positions == POSITIONS
    assert find_circuit(WIRED.model, clean.tokens, corrupted.tokens).positions == ("0", "1", "2")


def test_a_model_to_which_hooks_were_added_is_refused() -> None:
    """The batched runs would not run them, and the circuit would be another model's."""
    clean, corrupted = pairs(20)
    circuit = find_circuit(WIRED.model, clean, corrupted)
    restricted = circuit.restricted(WIRED.model)
    hook = ("blocks.1.hook_mlp_out", lambda x, hook: 0 * x)
    with WIRED.model.hooks([hook]):
        refused("hooks were added to blocks.1.hook_mlp_out")
        for run in (
            lambda: restricted(clean),
            lambda: circuit.faithfulness(WIRED.model, clean, corrupted),
        ):
            with pytest.raises(HopscopeError, match="hooks were added"):
                run()
    assert len(restricted(clean)) == 20


def refused(said: str, *prompts: object, model: HookedTransformer = WIRED.model, **options) -> None:
    with pytest.raises(HopscopeError, match=said):
        find_circuit(model, *(prompts or pairs(20)), **options)


def test_what_cannot_be_used_is_refused_in_a_sentence() -> None:
    clean, corrupted = pairs(20)
    refused("do not pair up", clean, corrupted[:10])
    refused("do not pair up", placebo=clean[:, :2])
    refused("longer than the model's n_ctx", clean.repeat(1, 3), corrupted.repeat(1, 3))
    refused("outside the vocabulary", clean + 1000, corrupted)
    refused("of type float32 are not token ids", clean.float(), corrupted.float())
    refused("no corrupted prompt differs", clean, clean)
    refused("4 pairs of prompts with different answers are too few", clean[:4], corrupted[:4])
    refused("one token id for each of the 20 prompts", answer=torch.zeros(3, dtype=torch.long))
    refused("answer has token id 999", answer=torch.full((20,), 999))
    refused("unknown metric 'kl'", metric="kl")
    refused("unknown method 'acdc'", method="acdc")
    refused("unknown ablation 'zero'", ablation="zero")
    refused("2 names do not fit prompts of 3 tokens", positions=("a", "b"))
    refused("are not all different", positions=("a", "a", "b"))
    refused("cannot name a position", positions=("a", "b[0]", "c"))
    refused("training mode", model=random_model(WIRED.corpus).train())
