"""A circuit as a record: it runs, it is judged, and it comes back from JSON or is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_numbers import assert_both_renderers_draw
from hand_wired import hand_wired, random_corpus, random_model

from analyses import export, figure
from analyses.figures.specs.charts import CircuitDiagram
from circuits import Circuit, HopscopeError, find_circuit
from circuits.circuit.circuit import ScoredEdge
from circuits.circuit.mib import MibGraph

WIRED = hand_wired(n_layers=3, first_hop=0, second_hop=2)
QUERIES = WIRED.corpus.splits["train_inferred"]
CLEAN, CORRUPTED = QUERIES.tokens[:60], QUERIES.tokens[27:87]
POSITIONS = ("subject", "relation_1", "relation_2")
CIRCUIT = find_circuit(WIRED.model, CLEAN, CORRUPTED, positions=POSITIONS)
ENTITIES = slice(0, WIRED.corpus.vocab.first_relation)
"""Relations have logits of their own, which are no part of an answer."""
MODEL = random_model(random_corpus(), n_layers=2)


def test_its_nodes_are_the_wired_components_in_order_of_computation() -> None:
    assert CIRCUIT.nodes == (
        "embed[subject]", "embed[relation_1]", "embed[relation_2]", "attn.0[relation_1]",
        "mlp.0[relation_1]", "attn.2[relation_2]", "mlp.2[relation_2]", "output",
    )  # fmt: skip
    assert repr(CIRCUIT).startswith("Circuit(7 edges of 70: embed[subject]>attn.0[relation_1], ")


@pytest.mark.parametrize("ablation", ["mean", "interchange"])
def test_restricted_to_the_wired_circuit_the_model_answers_as_before_and_without_it_never(
    ablation: str,
) -> None:
    circuit = replace(CIRCUIT, ablation=ablation)
    restricted = circuit.restricted(WIRED.model)(CLEAN, CORRUPTED)
    excluded = circuit.excluded(WIRED.model)(CLEAN, CORRUPTED)
    assert (restricted.argmax(-1) == QUERIES.answer[:60]).all()
    if ablation == "interchange":
        for logits, prompts in ((restricted, CLEAN), (excluded, CORRUPTED)):
            expected = WIRED.model(prompts)[:, -1]
            torch.testing.assert_close(logits[:, ENTITIES], expected[:, ENTITIES])
    judged = circuit.faithfulness(WIRED.model, CLEAN, CORRUPTED)
    assert judged.restricted_accuracy.value == judged.full_accuracy.value == 1
    assert judged.excluded.value == judged.excluded.high == 0
    expected = 1 if ablation == "interchange" else judged.restricted.value
    assert judged.restricted.value == pytest.approx(expected)
    assert judged.restricted.value > 0.9


def test_faithfulness_is_the_ratio_of_mean_differences_with_its_bootstrap_interval() -> None:
    clean, corrupted = CLEAN[:40], CLEAN[20:].flip(0)
    answer, other = torch.arange(40) % 12, (torch.arange(40) + 5) % 12
    circuit = find_circuit(MODEL, clean, corrupted, answer=answer, other=other, rate=0.9)
    half = replace(
        circuit,
        candidates=tuple(
            replace(edge, kept=i % 3 > 0) for i, edge in enumerate(circuit.candidates)
        ),
        ablation="interchange",
    )
    judged = half.faithfulness(MODEL, clean, corrupted, answer=answer, other=other)

    def difference(logits: torch.Tensor) -> np.ndarray:
        rows = torch.arange(40)
        return (logits[rows, answer] - logits[rows, other]).detach().double().numpy()

    kept = difference(half.restricted(MODEL)(clean, corrupted))
    whole, none = difference(MODEL(clean)[:, -1]), difference(MODEL(corrupted)[:, -1])
    assert judged.restricted.value == pytest.approx(
        (kept - none).mean() / (whole - none).mean(), rel=1e-4
    )
    draws = np.random.default_rng(5).integers(40, size=(2000, 40))
    ratios = (kept - none)[draws].mean(1) / (whole - none)[draws].mean(1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    width = high - low
    assert judged.restricted.low == pytest.approx(low, abs=0.25 * width)
    assert judged.restricted.high == pytest.approx(high, abs=0.25 * width)


def test_one_prompt_is_ablated_to_others_or_not_at_all() -> None:
    with pytest.raises(HopscopeError, match="1 prompts alone cannot be ablated by mean"):
        CIRCUIT.restricted(WIRED.model)(CLEAN[:1])
    one = CIRCUIT.restricted(WIRED.model)(CLEAN[:1], CORRUPTED)
    assert one.argmax(-1) == QUERIES.answer[0]
    with pytest.raises(HopscopeError, match="60 prompts alone cannot be ablated by interchange"):
        replace(CIRCUIT, ablation="interchange").restricted(WIRED.model)(CLEAN)


def test_a_model_or_prompts_of_another_shape_are_refused() -> None:
    with pytest.raises(HopscopeError, match="one of 3 blocks with 2 heads; the model has 2 blocks"):
        CIRCUIT.restricted(MODEL)
    with pytest.raises(HopscopeError, match="one of prompts of 3 tokens"):
        CIRCUIT.excluded(WIRED.model)(CLEAN[:, :2])
    with pytest.raises(HopscopeError, match="one of prompts of 3 tokens"):
        CIRCUIT.faithfulness(WIRED.model, CLEAN[:, :2], CORRUPTED[:, :2])


def test_a_circuit_comes_back_from_json_and_differs_from_any_other() -> None:
    again = Circuit.from_json(CIRCUIT.to_json())
    assert again == CIRCUIT
    assert hash(again) == hash(CIRCUIT)
    assert Circuit.from_json(CIRCUIT.to_json().encode()) == CIRCUIT
    assert again != replace(CIRCUIT, n=1)
    screened = find_circuit(WIRED.model, CLEAN, CORRUPTED, per_component=1)
    assert any(edge.effect is None for edge in screened.candidates)
    assert Circuit.from_json(screened.to_json()) == screened


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(CIRCUIT.to_json()), **fields})


def without(field: str) -> str:
    return json.dumps({k: v for k, v in json.loads(CIRCUIT.to_json()).items() if k != field})


CANDIDATES = json.loads(CIRCUIT.to_json())["candidates"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        (CIRCUIT.to_json()[:-5], "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        ("[1]", "it is not a JSON object"),
        ("{}", 'does not say "format"'),
        (changed(format="circuit"), 'does not say "format"'),
        (changed(version=2), "version 2 and this Hopscope reads version 1"),
        (without("version"), "version None"),
        (without("positions"), "positions: "),
        (changed(colour="red"), "colour: "),
        (changed(depth=2), "70 edges are not those of 2 blocks"),
        (changed(depth=10**12), "are not those of 1000000000000 blocks"),
        (changed(depth="3"), "depth: "),
        (changed(n_heads=0), "at least 1"),
        (changed(heads=True), "70 edges are not those of 3 blocks"),
        (changed(ablation="zero"), "ablation: "),
        (changed(positions=["a", "a", "b"]), "not all different"),
        (changed(positions=[]), "0 names"),
        (changed(candidates=CANDIDATES[1:]), "69 edges are not those"),
        (changed(candidates=CANDIDATES[::-1]), "stands where the edge"),
        (changed(candidates=[{**CANDIDATES[0], "effect": "1"}, *CANDIDATES[1:]]), "0.effect: "),
        (changed(candidates=[{**CANDIDATES[0], "effect": np.nan}, *CANDIDATES[1:]]), "0.effect: "),
        (changed(total=np.inf), "total: "),
    ],
)
def test_damaged_json_is_refused_in_a_sentence(text: str | bytes, said: str) -> None:
    with pytest.raises(HopscopeError, match=said):
        Circuit.from_json(text)


def test_its_figure_has_exactly_its_edges() -> None:
    spec = figure(CIRCUIT)
    assert isinstance(spec, CircuitDiagram)
    drawn = {(edge.source, edge.target) for edge in spec.edges if edge.shown}
    # rows: tokens, then attention and MLP of each block; the hops are in blocks 0 and 2
    assert drawn == {
        ((0, 0), (1, 1)), ((1, 1), (2, 1)), ((0, 1), (2, 1)), ((2, 1), (5, 2)),
        ((5, 2), (6, 2)), ((0, 2), (6, 2)), ((6, 2), None),
    }  # fmt: skip
    table = spec.frame()
    shown = table[table["drawn"].eq(True)]
    assert sorted(shown["strength"]) == pytest.approx(sorted(e.share for e in CIRCUIT.edges))
    labels = {(node.layer, node.position): node.label for node in spec.nodes if node.label}
    assert labels[5, 2] == "attention 2"
    assert len(labels) == 7
    assert_both_renderers_draw(spec)
    with pytest.raises(HopscopeError, match="a circuit has one figure"):
        figure(CIRCUIT, step=3)


def test_an_edge_that_speaks_against_the_answer_is_drawn_with_its_sign() -> None:
    edge = ScoredEdge(CIRCUIT.candidates[0].name, -2.0, -3.0, -1.0, -0.5, kept=True)
    spec = figure(replace(CIRCUIT, candidates=(edge, *CIRCUIT.candidates[1:]), total=4.0))
    first = spec.edges[0]
    assert (first.sign, first.strength, first.low, first.high) == (-1, 0.5, 0.25, 0.75)


def test_a_saved_circuit_is_loaded_as_it_was_and_may_be_saved_again(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    CIRCUIT.save(path)
    assert Circuit.load(path) == CIRCUIT
    replace(CIRCUIT, n=1).save(path)
    assert Circuit.load(path).n == 1
    with pytest.raises(HopscopeError, match=r"gone\.json cannot be read"):
        Circuit.load(tmp_path / "gone.json")


def test_a_circuit_and_a_figure_of_the_same_name_do_not_overwrite_each_other(
    tmp_path: Path,
) -> None:
    export(figure(CIRCUIT), tmp_path / "circuit.csv")
    record = (tmp_path / "circuit.json").read_bytes()
    said = "circuit.json: this is not a circuit: it is the record that export wrote beside the fig"
    with pytest.raises(HopscopeError, match=said):
        Circuit.load(tmp_path / "circuit.json")
    with pytest.raises(HopscopeError, match=f"{said}.*Choose another name"):
        CIRCUIT.save(tmp_path / "circuit.json")
    with pytest.raises(HopscopeError, match="not a circuit of the MIB benchmark: it is the record"):
        MibGraph.from_json(record)
    assert (tmp_path / "circuit.json").read_bytes() == record
    CIRCUIT.save(tmp_path / "other.json")
    with pytest.raises(HopscopeError, match='it is a "hopscope circuit"'):
        export(figure(CIRCUIT), tmp_path / "other.csv")
    assert Circuit.load(tmp_path / "other.json") == CIRCUIT
