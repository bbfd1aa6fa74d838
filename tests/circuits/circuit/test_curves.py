"""Faithfulness by size: areas known by arithmetic, and the wired circuit's curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_wired import hand_wired

from circuits import HopscopeError, find_circuit
from circuits.circuit.curves import SHARES, _areas, auroc, size_curve

WIRED = hand_wired(n_layers=4, first_hop=1, second_hop=2)
QUERIES = WIRED.corpus.splits["train_inferred"]
CLEAN, CORRUPTED = QUERIES.tokens[:60], QUERIES.tokens[27:87]
CIRCUIT = find_circuit(WIRED.model, CLEAN, CORRUPTED, ablation="interchange", per_component=None)


def test_the_shares_are_those_of_the_benchmark() -> None:
    assert SHARES == (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def test_areas_of_straight_lines_are_known_by_arithmetic() -> None:
    one, none, line = np.ones(10), np.zeros(10), np.array(SHARES)
    cpr, cmd = _areas(np.stack([one, none, line, 2 * one])).T
    width = 1 - 0.001
    half = (1 - 0.001**2) / 2
    np.testing.assert_allclose(cpr, [width, 0, half, 2 * width])
    np.testing.assert_allclose(cmd, [0, width, width - half, width])


def test_the_wired_circuit_is_faithful_from_its_seven_edges_on_and_not_before() -> None:
    curve = size_curve(CIRCUIT, WIRED.model, CLEAN, CORRUPTED)
    assert len(CIRCUIT.candidates) == 128
    assert curve.n_edges == (0, 0, 0, 1, 2, 6, 12, 25, 64, 128)
    found = [point.value for point in curve.faithfulness]
    assert found[:3] == [0, 0, 0]
    assert found[6:] == pytest.approx([1, 1, 1, 1])
    ranked = sorted(CIRCUIT.candidates, key=lambda edge: -abs(edge.effect))
    for place, size in ((3, 1), (4, 2), (5, 6)):
        strongest = {edge.name for edge in ranked[:size]}
        kept = replace(
            CIRCUIT,
            candidates=tuple(replace(e, kept=e.name in strongest) for e in CIRCUIT.candidates),
        )
        alone = kept.faithfulness(WIRED.model, CLEAN, CORRUPTED).restricted
        assert found[place] == pytest.approx(alone.value)
        assert found[place] < 0.9
    assert curve.cpr.value == pytest.approx(np.trapezoid(found, SHARES))
    assert curve.cmd.value == pytest.approx(np.trapezoid(np.abs(1 - np.array(found)), SHARES))
    assert curve.cpr.low <= curve.cpr.value <= curve.cpr.high


def test_edges_that_are_ranked_the_wrong_way_round_are_late() -> None:
    flipped = replace(
        CIRCUIT,
        candidates=tuple(
            replace(edge, effect=1 / (1 + abs(edge.effect or 0))) for edge in CIRCUIT.candidates
        ),
    )
    curve = size_curve(flipped, WIRED.model, CLEAN, CORRUPTED)
    assert curve.cpr.value == pytest.approx(0.5 / 2)  # nothing but at 100 %
    assert auroc(flipped, {edge.name for edge in CIRCUIT.edges}) == 0


def test_auroc_of_scores_that_say_nothing_is_one_half() -> None:
    truth = {edge.name for edge in CIRCUIT.edges}
    assert auroc(CIRCUIT, truth) == 1
    equal = replace(
        CIRCUIT, candidates=tuple(replace(edge, effect=1.0) for edge in CIRCUIT.candidates)
    )
    assert auroc(equal, truth) == 0.5
    with pytest.raises(HopscopeError, match="unknown edge"):
        auroc(CIRCUIT, {"embed[0]>nowhere"})
    with pytest.raises(HopscopeError, match="neither none nor all"):
        auroc(CIRCUIT, set())
