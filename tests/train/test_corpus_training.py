"""Every task, switch and way to augment goes through training and back from the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_runs import tiny_recipe

from circuits.runs.run import open_run
from train.loop import train

TABLE = {
    "name": "grokked_comparison",
    "options": {"n_entities": 12, "n_attributes": 3, "n_values": 4},
}
REAL = {"name": "geonames", "options": {"n_countries": 6, "hold_back": 0.6}}
COUNTRIES = {
    "name": "geonames",
    "options": {"n_countries": 4, "cities_per_country": 8, "relations": ["country"]},
}
QUESTIONS = {"train_inferred", "id_test", "ood_test", "io_test", "oi_test"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, QUESTIONS),
        ({"splits__hops": 3}, QUESTIONS),
        ({"splits__train_atomic": False}, QUESTIONS),
        ({"splits__identity_examples": True}, QUESTIONS | {"identity"}),
        ({"splits__inject_ood": "both_hops"}, QUESTIONS | {"injected"}),
        ({"splits__task": "comparison", "source": TABLE}, QUESTIONS),
        (
            {"splits__task": "comparison", "splits__comparison_form": "same", "source": COUNTRIES},
            QUESTIONS,
        ),
        ({"source": REAL, "augmentation__modes": ["true_facts"]}, QUESTIONS),
        ({"source": REAL, "augmentation__modes": ["densify"]}, QUESTIONS),
        ({"source": REAL, "augmentation__modes": ["new_entities"]}, QUESTIONS),
        (
            {
                "source": REAL,
                "augmentation__modes": ["true_facts", "densify"],
                "augmentation__correct_share": 0.5,
                "splits__heldout_real_items": 5,
            },
            QUESTIONS | {"heldout_real"},
        ),
    ],
)
def test_it_trains_and_is_read_back(
    settings: dict[str, Any], expected: set[str], tmp_path: Path
) -> None:
    phi = 5.0 if "augmentation__modes" in settings else 1.0
    recipe = tiny_recipe(augmentation__phi=phi, training__steps=3, **_flat(settings))
    train(recipe, tmp_path / "run", progress=False)
    run = open_run(tmp_path / "run")
    assert set(run.corpus.splits) == expected | {"atomic_id", "atomic_ood"}
    assert run.state == "finished"
    if phi > 1:
        assert run.corpus.report["augmentation"]["facts_added"] > 0


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    settings = dict(settings)
    source = settings.pop("source", {})
    return settings | {f"source__{key}": value for key, value in source.items()}
