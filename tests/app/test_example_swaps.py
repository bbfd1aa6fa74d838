"""What One question and the lab begin with: swaps that tell something, and finding any question."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from comparison_corpora import small_corpus

from analyses import stored_result
from analyses.questions.comparison_corruptions import corruptions
from analyses.questions.examples import draw_examples
from app.logic.comparison_book import book_of_corpus
from app.logic.lab import patch_lab
from app.logic.lab.comparison_swaps import comparison_swaps
from app.logic.lab.example_swaps import ExampleSwap, example_swaps
from app.logic.question_book import QuestionBook
from app.shell.choosing import can_lend
from circuits import open_run
from circuits.corpus.queries import Queries
from circuits.runs.run import Run


@pytest.fixture(scope="module", params=["assets/textbook", "assets/demo"])
def run(request: pytest.FixtureRequest) -> Run:
    return open_run(request.param)


def test_the_first_swap_works_and_the_second_does_not(run: Run) -> None:
    torch.set_num_threads(1)
    book = QuestionBook(run.corpus)
    works, fails = example_swaps(book, stored_result(run, "bridge_patching"))
    assert (works.works, fails.works) == (True, False)
    model = run.model()
    for swap in (works, fails):
        asked = book.asked(swap.question)
        target = book.swapped_answer(asked, book.asked(swap.donor))
        operation = patch_lab.Operation("resid_pre", ((swap.layer, 1),), None, "cache")
        found = patch_lab.outcome(model, book.prompts(swap.question, swap.donor), operation)
        assert int(found.before.argmax()) == asked.answer
        assert (int(found.after.argmax()) == target) is swap.works


def test_the_donor_of_another_question_stays_only_if_itcan_lend(run: Run) -> None:
    book = QuestionBook(run.corpus)
    swap = example_swaps(book, stored_result(run, "bridge_patching"))[0]
    donors = book.donors(book.asked(swap.question))
    assert can_lend(book, swap.donor, swap.question, donors)
    assert not can_lend(book, swap.question, swap.question, donors)
    asked = [book.asked(book.tokens_of(hit)) for hit in book.search("")]
    none = [a for a in asked if book.swapped_answer(book.asked(swap.question), a) is None]
    for other in none[:3]:
        assert not can_lend(book, other.tokens, swap.question, donors)
        assert can_lend(book, other.tokens, swap.question, [])  # there is no better one


def test_without_results_there_is_no_example(run: Run) -> None:
    assert example_swaps(QuestionBook(run.corpus), None) == []


def test_each_metric_of_the_map_says_what_it_is_called() -> None:
    """At the swapped state the other bridge's answer wins, and by the arithmetic of the logits."""
    run = open_run("assets/textbook")
    book, model = QuestionBook(run.corpus), open_run("assets/textbook").model()
    swap = example_swaps(book, stored_result(run, "bridge_patching"))[0]
    asked = book.asked(swap.question)
    target = book.swapped_answer(asked, book.asked(swap.donor))
    assert target is not None
    assert asked.answer is not None
    operation = patch_lab.Operation("resid_pre", (), None, "cache")
    cell = (swap.layer, 1)

    def shown(metric: str) -> np.ndarray:
        pair = book.prompts(swap.question, swap.donor)
        args = (model, pair, operation, target, asked.answer, metric)
        return patch_lab.grid(*args)

    difference, flips = shown("logit_difference"), shown("flips")
    assert difference[cell] > 0 > difference[0, 2]
    assert flips[cell] == 1
    assert set(np.unique(flips)) == {0, 1}
    odds = np.log(shown("p_swapped")[cell] / shown("p_own")[cell])
    assert difference[cell] == pytest.approx(odds, abs=1e-3)
    with torch.no_grad():
        logits = model(torch.tensor([swap.question]))[0, -1]
    start = float(logits[target] - logits[asked.answer])
    assert shown("normalised")[cell] == pytest.approx((start - difference[cell]) / (2 * start))


def test_every_question_is_searched_and_those_about_the_words_come_first() -> None:
    book = QuestionBook(open_run("assets/demo").corpus)
    first = book.search("tokyo", limit=5)
    assert all(hit.text.startswith("Tokyo") for hit in first)
    assert book.count("tokyo") == sum("tokyo" in hit.text.casefold() for hit in book.hits) > 60
    assert book.search("sao paulo")[0].text.startswith("São Paulo")
    assert book.count("") == len(book.hits)


def test_a_row_of_the_facts_leads_to_a_question_that_uses_its_fact() -> None:
    book = QuestionBook(open_run("assets/textbook").corpus)
    subject, relation, _ = book.corpus.graph.facts[0].tolist()
    question = book.question_with(subject, relation + book.vocab.first_relation)
    assert question is not None
    assert question[:2] == (subject, relation + book.vocab.first_relation)
    assert book.question_with(subject, 10**6) is None


def test_a_comparison_begins_with_a_value_swap_that_works_and_has_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of five right answers the second flips into another one, the third into the swapped one."""
    book = book_of_corpus(small_corpus("order"))
    examples = draw_examples(book.corpus, "id_test", 5)
    donors, _ = corruptions(examples, 1, 0)
    flips = np.zeros((1, 1, 8, 4, 3), np.float32)  # three places of eight are empty
    flips[..., [1, 2], 2, 1] = 1
    asked, lent = examples.queries.asked_ids[2], tuple(donors[1, 0, 2].tolist())
    swapped = book.swapped_answer(book.asked(tuple(asked.tolist())), book.asked(lent))

    def outcome(model: None, pair: Queries, operation: patch_lab.Operation) -> patch_lab.Outcome:
        assert operation.cells == ((2, 1),)
        after = torch.zeros(len(book.vocab))
        after[swapped if (pair.tokens[0].numpy() == asked).all() else 0] = 1
        return patch_lab.Outcome(after, after)

    monkeypatch.setattr("app.logic.lab.comparison_swaps.outcome", outcome)
    dims = ("step", "split", "example", "layer", "position")
    result = xr.Dataset(
        {"flip_example": (dims, flips)},
        {"split": ["id_test"]},
        {"options": '{"examples": 5, "seed": 0, "n_corruptions": 1}'},
    )
    works, fails = comparison_swaps(book, result, None)  # type: ignore[arg-type]
    assert works == ExampleSwap(tuple(asked.tolist()), lent, 2, True, 1)
    assert fails.question == tuple(examples.queries.asked_ids[0].tolist())
    assert not fails.works
    result["flip_example"][..., -1, :] = 1  # no question is answered rightly
    assert comparison_swaps(book, result, None) == []  # type: ignore[arg-type]
