"""A stored result of circuit_discovery becomes a circuit that says and does the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, save_as_run
from import_graph import ROOT

from analyses import analyze, figure, stored_circuit, stored_result
from analyses.circuits.ablations import draw_donors
from circuits import Circuit, HookedTransformer, HopscopeError, Run, open_run

DEMO = open_run(ROOT / "assets" / "demo")
RESULT = stored_result(DEMO, "circuit_discovery").load()
STORED = 1e-3
"""Numbers are stored in half precision."""


@pytest.mark.parametrize("step", [1200, 6000])
@pytest.mark.parametrize("split", ["train_inferred", "id_test"])
def test_the_circuit_alone_is_right_as_often_as_discovery_stored(step: int, split: str) -> None:
    now = RESULT.sel(step=step, split=split)
    circuit, model = stored_circuit(DEMO, step, split), DEMO.model(step)
    questions = DEMO.queries(split).take(now.example_row.values)
    for variant, ablated in (
        ("restricted", circuit.restricted(model)),
        ("excluded", circuit.excluded(model)),
    ):
        right = ablated(questions.tokens).argmax(-1) == questions.answer
        stored = float(now.accuracy.sel(ablation="mean", variant=variant))
        assert float(right.float().mean()) == pytest.approx(stored, abs=STORED)


def test_ablated_by_interchange_it_is_right_as_often_as_discovery_stored() -> None:
    now = RESULT.sel(step=6000, split="id_test")
    circuit = stored_circuit(DEMO, split="id_test", ablation="interchange")
    questions = DEMO.queries("id_test").take(now.example_row.values)
    donors = questions.tokens[torch.from_numpy(draw_donors(questions, seed=0))]
    right = circuit.restricted(DEMO.model())(questions.tokens, donors).argmax(-1)
    share = float((right == questions.answer).float().mean())
    stored = float(now.accuracy.sel(ablation="interchange", variant="restricted"))
    assert share == pytest.approx(stored, abs=STORED)


def test_its_edges_have_the_stored_numbers_of_the_token_they_carry_most_of() -> None:
    now, circuit = RESULT.sel(step=6000, split="id_test"), stored_circuit(DEMO, 6000, "id_test")
    assert [edge.name for edge in circuit.candidates] == now.edge.values.tolist()
    assert [edge.kept for edge in circuit.candidates] == (now.in_circuit.values == 1).tolist()
    assert [edge.share for edge in circuit.candidates] == now.strength.values.tolist()
    for edge in circuit.edges:
        effect, total = now.effect.sel(edge=edge.name), now.total
        assert edge.effect in effect.values
        assert edge.effect == float(effect[np.nanargmax(np.abs(effect / total).values)])
        assert edge.low <= edge.effect <= edge.high
    first = circuit.edges[0]
    assert first.name == "embed[subject]>attn.0[relation_1]"
    assert first.effect == float(now.effect.sel(edge=first.name, corrupted="subject"))
    assert (circuit.n, circuit.total, circuit.heads) == (300, None, False)


def test_it_is_drawn_and_comes_back_from_json() -> None:
    circuit = stored_circuit(DEMO)
    assert Circuit.from_json(circuit.to_json()) == circuit
    shown = sum(edge.shown for edge in figure(circuit).edges)
    assert shown == len(circuit.edges) == int(RESULT.n_edges.sel(step=6000)[0])


@pytest.fixture(scope="module")
def wired_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The hand-wired model after an untrained one."""
    wired = hand_wired()
    models = {0: HookedTransformer(wired.model.cfg).eval(), 100: wired.model}
    return save_as_run(tmp_path_factory.mktemp("runs") / "wired", wired.corpus, models)


def test_the_circuit_of_a_hand_wired_model_is_the_one_wired_in(wired_run: Run) -> None:
    with pytest.raises(HopscopeError, match=r"hopscope analyze .* circuit_discovery"):
        stored_circuit(wired_run)
    options = {"steps": [100], "splits": ["train_inferred"], "examples": 60, "per_component": 1}
    analyze(wired_run, "circuit_discovery", n_jobs=1, progress=False, **options)
    settings = {k: v for k, v in options.items() if k != "steps"}
    circuit = stored_circuit(wired_run, **settings)
    assert circuit.nodes[-2:] == ("mlp.1[relation_2]", "output")
    assert any(edge.effect is edge.share is None for edge in circuit.candidates)
    with pytest.raises(HopscopeError, match=r"step analyzed by circuit_discovery.*0.*100"):
        stored_circuit(wired_run, 0, **settings)
    with pytest.raises(HopscopeError, match=r"id_test.*train_inferred"):
        stored_circuit(wired_run, 100, "id_test", **settings)
