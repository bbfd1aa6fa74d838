"""A role's tokens hold its name, whatever the name looks like and wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_texts import SHAPES, every_pair, shapes_wording

from circuits.text.spans import token_spans

FIRST = ("{subject} has a {relation_1}; its {relation_2} is?",)
LAST = ("The {relation_2} of the {relation_1} of {subject}",)
INSIDE = ("What is the {relation_2} of the {relation_1} of {subject}?",)
TIGHT = ("({subject}): {relation_1}/{relation_2}!",)


@pytest.mark.parametrize("questions", [FIRST, LAST, INSIDE, TIGHT])
def test_the_tokens_of_a_role_hold_its_name_and_nothing_else(questions: tuple[str, ...]) -> None:
    wording, asked = shapes_wording("bpe", questions=questions), every_pair()
    tokens, spans = wording.render("composition", asked, np.zeros(len(asked), np.int64))
    for names, row, of_role in zip(asked.tolist(), tokens.tolist(), spans.tolist(), strict=True):
        for name, (start, end) in zip(names, of_role, strict=False):
            words = wording.tokenizer.decode(row[start:end])
            assert wording.vocab.name(name) in words
            around = words.replace(wording.vocab.name(name), "", 1)
            assert around.strip("()?/!:;. ") == ""  # a token may reach over to punctuation


def test_the_name_at_the_start_of_a_text_has_the_tokens_of_the_answer() -> None:
    wording, asked = shapes_wording("bpe", questions=FIRST), every_pair()
    tokens, spans = wording.render("composition", asked, np.zeros(len(asked), np.int64))
    for names, row, of_role in zip(asked.tolist(), tokens.tolist(), spans.tolist(), strict=True):
        end = of_role[0][1]
        assert tuple(row[:end]) == wording.names.tokens(names[0])


def test_the_answer_is_predicted_at_the_last_token() -> None:
    wording, asked = shapes_wording("bpe", questions=INSIDE), every_pair()
    tokens, spans = wording.render("composition", asked, np.zeros(len(asked), np.int64))
    assert wording.roles("composition", 3) == ("subject", "relation_1", "relation_2", "answer")
    lengths = (tokens != wording.tokenizer.pad).sum(1)
    assert (spans[:, -1] == np.stack([lengths - 1, lengths], 1)).all()


def test_a_template_that_ends_with_the_last_role_adds_no_role() -> None:
    ends = ("For {subject} and {relation_1} the {relation_2}",)
    wording, asked = shapes_wording("names", questions=ends), every_pair()
    assert wording.roles("composition", 3) == ("subject", "relation_1", "relation_2")
    assert wording.render("composition", asked, np.zeros(len(asked), np.int64))[1].shape[1] == 3


def test_one_token_per_name_gives_one_token_per_role() -> None:
    wording = shapes_wording("names", questions=INSIDE)
    usual = [i for i, name in enumerate(SHAPES) if name not in ("x?", "🙂", "<end>", "(none)")]
    asked = every_pair()
    asked = asked[np.isin(asked[:, 0], usual)]
    _, spans = wording.render("composition", asked, np.zeros(len(asked), np.int64))
    assert (spans[..., 1] - spans[..., 0] == 1).all()


def test_a_character_of_several_tokens_belongs_to_all_of_them() -> None:
    offsets = [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]
    assert token_spans(offsets, np.array([[1, 2]])).tolist() == [[1, 4]]


def test_offsets_with_the_blank_and_without_it_give_the_same_tokens() -> None:
    characters = np.array([[4, 9], [0, 3]])
    with_blank, trimmed = [(0, 3), (3, 9), (9, 10)], [(0, 3), (4, 9), (9, 10)]
    assert token_spans(with_blank, characters).tolist() == [[1, 2], [0, 1]]
    assert token_spans(trimmed, characters).tolist() == [[1, 2], [0, 1]]


def test_characters_without_a_token_have_an_empty_span() -> None:
    assert token_spans([(0, 2), (5, 6)], np.array([[3, 4]])).tolist() == [[0, 0]]
    assert token_spans([], np.array([[3, 4]])).tolist() == [[0, 0]]
