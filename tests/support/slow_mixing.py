"""The decoded bridge mixed in as an embedding, one question at a time
(`analyses.interventions.mixing`, and `app.results.mixing` for the choice of the cell)."""

from __future__ import annotations

import numpy as np
from numpy_model import Weights, answer, block, logits_of
from slow_headlines import SlowRun

from circuits.corpus.names import OOD_TEST

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def mixed_in(run: SlowRun, split: str = OOD_TEST) -> dict[str, float]:
    """Accuracy with the decoded, the true and a random other entity mixed in at relation 1.

    The cell of layer and strength is the best one of the other half of the questions.
    """
    w, rng = run.weights(run.last), np.random.default_rng(7)
    entities = len(run.run.vocab.entities)
    asked = run.questions(split, n=10_000)
    kinds = ("decoded", "true_bridge", "random")
    right = {kind: np.zeros((len(asked), len(run.order), len(STRENGTHS))) for kind in kinds}
    for row, question in enumerate(asked):
        bridge, states = run.bridge(question), run.states(w, question)
        others = [entity for entity in range(entities) if entity != bridge]
        found = {
            "decoded": int(logits_of(w, states[-1][1])[:entities].argmax()),
            "true_bridge": bridge,
            "random": int(rng.choice(others)),
        }
        for kind, entity in found.items():
            for layer in range(len(run.order)):
                for i, strength in enumerate(STRENGTHS):
                    given = mix(w, run.order, states, layer, entity, strength)
                    right[kind][row, layer, i] = given == run.rightly(question)
    return {kind: _read_on_the_other_half(found) for kind, found in right.items()}


def mix(
    w: Weights,
    order: list[int],
    states: list[np.ndarray],
    layer: int,
    entity: int,
    strength: float,
) -> int:
    """The answer when an entity's embedding is mixed into S[layer, relation 1]."""
    resid = states[layer].copy()
    e = w["embed.W_E"][entity]
    e = e / np.linalg.norm(e) * np.linalg.norm(resid[1])
    resid[1] = (1 - strength) * resid[1] + strength * e
    for i in order[layer:]:
        resid = block(w, i, resid)
    return answer(w, resid)


def _read_on_the_other_half(right: np.ndarray) -> float:
    cells = right.reshape(len(right), -1)
    half = np.random.default_rng(8).permutation(len(cells)) % 2 == 0
    read = [cells[mine][:, cells[~mine].mean(0).argmax()] for mine in (half, ~half)]
    return float(np.concatenate(read).mean())
