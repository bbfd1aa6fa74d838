"""Phases are marked only where their dates are known better than their distance to others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analyses.figures import figure
from analyses.over_training.formation import formation
from analyses.over_training.phases import Date, phase_dates, why_undated
from circuits.runs.run import open_run

STEPS = np.arange(0, 1001, 100.0)


@pytest.mark.parametrize(
    ("date", "neighbour", "reason"),
    [
        # the interval is 200 wide: neighbours must be farther than that, on either side
        (Date(500, 400, 600), 299, ""),
        (Date(500, 400, 600), 300, "known no better than its distance to it, step 300"),
        (Date(500, 400, 600), 700, "known no better than its distance to it, step 700"),
        (Date(500, 400, 600), 701, ""),
        # exact dates are told from all but those at the same step
        (Date(500, 500, 500), 501, ""),
        (Date(500, 500, 500), 500, "known no better"),
        # the first checkpoint is a neighbour, too
        (Date(300, 200, 500), 900, "its distance to the first checkpoint, step 0"),
        (Date(301, 200, 500), 900, ""),
        # an interval that begins at the first checkpoint that could show it begins at once
        (Date(300, 100, 350), 900, "its distance to the first checkpoint, step 0"),
        (Date(300, 101, 350), 900, ""),
        (Date(100, 100, 100), 900, "it is there by step 100, the first checkpoint that could"),
        (Date(500, 400, np.inf), 900, "the interval of step 500 [400, ...] is open"),
        (Date(np.nan, np.nan, np.nan), 900, ""),
    ],
)
def test_a_date_is_marked_if_its_interval_is_narrower_than_the_distance_to_every_neighbour(
    date: Date, neighbour: float, reason: str
) -> None:
    why = why_undated(date, STEPS, {"it": neighbour})
    assert (reason in why) if reason else why == ""


def circuit(rises_at: int, gone_at: int, n: int = 10) -> xr.Dataset:
    """Two edges: one is there from a step on, one until a step; every resample says the same."""
    steps = np.arange(0, 1001, 100)
    kept = np.stack([steps >= rises_at, (steps >= rises_at) & (steps < gone_at)], 1)
    strength = np.where(kept, 0.5, 0.0)
    again = np.tile(strength, (5, 1, 1))
    return xr.Dataset(
        {
            "strength": (("step", "edge"), strength),
            "in_circuit": (("step", "edge"), kept.astype(np.int8)),
            "strength_resample": (("resample", "step", "edge"), again),
            "n": ((), n),
        },
        {"step": steps, "edge": ["a", "b"]},
    )


def dates(rises_at: int, gone_at: int, **grok: int) -> xr.Dataset:
    return phase_dates(circuit(rises_at, gone_at), grok, pd.DataFrame(), 0)


def test_phases_that_lie_apart_are_all_dated() -> None:
    found = dates(300, 800, memorization_step=500, grok_step=1000)
    assert found.phase_start.values.tolist() == [0, 300, 800]
    assert found.phase_end.values.tolist() == [500, 300, 800]
    assert found.phase_why.values.tolist() == ["", "", ""]


def test_a_circuit_that_is_there_at_the_first_checkpoint_has_no_date() -> None:
    found = dates(100, 800, memorization_step=500)
    why = found.phase_why.sel(phase="circuit_formation").item()
    assert why == "it is there by step 100, the first checkpoint that could show it"
    assert found.phase_start.sel(phase="circuit_formation") == 100  # the number itself is kept
    assert found.phase_why.sel(phase="clean_up") == ""


def test_phases_at_one_step_are_told_apart_by_neither_date() -> None:
    found = dates(500, 800, memorization_step=500)
    for phase, other in (("memorization", "circuit formation"), ("circuit_formation", "memoriz")):
        assert other in found.phase_why.sel(phase=phase).item()


def test_a_clean_up_at_the_step_of_generalization_has_no_date() -> None:
    found = dates(300, 800, memorization_step=500, grok_step=800)
    why = found.phase_why.sel(phase="clean_up").item()
    assert why.endswith("its distance to generalization, step 800")


def test_phases_that_do_not_occur_need_no_reason() -> None:
    found = dates(2000, 3000)
    assert np.isnan(found.phase_start).all()
    assert found.phase_why.values.tolist() == ["", "", ""]


def test_a_figure_dates_the_circuit_of_one_run_and_says_why_it_cannot_date_the_others() -> None:
    textbook = formation(open_run("assets/textbook"))
    assert [bool(why) for why in textbook.phase_why.values] == [True, False, True]
    assert "circuit forms: step 200 [200, 300] to 4,800 [4,800, 5,200]" in figure(textbook).subtitle
    demo = formation(open_run("assets/demo"))
    assert all(demo.phase_why.values)
    subtitle = figure(demo).subtitle
    assert "circuit forms: cannot be dated (it is there by step 100, the first" in subtitle
    assert "clean-up: cannot be dated (step 1,200 [900, 1,500] is known no better" in subtitle
