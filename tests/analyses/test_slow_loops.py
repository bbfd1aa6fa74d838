"""The loops that compute headline numbers a second time, where the answer is known beforehand; and
both ways of the numbers that `test_headline_numbers` leaves out.

`tests/benchmarks/recompute_headlines.py` asks all questions and all runs of docs/results.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import slow_ways
import torch
from numpy_model import weights_of
from slow_headlines import SlowRun
from slow_history import dates, effective_bridges, evaluations, first_step
from slow_mixing import mix
from slow_shortcuts import answerers, asked_of, beyond
from slow_transfer import draw
from slow_ways import _components
from torch_model import logits, tensors_of

from circuits.corpus.names import ID_TEST, OOD_TEST
from circuits.corpus.shortcuts import shortcut_answers
from circuits.runs.run import open_run

ASSETS = Path(__file__).parents[2] / "assets"


def test_every_answerer_answers_as_its_docstring_says() -> None:
    run = open_run(ASSETS / "demo")
    given = shortcut_answers(run.corpus, run.queries(OOD_TEST))
    asked = asked_of(run, OOD_TEST)
    for name, answers in answerers(run).items():
        assert [answers(q) for q, _ in asked] == given[name].tolist(), name


def test_the_questions_that_no_shortcut_answers_are_those_of_the_page() -> None:
    assert sum(beyond(open_run(ASSETS / "demo"))) == 601


def test_dates_are_those_of_the_first_evaluations_that_pass(tmp_path: Path) -> None:
    seen = [(0, 0.1, 0.96), (100, 0.99, 0.3), (200, 0.98, 0.94), (300, 1.0, 0.95), (400, 1.0, 1.0)]
    lines = [
        json.dumps({"step": step, "accuracy/train_inferred": trained, "accuracy/id_test": unseen})
        for step, trained, unseen in seen
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert dates(tmp_path) == {
        "memorized_step": 100,
        "id_at_memorization": 0.3,
        "generalized_step": 300,
    }
    assert first_step(tmp_path, 0.94) == 0
    assert len(evaluations(tmp_path)) == 5


def test_the_effective_number_of_bridges_is_that_of_the_manifest() -> None:
    run = open_run(ASSETS / "demo")
    said = run.diversity[ID_TEST]["bridges"]["effective"]
    assert effective_bridges(run) == pytest.approx(said, abs=0.01)


def test_what_goes_by_question_or_by_donor_is_told_apart() -> None:
    """[bridge, question, first hop], with one cause of success at a time."""
    shape, rng = (400, 5, 3), np.random.default_rng(0)
    by_question = np.broadcast_to(rng.random((400, 5, 1)) < 0.5, shape).astype(float)
    by_hop = np.broadcast_to(rng.random((400, 1, 3)) < 0.5, shape).astype(float)
    by_bridge = np.broadcast_to(rng.random((400, 1, 1)) < 0.5, shape).astype(float)
    by_pair = (rng.random(shape) < 0.5).astype(float)
    for follows, cause in (
        (by_question, "question"),
        (by_hop, "first hop"),
        (by_bridge, "bridge"),
        (by_pair, None),
    ):
        found = _components(follows)
        for name in ("question", "bridge", "first hop"):
            assert found[name] == pytest.approx(float(name == cause), abs=0.06), (cause, name)


def test_two_ways_of_answers_are_counted_as_the_page_counts_them() -> None:
    found = slow_ways.shares([ASSETS / "textbook"], 60)[slow_ways.ALL]
    assert found["route only"] >= 0.85
    assert sum(found[way] for way in slow_ways.WAYS) == pytest.approx(1)


def test_the_forward_pass_in_torch_is_that_in_numpy() -> None:
    run = SlowRun(ASSETS / "demo", 5)
    w, asked = run.weights(run.last), run.questions()
    given = logits(tensors_of(run.path, run.last), torch.tensor(asked), run.order).argmax(-1)
    assert given.tolist() == [run.answers(w, q) for q in asked]


def test_mixing_nothing_in_keeps_the_answer() -> None:
    run = SlowRun(ASSETS / "demo", 20)
    w = weights_of(run.path, run.last)
    for question in run.questions(OOD_TEST):
        states = run.states(w, question)
        assert mix(w, run.order, states, 1, 0, 0.0) == run.answers(w, question)


def test_new_facts_use_free_slots_and_their_questions_have_one_new_hop() -> None:
    run = SlowRun(ASSETS / "textbook", 10)
    new = draw(run, pairs=20)
    learned = {tuple(prompt): answer for prompt, answer in new.facts}
    assert not learned.keys() & run.facts.keys()
    for kind, hops in (("first", (True, False)), ("second", (False, True)), ("both", (True, True))):
        for (h, r1, r2), answer in getattr(new, kind):
            bridge = {**run.facts, **learned}[h, r1]
            assert ((h, r1) in learned, (bridge, r2) in learned) == hops
            assert {**run.facts, **learned}[bridge, r2] == answer
