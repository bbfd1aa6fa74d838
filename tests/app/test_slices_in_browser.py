"""Slices whose means the browser takes itself, from the values of single questions."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses import Slice, stored_result
from analyses.slices.errors import learned_ranges
from analyses.slices.properties import SplitQuestions
from analyses.slices.values import example_values
from app.instrument.measures import LENS_AXES
from app.instrument.payload import formation_payload, sliced_payload
from app.logic.tables.question_values import question_values, size_of
from app.logic.tables.sliced_results import conditions_of, on_slice, slice_of
from circuits import open_run
from circuits.errors import HopscopeError
from circuits.runs.run import Run

NODE = shutil.which("node")
SCRIPT = Path(__file__).parents[1] / "support" / "slices_in_node.mjs"
NAMES = ("logit_lens", "causal_tracing", "bridge_patching")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on the PATH")


def compared(
    run: Run, datasets: dict[str, Any], slices: Sequence[Slice], folder: Path
) -> dict[str, Any]:
    """What the browser shows of these slices beside what the server sends of them."""
    splits = [str(split) for split in datasets["logit_lens"]["split"].values]
    questions = {split: SplitQuestions(run, split, datasets.get) for split in splits}
    sent = []
    for chosen in slices:
        found = on_slice(datasets, questions, chosen)
        measures = json.loads(sliced_payload(run, found.datasets, found.accuracy))
        sent.append({"conditions": conditions_of(chosen)} | measures)
    (folder / "slices.json").write_text(json.dumps(sent))
    (folder / "whole.json").write_bytes(formation_payload(run, datasets))
    (folder / "values.bin").write_bytes(question_values(run, datasets, questions))
    command = [str(NODE), str(SCRIPT), str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    result: dict[str, Any] = json.loads(said.stdout)
    return result


@lru_cache
def demo() -> tuple[Run, dict[str, Any], SplitQuestions]:
    run = open_run("assets/demo")
    datasets = {name: stored_result(run, name) for name in NAMES}
    return run, datasets, SplitQuestions(run, "id_test", datasets.get)


@needs_node
def test_the_browser_shows_the_servers_numbers_on_every_kind_of_slice(tmp_path: Path) -> None:
    run, datasets, questions = demo()
    slices = [
        Slice(relation_1="farthest city"),
        Slice(relation_2="time zone", right=True, step=1000),  # between two checkpoints
        Slice(shortcut=True, learned=list(learned_ranges(questions))[1]),
        Slice(right=False),
        Slice(learned="never"),
        Slice(bridge=str(questions.names("bridge")[0])),  # fewer than have an interval
        Slice(bridge="Nowhere"),
        Slice(attribute="colour"),  # which these questions do not have
    ]
    found = compared(run, datasets, slices, tmp_path)
    assert found["differ"] == []
    assert found["compared"] > 100_000


@needs_node
def test_questions_without_a_value_count_nowhere_in_the_browser_too(tmp_path: Path) -> None:
    """Tracing of other questions, positions and steps than the lens, as shares of swaps."""
    run, datasets, _ = demo()
    tracing = datasets["causal_tracing"].isel(position=[0, 2], step=slice(20))
    rows, flips = tracing["example_row"].copy(), tracing["flip_example"].astype(np.float32)
    rows[:, :40] = -1  # none
    rows[:, 40:60] += 1  # questions that the lens does not ask, or asks in another place
    tracing = tracing.drop_vars("drawn_example").assign(
        example_row=rows, flip_example=(flips / flips.max()).where(flips > -1)
    )
    tracing["flip_example"][:, :, 70:80] = np.nan
    slices = [Slice(relation_1="farthest city"), Slice(right=True, step=900)]
    found = compared(run, datasets | {"causal_tracing": tracing}, slices, tmp_path)
    assert found["differ"] == []


def test_values_are_sent_as_they_are_each_once() -> None:
    run, datasets, questions = demo()
    sent = question_values(run, datasets, {"id_test": questions})
    head, _, deflated = sent.partition(b"\n")
    known, stored = json.loads(head)["bySplit"]["id_test"], zlib.decompress(deflated)
    assert len(stored) <= size_of(datasets) / 3 + 20_000  # what is not of a place
    lens = known["lens"]
    place = lens["codes"]
    codes = np.frombuffer(stored, f"<u{place['size']}", math.prod(place["shape"]), place["first"])
    values = np.array(lens["table"])[codes.reshape(place["shape"])]
    expected = example_values(datasets["logit_lens"].sel(split="id_test"))["mrr"]
    assert np.array_equal(values, expected.transpose(*LENS_AXES, "example"))
    assert len(set(lens["table"])) == len(lens["table"])


def test_conditions_of_the_panel_are_those_of_the_slice_and_back() -> None:
    for chosen in (
        Slice(),
        Slice(bridge="Paris, Texas", shortcut=False, right=True, step=1200, learned="0-10"),
        Slice(right=False, answer="50% = half"),
        Slice(learned="never"),
    ):
        assert slice_of(conditions_of(chosen)) == chosen
    with pytest.raises(HopscopeError, match="unknown condition 'colour'"):
        slice_of({"colour": "blue"})
