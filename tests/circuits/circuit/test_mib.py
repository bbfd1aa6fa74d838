"""Circuits in the MIB benchmark's JSON: written as its own reader wants it, and read back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_corpus, random_model

from circuits import HopscopeError, find_circuit
from circuits.circuit.mib import MibGraph, MibScore

WIRED = hand_wired(n_layers=2)
QUERIES = WIRED.corpus.splits["train_inferred"]
CLEAN, CORRUPTED = QUERIES.tokens[:60], QUERIES.tokens[27:87]
POSITIONS = ("subject", "relation_1", "relation_2")
CIRCUIT = find_circuit(
    WIRED.model, CLEAN, CORRUPTED, positions=POSITIONS, heads=True, parts=True, per_component=None
)


def benchmark_edges(n_layers: int, n_heads: int) -> list[str]:
    """Names of all edges, by the rule of the benchmark's own graph."""
    earlier, found = ["input"], []
    for i in range(n_layers):
        heads = [f"a{i}.h{h}" for h in range(n_heads)]
        found += [f"{s}->{h}<{part}>" for s in earlier for h in heads for part in "qkv"]
        earlier += heads
        found += [f"{s}->m{i}" for s in earlier]
        earlier.append(f"m{i}")
    return [*found, *(f"{s}->logits" for s in earlier)]


def test_what_is_written_has_every_node_and_edge_of_the_benchmark_by_its_name() -> None:
    table = json.loads(MibGraph.of(CIRCUIT).to_json())
    assert table["cfg"] == {
        "n_layers": 2, "n_heads": 2, "d_model": WIRED.model.cfg.d_model, "parallel_attn_mlp": False,
    }  # fmt: skip
    nodes = ["input", "a0.h0", "a0.h1", "m0", "a1.h0", "a1.h1", "m1", "logits"]
    assert list(table["nodes"]) == nodes
    assert set(table["edges"]) == set(benchmark_edges(2, 2))
    assert all(set(edge) == {"score", "in_graph"} for edge in table["edges"].values())


def test_the_wired_circuit_is_in_the_graph_and_nothing_else() -> None:
    table = json.loads(MibGraph.of(CIRCUIT).to_json())
    kept = {name for name, edge in table["edges"].items() if edge["in_graph"]}
    assert kept == {
        "input->a0.h1<v>", "a0.h1->m0", "input->m0", "m0->a1.h1<v>", "a1.h1->m1", "input->m1",
        "m1->logits",
    }  # fmt: skip
    inside = {name for name, node in table["nodes"].items() if node["in_graph"]}
    assert inside == {"input", "a0.h1", "m0", "a1.h1", "m1", "logits"}


def test_a_score_is_the_sum_over_positions_of_the_effects() -> None:
    model = random_model(random_corpus(), n_layers=2)
    circuit = find_circuit(
        model, CLEAN, CORRUPTED, positions=POSITIONS, heads=True, parts=True, per_component=None
    )
    graph = MibGraph.of(circuit)
    into = [e.effect for e in circuit.candidates if e.name.startswith("embed[relation_2]>output")]
    assert graph.edges["input->logits"].score == pytest.approx(sum(into))
    through = [
        edge.effect
        for edge in circuit.candidates
        if edge.name.startswith("mlp.0[") and ">head.1.0[" in edge.name and edge.name.endswith(".k")
    ]
    assert len(through) == 3  # the last block is only asked about at the last position
    assert graph.edges["m0->a1.h0<k>"].score == pytest.approx(sum(through))


def test_a_graph_comes_back_as_it_was_written() -> None:
    graph = MibGraph.of(CIRCUIT)
    assert MibGraph.from_json(graph.to_json()) == graph
    again = MibGraph.of(graph.circuit(POSITIONS))
    assert again.nodes == graph.nodes
    for name, edge in graph.edges.items():
        assert again.edges[name].in_graph == edge.in_graph
        assert again.edges[name].score == pytest.approx(edge.score)


def test_a_graph_that_was_read_runs_at_every_position() -> None:
    circuit = MibGraph.of(CIRCUIT).circuit(POSITIONS)
    assert "embed[subject]>head.0.1[relation_1].v" in {edge.name for edge in circuit.edges}
    assert "embed[subject]>head.0.1[subject].v" in {edge.name for edge in circuit.edges}
    logits = circuit.restricted(WIRED.model)(CLEAN, CORRUPTED)
    entities = slice(0, WIRED.corpus.vocab.first_relation)  # relations are no answers
    torch.testing.assert_close(logits[:, entities], WIRED.model(CLEAN)[:, -1, entities])


def written(**changes: object) -> str:
    table = {
        "cfg": {"n_layers": 1, "n_heads": 1, "parallel_attn_mlp": False, "d_model": 8},
        "nodes": {"input": {"in_graph": True, "score": 0.5}, "logits": {"in_graph": True}},
        "edges": {"input->logits": {"score": 0.5, "in_graph": True}},
    }
    return json.dumps({**table, **changes})


def test_scores_of_nodes_are_read_and_nan_is_none() -> None:
    nodes = {"input": {"in_graph": True, "score": 0.5}, "m0": {"in_graph": False, "score": np.nan}}
    graph = MibGraph.from_json(written(nodes=nodes))
    assert graph.nodes == {"input": MibScore(True, 0.5), "m0": MibScore(False, None)}
    assert MibGraph.from_json(graph.to_json()) == graph


def test_edges_without_a_score_are_written_with_zero_since_readers_ask_for_one() -> None:
    graph = MibGraph.from_json(written(edges={"input->logits": {"in_graph": True}}))
    assert json.loads(graph.to_json())["edges"]["input->logits"]["score"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "is not a circuit of the MIB benchmark: it is not JSON"),
        ("{}", "MIB benchmark: "),
        (written(edges={"input->logits": {"score": "a"}}), "edges.input->logits."),
        (written(edges=[1]), "edges: "),
        (written(nodes={"m0": {"in_graph": True, "neurons": [True]}}), "m0 has scores of single"),
        (written(edges={"input->logits": {"in_graph": True, "score": np.inf}}), "score: "),
    ],
)
def test_what_is_no_mib_circuit_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(HopscopeError, match=said):
        MibGraph.from_json(text)


def test_shapes_that_do_not_fit_are_refused_in_a_sentence() -> None:
    unknown = MibGraph.from_json(written(edges={"m3->logits": {"score": 1.0, "in_graph": True}}))
    with pytest.raises(HopscopeError, match="edge of the MIB circuit 'm3->logits'"):
        unknown.circuit(("a",))
    shape = {"n_layers": 10**9, "n_heads": 10**9, "parallel_attn_mlp": False, "d_model": 8}
    with pytest.raises(HopscopeError, match="more than 200,000"):
        MibGraph.from_json(written(cfg=shape)).circuit(("a",))
    shape = {"n_layers": 1, "n_heads": 1, "parallel_attn_mlp": True, "d_model": 8}
    with pytest.raises(HopscopeError, match="side by side"):
        MibGraph.from_json(written(cfg=shape)).circuit(("a",))
    with pytest.raises(HopscopeError, match="heads=True, parts=True"):
        MibGraph.of(find_circuit(WIRED.model, CLEAN, CORRUPTED))
