"""Pages on a slice: the same pictures from fewer questions, and tables that say how many."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from analyses import Slice, stored_result
from analyses.slices.properties import SplitQuestions
from app.instrument.payload import sliced_payload
from app.logic.question_book import QuestionBook
from app.logic.tables.sliced_results import error_table, on_slice, readings_table, rows_of
from circuits import open_run
from circuits.errors import HopscopeError

NAMES = ("logit_lens", "causal_tracing", "bridge_patching")
SOME = Slice(relation_1="farthest city")


@lru_cache
def demo() -> tuple[Any, dict[str, Any], dict[str, SplitQuestions]]:
    run = open_run("assets/demo")
    datasets = {name: stored_result(run, name) for name in NAMES}
    splits = [str(split) for split in datasets["logit_lens"]["split"].values]
    return run, datasets, {s: SplitQuestions(run, s, datasets.get) for s in splits}


def test_a_page_on_a_slice_counts_and_lists_its_questions_alone() -> None:
    run, datasets, questions = demo()
    found = on_slice(datasets, questions, SOME)
    payload = json.loads(sliced_payload(run, found.datasets, found.accuracy))
    measures = payload["measures"]["id_test"]
    n, measured = found.n["id_test"]
    assert (n, measured) == (24, 300)
    assert len(measures["examples"]) == n
    assert all(" -farthest city-> " in text for text in measures["examples"])
    assert measures["right"]["shape"][-1] == n
    assert measures["sliced"]["n"] == n
    assert f"{n} measured questions" in measures["about"]


def test_a_slice_is_sent_without_what_does_not_depend_on_it() -> None:
    run, datasets, questions = demo()
    found = on_slice(datasets, questions, SOME)
    sent = sliced_payload(run, found.datasets, found.accuracy)
    assert set(json.loads(sent)) == {"measures"}
    assert {"discovered", "further", "added"}.isdisjoint(json.loads(sent)["measures"]["id_test"])
    assert len(sent) < 100_000  # the whole page is 700,000


def test_what_is_drawn_on_a_slice_is_the_mean_over_its_questions() -> None:
    _, datasets, questions = demo()
    found = on_slice(datasets, questions, SOME).datasets["logit_lens"].sel(split="id_test")
    lens = datasets["logit_lens"].sel(split="id_test")
    mine = np.isin(lens["example_row"].values, questions["id_test"].rows(SOME))
    rank = lens["rank_example"].transpose("example", ...)
    expected = (1 / (rank.values[mine] + 1)).mean(0)
    assert np.allclose(found["mrr"].transpose(*rank.dims[1:]), expected, atol=1e-6)


def test_a_slice_that_a_split_does_not_know_has_no_questions_there() -> None:
    _, datasets, questions = demo()
    nowhere = Slice(bridge="Nowhere")
    assert len(rows_of(questions["id_test"], nowhere)) == 0
    assert on_slice(datasets, questions, nowhere).n["id_test"] == (0, 300)


def test_an_empty_slice_still_gives_a_page() -> None:
    run, datasets, questions = demo()
    found = on_slice(datasets, questions, Slice(bridge="Nowhere"))
    payload = json.loads(sliced_payload(run, found.datasets, found.accuracy))
    assert payload["measures"]["id_test"]["examples"] == []


def test_the_error_table_says_its_step_slice_and_n() -> None:
    _, _, questions = demo()
    table, curves = error_table(questions["id_test"], "shortcut", SOME, 899, "demo")
    assert "step 900; first relation farthest city; 24 questions" in table.subtitle
    assert sum(int(row[1]) for row in table.rows) == 24
    assert len(curves) == len(table.rows)
    with pytest.raises(HopscopeError, match="leave out a condition"):
        error_table(questions["id_test"], "shortcut", Slice(learned="1-2"), 900, "demo")


def test_every_analysis_is_read_where_the_answer_can_depend_on_it() -> None:
    run, datasets, questions = demo()
    more = {**datasets, "attribution": stored_result(run, "attribution")}
    table, silence = readings_table(more, questions["id_test"], SOME, 6000, "demo")
    lens = next(r for r in table.rows if r[0] == "Logit lens")
    assert lens[7] == 24
    assert "layer 2, at relation 1" not in str(lens[2])
    assert silence.startswith("Attribution patching stores no values of single questions")


def test_the_search_keeps_to_the_slice() -> None:
    book = QuestionBook(demo()[0].corpus)
    keep = frozenset({3, 5, 8})
    assert [book.hits.index(hit) for hit in book.search("", keep=keep)] == [3, 5, 8]
    assert book.count("", keep) == 3


def test_another_slice_of_a_thousand_questions_at_61_checkpoints_takes_no_fifth_of_a_second() -> (
    None
):
    """The three drawn results, tiled to that size; processor time, since machines are busy."""
    run, datasets, _ = demo()
    large = {name: _enlarged(ds) for name, ds in datasets.items()}
    questions = {"id_test": SplitQuestions(run, "id_test", large.get)}
    assert questions["id_test"].right.shape == (61, 1000)
    took = []
    for third in ("0-900", "1200-3000", "3300-6000"):
        begin = time.process_time()
        on_slice(large, questions, Slice(learned=third, shortcut=False))
        took.append(time.process_time() - begin)
    assert min(took) < 0.2


def _enlarged(ds: Any) -> Any:
    one = ds.sel(split=["id_test"])
    one = one.isel(example=np.arange(1000) % 300, step=np.arange(61) % 25)
    rows = np.arange(1000)[None]
    return one.assign_coords(step=np.arange(61) * 100).assign(
        example_row=(("split", "example"), rows)
    )
