"""Templates: what they may contain, and the sentences for what they may not."""

from __future__ import annotations

import re

import pytest

from circuits.errors import HopscopeError
from circuits.recipes.schema import TextSection, parse_recipe
from circuits.text.templates import parse_template, template_book, written_book

REFUSED = {
    "Who is {object}?": ("atomic", "has no slot {subject}"),
    "The {relation} is {object}.": ("atomic", "has no slot {subject}"),
    "The {relation} of {subject} is {object} today.": ("atomic", "goes on after {object}"),
    "The {relation} of {subject} is ({object}).": ("atomic", "needs a blank before {object}"),
    "The {relation} of {subject} and {subject}": ("atomic", "has {subject} twice"),
    "The {relation} of {subjct} is {object}": ("atomic", "no slot {subject}"),
    "The {relation} of {subject} in {place}": ("atomic", "unknown slot 'place'"),
    "The {relation} of {subject": ("atomic", "bracket without its partner"),
    "The {relation} of {subject} } is": ("atomic", "bracket without its partner"),
    "{subject} was [ ] {object}": ("atomic", "nothing between brackets"),
    "What is the {relation_2} of {subject}?": ("composition", "no slot {relation_1}"),
    "Are {entity_1} and {entity_2} alike?": ("comparison", "no slot {attribute}"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_malformed_template_is_refused_in_a_sentence(text: str) -> None:
    kind, why = REFUSED[text]
    with pytest.raises(HopscopeError, match=re.escape(why)):
        parse_template(text, kind, "text.facts")


def test_words_in_brackets_stand_for_the_relation() -> None:
    template = parse_template("{subject} was [born in] {object}.", "atomic", "x")
    text, spans = template.fill({"subject": "Ada", "relation": "place of birth"})
    assert text == "Ada was born in"
    assert {slot: text[a:b] for slot, (a, b) in spans.items()} == {
        "subject": "Ada",
        "relation": "born in",
    }


def test_own_wordings_replace_the_built_in_ones_and_others_stay() -> None:
    text = TextSection(statements={"spouse": ("{subject} [wed] {object}.",)}, paraphrases=2)
    book = template_book(text, ("spouse", "country", "r_7"), hops=2)
    assert len(book.statements["spouse"]) == 1
    assert len(book.statements["country"]) == 2
    filled, _ = book.statements["r_7"][0].fill({"subject": "e", "relation": "r_7"})
    assert filled == "The r_7 of e is"


def test_facts_of_a_recipe_replace_built_in_statements() -> None:
    book = template_book(TextSection(facts=("{subject}: {relation}: {object}",)), ("spouse",), 2)
    assert book.statements["spouse"][0].fill({"subject": "A", "relation": "b"})[0] == "A: b:"


def test_wordings_of_a_relation_that_is_not_there_are_refused() -> None:
    with pytest.raises(HopscopeError, match=r"unknown relation 'spose'\. Did you mean 'spouse'"):
        template_book(TextSection(phrases={"spose": ("wife",)}), ("spouse",), 2)


def test_a_book_is_read_back_as_it_was_written() -> None:
    book = template_book(TextSection(paraphrases=3, separator=" Answer:"), ("country",), 2)
    assert written_book(book.written) == book


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"tokeniser": "bpe"}, "Did you mean 'tokenizer'"),
        ({"vocab_size": 100}, "vocab_size"),
        ({"questions": []}, "has no words"),
        ({"phrases": {"spouse": []}}, "phrases.spouse has no words"),
        ({"loss": "some"}, "loss"),
    ],
)
def test_a_wrong_text_section_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(HopscopeError, match=message):
        parse_recipe({"text": table}, "a recipe")


TWO_WIKI = (
    *("award received", "cause of death", "child", "composer", "country", "country of citizenship"),
    *("country of origin", "date of birth", "date of death", "director", "editor", "educated at"),
    *("employer", "father", "founded by", "inception", "mother", "performer", "place of birth"),
    *("place of burial", "place of death", "place of detention", "producer", "publication date"),
    *("publisher", "sibling", "spouse"),
)


def test_every_relation_of_2wiki_has_two_english_sentences_and_a_noun() -> None:
    book = template_book(TextSection(paraphrases=2), TWO_WIKI, hops=2)
    for relation in TWO_WIKI:
        said = set()
        for number, template in enumerate(book.statements[relation] * 2):
            phrases = book.phrases[relation]
            names = {"subject": "Ada", "relation": phrases[number % len(phrases)]}
            said.add(template.fill(names)[0])
        assert len(said) >= 2, relation
        assert not re.search(r"\b(at|by|received|on)$", book.phrases[relation][0]), relation


def test_wordings_of_a_source_come_before_the_built_in_ones_and_behind_the_recipes() -> None:
    source = {
        "statements": {
            "spouse": ["[The partner of] {subject} is {object}."],
            "father": ["[The dad of] {subject} is {object}."],
            "not here": ["[x] {subject} {object}"],
        },
        "phrases": {"spouse": ["partner"]},
    }
    text = TextSection(statements={"father": ("{subject}: [pa] {object}",)})
    book = template_book(text, ("spouse", "father", "mother"), 2, source)
    assert book.written["statements"] == {
        "spouse": ["[The partner of] {subject} is {object}."],
        "father": ["{subject}: [pa] {object}"],
        "mother": ["The [mother] of {subject} is {object}."],
    }
    assert book.phrases["spouse"] == ("partner",)
