"""Transfer to new facts, drawn and learned a second time (`analyses.interventions.transfer`)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from slow_headlines import SlowRun
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_model import Tensors, logits, tensors_of

from circuits.corpus.names import ATOMIC_ID, ATOMIC_OOD, TRAIN

PAIRS, RATE, DECAY, BATCH, NEW_SHARE, COOL_DOWN = 150, 5e-4, 1.0, 512, 0.2, 0.2
Asked = list[tuple[list[int], int]]
"""Prompts with their answers."""


@dataclass
class NewFacts:
    """Chains (a, r1) -> b, (b, r2) -> t of new facts, and questions by which hop is new."""

    facts: Asked = field(default_factory=list)
    first: Asked = field(default_factory=list)
    second: Asked = field(default_factory=list)
    both: Asked = field(default_factory=list)


def draw(run: SlowRun, seed: int = 0, pairs: int = PAIRS) -> NewFacts:
    """Draw pairs of new facts in slots that no fact uses; old hops are ID facts."""
    rng = np.random.default_rng([seed, 21])
    slots = [(int(q[0]), int(q[1])) for q in run.run.queries(ATOMIC_ID).token_ids]
    old = {slot: run.facts[slot] for slot in slots}
    subjects, relations = sorted({a for a, _ in run.facts}), sorted({r for _, r in old})
    used, found = set(run.facts), NewFacts()
    for _ in range(200 * pairs):
        if len(found.both) == pairs:
            break
        a, r1, r2 = (
            int(rng.choice(subjects)),
            int(rng.choice(relations)),
            int(rng.choice(relations)),
        )
        b = int(rng.choice(sorted({o for (_, r), o in old.items() if r == r1})))
        t = int(rng.choice(sorted({o for (_, r), o in old.items() if r == r2})))
        then = [r for s, r in old if s == b]
        before = [slot for slot, o in old.items() if o == b]
        if a == b or {(a, r1), (b, r2)} & used or not then:
            continue
        used |= {(a, r1), (b, r2)}
        found.facts += [([a, r1], b), ([b, r2], t)]
        r, (h, q) = int(rng.choice(then)), before[int(rng.integers(len(before)))]
        found.first.append(([a, r1, r], old[b, r]))
        found.second.append(([h, q, r2], t))
        found.both.append(([a, r1, r2], t))
    return found


def accuracies(run: SlowRun, steps: int, seed: int = 0) -> dict[str, float]:
    """Accuracy by kind of question after a fine-tune on the new facts beside trained examples."""
    new, w = draw(run, seed), tensors_of(run.path, run.last)
    kept = {
        split: [(q.tolist(), int(a)) for q, a in _prompts(run, split)]
        for split in (TRAIN, ATOMIC_ID, ATOMIC_OOD)
    }
    _fine_tune(
        w, run.order, new.facts, [one for part in kept.values() for one in part], steps, seed
    )
    none = [(q.tolist(), run.rightly(q)) for q in run.questions(n=300)]
    asked = {"none": none, "first": new.first, "second": new.second, "both": new.both}
    asked |= {"new_facts": new.facts, "kept_facts": kept[ATOMIC_ID][:300]}
    return {name: _accuracy(w, run.order, questions) for name, questions in asked.items()}


def _prompts(run: SlowRun, split: str):  # type: ignore[no-untyped-def]
    queries = run.run.queries(split)
    return zip(queries.token_ids, queries.answer_ids, strict=True)


def _fine_tune(
    w: Tensors, order: list[int], new: Asked, kept: Asked, steps: int, seed: int
) -> None:
    """A fifth of every batch is new facts; the rate falls to zero over the last fifth."""
    rng = np.random.default_rng([seed, 22])
    parameters = [tensor.requires_grad_() for tensor in w.values()]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=DECAY)
    n_new = round(NEW_SHARE * BATCH)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (steps - step) / (COOL_DOWN * steps))
        loss = NEW_SHARE * _loss(w, order, _some(new, n_new, rng))
        loss = loss + (1 - NEW_SHARE) * _loss(w, order, _some(kept, BATCH - n_new, rng))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


def _some(pool: Asked, n: int, rng: np.random.Generator) -> Asked:
    return [pool[i] for i in rng.integers(len(pool), size=n)]


def _loss(w: Tensors, order: list[int], asked: Asked) -> Tensor:
    given, answers = _answered(w, order, asked)
    return cross_entropy(given, answers)


@torch.no_grad()
def _accuracy(w: Tensors, order: list[int], asked: Asked) -> float:
    given, answers = _answered(w, order, asked)
    return float((given.argmax(-1) == answers).float().mean())


def _answered(w: Tensors, order: list[int], asked: Asked) -> tuple[Tensor, Tensor]:
    """Logits and answers, prompts of one length at a time."""
    given, answers = [], []
    for length in sorted({len(prompt) for prompt, _ in asked}):
        alike = [one for one in asked if len(one[0]) == length]
        given.append(logits(w, torch.tensor([prompt for prompt, _ in alike]), order))
        answers += [answer for _, answer in alike]
    return torch.cat(given), torch.tensor(answers)
