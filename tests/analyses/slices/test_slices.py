"""Slices: which questions, and what results say of them; all answers by arithmetic."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from analyses import Slice, read_slice, slice_errors
from analyses.slices.errors import errors_by, group_of, learned_ranges
from analyses.slices.properties import SplitQuestions
from analyses.slices.reading import mean_with_interval, sliced, without_values
from circuits import open_run
from circuits.errors import HopscopeError
from circuits.statistics import wilson

SPLIT = "id_test"


@lru_cache
def demo() -> Any:
    return open_run("assets/demo")


def answers(right: list[list[int]], rows: list[int]) -> xr.Dataset:
    """A lens that ranks the answer 0 or 1 at the last state, of questions in these rows."""
    rank = 1 - np.array(right)[:, None, :, None, None, None]
    dims = ("step", "split", "example", "target", "layer", "position")
    return xr.Dataset(
        {
            "rank_example": (dims, rank),
            "example_row": (("split", "example"), np.array([rows])),
        },
        {"step": [0, 10, 20], "split": [SPLIT], "target": ["answer"]},
    )


def questions(right: list[list[int]], rows: list[int]) -> SplitQuestions:
    return SplitQuestions(demo(), SPLIT, {"logit_lens": answers(right, rows)}.get)  # type: ignore[arg-type]


RIGHT = [[0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]
"""By step and question: learned at 10, at 20 (forgotten meanwhile), at 20, never."""


def test_a_slice_is_read_as_it_is_written_with_any_name_in_it() -> None:
    for name in ("Paris, Texas", "a=b", "50% off", "São Paulo", "x;y&z"):
        chosen = Slice(bridge=name, shortcut=False, right=True, step=1200, learned="0-10")
        assert Slice.parse(str(chosen)) == chosen
    assert Slice.parse("") == Slice()
    assert not Slice()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bridges=Paris", "bridge"),
        ("bridge", "name=value"),
        ("right=maybe", "neither yes nor no"),
        ("right=no,step=soon", "whole number"),
        ("learned=late", '"100-2000", or "never"'),
        ("learned=20-10", "range of steps"),
    ],
)
def test_what_is_not_a_condition_is_refused_by_a_sentence(text: str, words: str) -> None:
    with pytest.raises(HopscopeError, match=words):
        Slice.parse(text)


def test_a_name_that_does_not_occur_is_refused_with_the_nearest() -> None:
    with pytest.raises(HopscopeError, match="farthest city"):
        SplitQuestions(demo(), SPLIT).rows(Slice(relation_1="farthest cty"))


def test_conditions_on_names_hold_together() -> None:
    every = SplitQuestions(demo(), SPLIT)
    rows = every.rows(Slice(relation_1="farthest city", relation_2="country"))
    texts = [query.text for query in demo().queries(SPLIT)]
    known = [" -farthest city-> " in text and " -country-> " in text for text in texts]
    there = [
        i
        for i, text in enumerate(texts)
        if known[i] and text.index("farthest") < text.index("-country->")
    ]
    assert rows.tolist() == there
    assert there


def test_right_and_wrong_at_a_step_part_the_measured_questions() -> None:
    some = questions(RIGHT, [3, 5, 8, 13])
    assert some.rows(Slice(right=True, step=10)).tolist() == [3]
    assert some.rows(Slice(right=False, step=10)).tolist() == [5, 8, 13]
    assert some.rows(Slice(right=True)).tolist() == [3, 5, 8]


def test_a_question_is_learned_when_it_is_right_for_good() -> None:
    some = questions(RIGHT, [3, 5, 8, 13])
    assert some.learned.tolist() == [10, 20, 20, np.inf]
    assert some.rows(Slice(learned="0-10")).tolist() == [3]
    assert some.rows(Slice(learned="11-20")).tolist() == [5, 8]
    assert some.rows(Slice(learned="never")).tolist() == [13]


def test_the_thirds_by_when_a_question_is_learned_hold_every_question_once() -> None:
    every = SplitQuestions(demo(), SPLIT)
    ranges = learned_ranges(every)
    sizes = [len(every.rows(Slice(learned=name))) for name in ranges]
    assert sum(sizes) == len(every.known_rows)
    assert min(sizes) > 0
    assert "" not in group_of(every, "learned")


def test_the_error_table_counts_right_answers_by_group() -> None:
    rows = [3, 5, 8, 13]
    some = questions(RIGHT, rows)
    table = errors_by(some, "bridge")
    names = some.names("bridge")[rows]
    for group in table["group"].values:
        mine = [i for i, name in enumerate(names) if name == group]
        want = np.array(RIGHT)[:, mine].mean(1)
        assert np.allclose(table["accuracy"].sel(group=group), want)
        low, _ = wilson(want * len(mine), np.full(3, len(mine)))
        assert np.allclose(table["low"].sel(group=group), low)
    assert int(table["n"].sum()) == 4


def test_the_error_table_of_an_empty_slice_is_a_sentence() -> None:
    with pytest.raises(HopscopeError, match="None of the 4 measured questions"):
        errors_by(questions(RIGHT, [3, 5, 8, 13]), "bridge", Slice(right=True, learned="never"))


def stored(**more: Any) -> xr.Dataset:
    """Four questions at rows 3, 5, 8 and 13 of one split, and one place that no question has."""
    rows = (("split", "example"), np.array([[3, 5, 8, 13, -1]]))
    return xr.Dataset({"example_row": rows, **more}, {"split": [SPLIT]})


def test_a_mean_on_a_slice_is_that_of_its_questions() -> None:
    rank = np.array([[0, 1, 3, 9, -1]])
    ds = stored(rank_example=(("split", "example"), rank))
    got = sliced(ds, {SPLIT: np.array([5, 8, 99])})
    assert got.mrr.item() == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert got.mrr_n.item() == got.n.item() == 2


def test_a_question_without_a_swap_counts_in_no_share() -> None:
    outcome = np.array([[1, 2, -1, 0, -1]])
    got = sliced(
        stored(outcome_example=(("split", "example"), outcome)), {SPLIT: np.array([3, 5, 8])}
    )
    assert (got.success.item(), got.kept.item(), got.success_n.item()) == (0.5, 0.5, 2)


def test_changed_answers_are_counted_among_right_ones() -> None:
    """The second question is wrong without a swap: the last state of position 0 leaves it so."""
    flips = np.array([[[2, 0], [2, 2], [1, 0], [0, 0], [-1, -1]]])[..., None]
    ds = stored(
        flip_example=(("split", "example", "layer", "position"), flips),
        drawn_example=(("split", "example", "position"), np.array([[2, 2, 2, 2, 0]])[..., None]),
    )
    got = sliced(ds, {SPLIT: np.array([3, 5, 8])}).isel(split=0, layer=0, position=0)
    assert got.strength.item() == pytest.approx((1 + 1 + 0.5) / 3)
    assert (got.changed_of_right.item(), got.changed_of_right_n.item()) == (0.75, 2)


def test_the_slice_of_all_questions_gives_the_stored_numbers() -> None:
    for name, of in (("logit_lens", "mrr"), ("causal_tracing", "strength"),
                     ("bridge_patching", "success"), ("back_patching", "mended"),
                     ("mixing", "accuracy"), ("trace_classes", "share")):  # fmt: skip
        from analyses import stored_result

        whole = stored_result(demo(), name)
        assert whole is not None
        every = {s: np.arange(len(demo().queries(s))) for s in map(str, whole.split.values)}
        got = sliced(whole, every)[of].reset_coords(drop=True)
        expected = whole[of].transpose(*got.dims).reset_coords(drop=True)
        xr.testing.assert_allclose(got, expected, atol=2e-3)


def test_shares_near_one_have_an_interval_with_width() -> None:
    mean, low, high, n = mean_with_interval(np.ones(20))
    assert (mean, high, n) == (1, 1, 20)
    assert 0.8 < low < 0.9
    assert np.isnan(mean_with_interval(np.array([0.5, 2.5]))[1])
    empty = mean_with_interval(np.zeros((0, 3)))
    assert np.isnan(empty[0]).all()
    assert (empty[3] == 0).all()


def test_the_rank_among_names_is_read_on_a_slice() -> None:
    """Of relations, which are no entities, there is none."""
    rank = np.array([[[0, -1], [3, -1], [1, -1], [9, -1], [1, -1]]])
    ds = stored(rank_among_names_example=(("split", "example", "target"), rank))
    got = sliced(ds, {SPLIT: np.array([3, 5, 8])}).isel(split=0)
    assert got.mrr_among_names[0].item() == pytest.approx((1 + 1 / 4 + 1 / 2) / 3)
    assert got.mrr_among_names_n.values.tolist() == [3, 0]
    assert np.isnan(got.mrr_among_names[1])


def test_analyses_without_single_values_and_empty_slices_say_so() -> None:
    with pytest.raises(HopscopeError, match="stores no values of single questions"):
        read_slice(demo(), "attribution", Slice())
    assert "Path patching" in without_values("path_patching")
    with pytest.raises(HopscopeError, match="leave out a condition"):
        read_slice(demo(), "logit_lens", Slice(right=True, learned="never"))


def test_a_name_that_one_split_lacks_is_read_where_it_occurs() -> None:
    here, there = (SplitQuestions(demo(), split) for split in (SPLIT, "ood_test"))
    names = here.names("bridge")
    name = sorted({*names[here.known_rows]} - {*there.names("bridge")})[0]
    at = {"layer": 1, "position": "relation_1", "target": "bridge", "step": 6000}
    n = read_slice(demo(), "logit_lens", Slice(bridge=name))["mrr_n"].sel(at)
    assert n.sel(split="ood_test") == 0
    assert n.sel(split=SPLIT) == (names[here.known_rows] == name).sum() > 0
    with pytest.raises(HopscopeError, match="No question has the bridge 'Nowhere'"):
        read_slice(demo(), "logit_lens", Slice(bridge="Nowhere"))


def test_without_stored_answers_right_or_wrong_is_refused_with_the_command() -> None:
    with pytest.raises(HopscopeError, match="hopscope analyze assets/demo logit_lens"):
        SplitQuestions(demo(), SPLIT, lambda name: None).rows(Slice(right=True))
    with pytest.raises(HopscopeError, match="id_test"):
        slice_errors(demo(), "id_tset")
