"""What a run's folder says of its training, read line by line: dates, bridges, phi."""

from __future__ import annotations

import json
from collections import Counter
from math import exp, log
from pathlib import Path
from typing import Any

from circuits.corpus.names import ID_TEST, TRAIN
from circuits.runs.run import Run

NONE = float("nan")


def evaluations(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def dates(path: Path) -> dict[str, float]:
    """The first evaluation with .99 of the trained questions right, how many unseen ones are right
    there, and the first one from there on with .95 of those."""
    memorized = there = generalized = NONE
    for row in evaluations(path):
        trained, unseen = row["accuracy/train_inferred"], row["accuracy/id_test"]
        if memorized != memorized and trained >= 0.99:
            memorized, there = row["step"], unseen
        if memorized == memorized and generalized != generalized and unseen >= 0.95:
            generalized = row["step"]
    return {
        "memorized_step": memorized,
        "id_at_memorization": there,
        "generalized_step": generalized,
    }


def first_step(path: Path, above: float) -> float:
    """The first evaluation with more than that share of the unseen ID questions right."""
    later = (row["step"] for row in evaluations(path) if row["accuracy/id_test"] > above)
    return next(later, NONE)


def effective_bridges(run: Run, split: str = ID_TEST) -> float:
    """exp(entropy) of the bridges' shares in the questions."""
    first = len(run.vocab.entities)
    facts = {(int(s), first + int(r)): int(o) for s, r, o in run.graph.facts}
    bridges = Counter(facts[h, r1] for h, r1, _ in run.queries(split).token_ids.tolist())
    n = sum(bridges.values())
    return exp(-sum(count / n * log(count / n) for count in bridges.values()))


def phi(run: Run) -> float:
    """Trained inferred facts per ID atomic fact."""
    return len(run.queries(TRAIN)) / len(run.queries("atomic_id"))
