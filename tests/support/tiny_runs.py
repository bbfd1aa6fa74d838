"""A recipe that trains in well under a second, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from circuits.recipes.schema import Recipe, parse_recipe

TINY: dict[str, dict[str, Any]] = {
    "source": {
        "name": "grokked_composition",
        "options": {"n_entities": 16, "n_relations": 6, "out_degree": 4},
    },
    "augmentation": {"phi": 2.0, "modes": []},
    "splits": {"ood_share": 0.1, "id_test_items": 30},
    "model": {"n_layers": 1, "d_model": 16, "n_heads": 2},
    "training": {
        "steps": 40,
        "batch_size": 32,
        "warmup": 5,
        "device": "cpu",
        "precision": "fp32",
    },
    "checkpoints": {"schedule": "every", "every": 10, "resume_seconds": 0},
    "evaluation": {"every": 10, "items": 50},
}


def tiny_recipe(**settings: Any) -> Recipe:
    """The tiny recipe with changes, e.g. training__steps=20."""
    table = json.loads(json.dumps(TINY))
    for name, value in settings.items():
        *sections, key = name.split("__")
        target = table
        for section in sections:
            target = target.setdefault(section, {})
        target[key] = value
    return parse_recipe(table, "the tiny recipe")


TIMES = ("seconds", "steps_per_s")
"""Metrics that differ between equal runs."""


def numbers(run_path: Path) -> list[dict[str, Any]]:
    """The metrics of a run without what depends on the clock."""
    lines = (run_path / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]
