"""The panels of further measures: their curves are the numbers of the results, for one split."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.joining import joined_splits, joined_steps
from analyses.questions.examples import draw_examples
from app.instrument.further import FURTHER_ANALYSES, further_panels, further_results
from app.logic.drawn_results import MORE_ANALYSES

WIRED = hand_wired(16, 6)


@pytest.fixture(scope="module")
def datasets() -> dict[str, xr.Dataset]:
    """Results of a random and of the wired model, as the walk stores them."""
    return {name: walked(name) for name in ("logit_lens", "attention_knockout", "coverage")}


def walked(name: str) -> xr.Dataset:
    entry, steps = CATALOG[name], []
    for step, model in {0: random_model(WIRED.corpus), 10: WIRED.model}.items():
        parts = {}
        for split in ("id_test", "io_test"):
            examples = draw_examples(WIRED.corpus, split, 60)
            parts[split] = (entry.run(model, examples, entry.options({})), examples)
        steps.append(joined_splits(parts, step, {"analysis": name}))
    return joined_steps(steps)


def test_each_result_has_a_panel_with_its_own_numbers(datasets) -> None:
    panels = {p["title"]: p for p in further_panels(further_results(datasets), "id_test")}
    assert list(panels) == ["Attention cut", "Readable while usable", "Covered by training"]
    whole, first, second = panels["Attention cut"]["series"]
    assert whole["steps"] == [0, 10]
    assert whole["values"][1] == 1
    cut = datasets["attention_knockout"].sel(split="id_test", window="all blocks")
    for series, read, reads in (
        (first, "subject", "relation_1"),
        (second, "relation_1", "relation_2"),
    ):
        cell = cut.accuracy.sel({"from": read, "to": reads})
        assert series["values"] == pytest.approx(cell.values.tolist(), abs=1e-5)
        assert series["low"][1] <= series["values"][1] <= series["high"][1]
    bridge, answer, order = panels["Readable while usable"]["series"]
    assert (bridge["name"], answer["name"], order["name"]) == (
        "bridge decoded", "answer decoded", "bridge first",
    )  # fmt: skip
    assert bridge["values"][1] > 0.9
    covered = panels["Covered by training"]["series"]
    k = datasets["coverage"].k_example.sel(split="id_test", fragments="first_hop").values
    right = datasets["coverage"].right_example.sel(split="id_test").values
    middle = int(np.median(k[k > 0]))
    groups = {"k = 0": k == 0, f"k up to {middle}": (k > 0) & (k <= middle)}
    groups[f"k above {middle}"] = k > middle
    assert covered
    for series in covered:
        share = right[:, groups[series["name"]]].mean(1)
        assert series["values"] == pytest.approx(share.tolist(), abs=1e-5)


def test_a_split_that_was_not_measured_has_no_panels(datasets) -> None:
    assert further_panels(further_results(datasets), "ood_test") == []


def test_measures_of_the_model_are_the_same_for_every_split() -> None:
    born = xr.DataArray([0.0, 1.0], dims="step", attrs={"n": 3})
    ds = xr.Dataset({"born": born, "all_born": born, "probe_auroc": born}, {"step": [0, 5]})
    for split in ("id_test", "ood_test"):
        (panel,) = further_panels({"crosscoder": ds}, split)
        assert [s["values"] for s in panel["series"]] == [[0, 1]] * 3


def test_a_result_of_one_checkpoint_is_no_curve(datasets) -> None:
    one = {name: ds.isel(step=[0]) for name, ds in datasets.items()}
    assert further_panels(further_results(one), "id_test") == []


def test_a_coefficient_is_drawn_over_its_highest() -> None:
    value = np.array([[[100.0]], [[400.0]]])
    dims = ("step", "split", "part")
    ends = {f"coefficient{end}": (dims, value) for end in ("", "_low", "_high")}
    ds = xr.Dataset(ends, {"step": [0, 5], "split": ["train_inferred"], "part": ["all weights"]})
    (panel,) = further_panels({"learning_coefficient": ds}, "id_test")
    assert panel["series"][0]["values"] == [0.25, 1.0]
    assert panel["series"][0]["name"] == "of 400"


def test_the_dashboard_reads_the_results_that_have_a_panel() -> None:
    assert set(FURTHER_ANALYSES) <= set(MORE_ANALYSES)
