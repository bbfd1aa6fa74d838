"""Roles in the prompts of a file, and questions put together from its words."""

from __future__ import annotations

import pytest

from circuits.pretrained.marking import found, marked_fact, marked_question
from circuits.pretrained.phrases import Phrases
from circuits.text.two_hop_questions import TwoHopQuestion


def _asked(subject: str, bridge: str, hop_2: str, composed: str) -> TwoHopQuestion:
    return TwoHopQuestion(subject, "r1", bridge, "r2", "t", "", hop_2, composed)


@pytest.mark.parametrize(
    ("hop_2", "composed", "words"),
    [
        ("The currency of Eve is", "The currency of the mother of Ada is",
         ("Ada", "the mother of", "The currency of")),
        ("Eve was born in", "The mother of Ada was born in",
         ("Ada", "The mother of", "was born in")),
        ("Eve's home is", "Ada's mother's home is", ("Ada", "'s mother", "'s home is")),
        ("the city where Eve was born is", "The city where the mother of ada was born is",
         ("ada", "the mother of", "The city where")),
    ],
)  # fmt: skip
def test_the_roles_of_a_composed_prompt_are_what_takes_the_bridges_place_and_the_rest(
    hop_2: str, composed: str, words: tuple[str, ...]
) -> None:
    marked = marked_question(_asked("Ada", "Eve", hop_2, composed))
    assert not isinstance(marked, str)
    assert marked.words == words


@pytest.mark.parametrize(
    ("hop_2", "composed", "missing"),
    [
        ("The home of Eve is", "The home of the mother of Bob is", "subject"),
        ("The home of Eve is", "Where does the mother of Ada live?", "relation_1"),
        ("The home of Eve is", "The home of Ada is", "relation_1"),
        ("Eve", "the mother of Ada", "relation_2"),
        ("The home of Bob is", "The home of the mother of Ada is", "relation_1"),
    ],
)
def test_a_role_that_is_not_in_the_prompt_is_named(hop_2: str, composed: str, missing: str) -> None:
    assert marked_question(_asked("Ada", "Eve", hop_2, composed)) == missing


def test_a_name_is_found_as_whole_words_only_and_at_its_last_mention() -> None:
    assert found("York", "York, New York") == (10, 14)
    assert found("Ur", "Four cities") is None
    assert found("(none)", "it is (none).") == (6, 12)
    assert marked_fact("The home of Ada is", "Eve") is None


def test_a_question_that_a_file_lacks_is_put_together_from_its_words() -> None:
    phrases = Phrases(
        {"home": [("", " lives in")], "age": [("The age of ", " is")]},
        {"mother": [("the mother of ", "")]},
    )
    made = phrases.question("Ada", "mother", "home")
    assert made.text == "The mother of Ada lives in"
    assert made.words == ("Ada", "The mother of", "lives in")
    # a relation that is only asked of bridges is mentioned by its own prompt
    assert phrases.question("Ada", "age", "home").text == "The age of Ada lives in"
    assert phrases.question("Ada", "home", "age").text == "The age of the home of Ada is"
    assert phrases.fact("Ada", "unheard of").text == "The unheard of of Ada is"
