"""Atomic donors: facts whose object alone leads to the target, and states of two-token prompts."""

from __future__ import annotations

import numpy as np
import torch
from hand_wired import hand_wired

from analyses.interventions.atomic_donors import draw_atomic_donors
from analyses.interventions.bridge_patching import SUCCESS, swap_outcomes
from analyses.options.interventions import CONTROLS
from analyses.questions.corruptions import FactTable
from analyses.questions.examples import draw_examples
from circuits.patching.engine import PatchEngine

WIRED = hand_wired(20, 8)
EXAMPLES = draw_examples(WIRED.corpus, "id_test", 80)
DONORS = draw_atomic_donors(EXAMPLES, 0)


def test_nothing_but_the_donors_object_leads_to_the_target() -> None:
    table = FactTable.of(WIRED.corpus.graph).object
    first = WIRED.corpus.vocab.first_relation
    seen = dict.fromkeys(CONTROLS, 0)
    for c, control in enumerate(CONTROLS):
        for i in np.flatnonzero(DONORS.rows[c] >= 0):
            h, r1, r2 = DONORS.tokens[c, i] - [0, first, first]
            query = EXAMPLES.queries[int(i)]
            own_h, own_r1, own_r2 = np.array(query.tokens) - [0, first, first]
            assert (h != own_h, r1 != own_r1, r2) == (True, True, own_r2)
            target, found = DONORS.target[i], table[h, r1]
            assert query.answer != target != found
            leads = table[found, own_r2] == target
            assert leads == (control == "bridge")
            assert (found == query.bridge) == (control == "same_bridge")
            assert table[h, own_r2] != target
            other = table[h, own_r1]
            assert other < 0 or table[other, own_r2] != target
            seen[control] += 1
    assert min(seen.values()) >= 10


def test_the_answer_follows_the_atomic_prompts_object() -> None:
    outcome = swap_outcomes(PatchEngine(WIRED.model), EXAMPLES, DONORS)
    valid = DONORS.rows[0] >= 0
    assert (outcome[valid, 0, 1, 1] == SUCCESS).all()
    assert not (outcome[DONORS.rows[1] >= 0, 1, 1, 1] == SUCCESS).any()


def test_the_state_at_relation_1_is_the_atomic_prompts_own() -> None:
    engine = PatchEngine(WIRED.model)
    tokens = torch.from_numpy(DONORS.tokens[0].astype(np.int64))
    asked, atomic = engine.trace(tokens).resid[:, :, 1], engine.trace(tokens[:, :2]).resid[:, :, 1]
    torch.testing.assert_close(asked, atomic)
