"""The questions of a comparison run, held against the corpus they come from."""

from __future__ import annotations

import pytest

from app.logic.comparison_book import ComparisonBook
from circuits.corpus.build import build_corpus
from circuits.errors import HopscopeError
from circuits.recipes.schema import parse_recipe


def book_of(form: str, n_values: int) -> ComparisonBook:
    table = {
        "source": {
            "name": "grokked_comparison",
            "options": {"n_entities": 30, "n_attributes": 4, "n_values": n_values},
        },
        "augmentation": {"phi": 3.0, "modes": []},
        "splits": {"task": "comparison", "comparison_form": form, "id_test_items": 60},
    }
    return ComparisonBook(build_corpus(parse_recipe(table, "a small comparison recipe")))


@pytest.fixture(scope="module", params=[("order", 5), ("same", 3)], ids=["order", "same"])
def book(request: pytest.FixtureRequest) -> ComparisonBook:
    return book_of(*request.param)


def test_values_label_and_text_are_those_of_the_corpus(book: ComparisonBook) -> None:
    for hit in book.hits:
        query = book.corpus.queries(hit.split)[hit.row]
        asked = book.asked(query.tokens)
        assert (asked.values, asked.answer) == (query.bridges, query.answer)
        assert hit.text == book.text(query.tokens) == query.text


def test_a_question_goes_to_names_and_back(book: ComparisonBook) -> None:
    tokens = book.tokens_of(book.first)
    assert book.parse(book.names(tokens)) == tokens
    with pytest.raises(HopscopeError, match="attribute"):
        book.parse("a|b")


def test_a_donor_lends_its_first_value_and_so_another_label(book: ComparisonBook) -> None:
    asked = book.asked(book.tokens_of(book.first))
    donors = book.donors(asked)
    assert donors
    for tokens in donors:
        donor = book.asked(tokens)
        assert donor.tokens[0] == asked.tokens[0]
        # what is asked of an entity with the lent value, where the corpus has such a question
        as_lent = book.asked((asked.tokens[0], donor.tokens[1], asked.tokens[2])).answer
        assert book.swapped_answer(asked, donor) == as_lent != asked.answer


def test_the_value_of_another_attribute_cannot_be_lent(book: ComparisonBook) -> None:
    asked = book.asked(book.tokens_of(book.first))
    other = next(
        book.asked(tokens)
        for tokens in map(book.tokens_of, book.hits)
        if tokens[0] != asked.tokens[0]
    )
    assert book.swapped_answer(asked, other) is None
