"""Queries whose roles are spans of tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_wired import random_corpus
from worded import PAD, spelled, with_spans, worded

from circuits.corpus.queries import Queries
from circuits.corpus.wording import NO_TOKEN, NameTokens
from circuits.errors import HopscopeError


@pytest.fixture(scope="module")
def plain() -> Queries:
    return random_corpus(30, 4).queries("train_inferred")[:12]


def test_without_spans_a_role_is_a_column(plain: Queries) -> None:
    assert plain.spans is None
    assert (plain.role_columns == np.arange(3)).all()
    assert plain.lengths.tolist() == [3] * 12
    assert (plain.answer_tokens == plain.answer_ids).all()
    assert (plain.bridge_tokens == plain.bridge_ids).all()
    assert plain.asked_ids is plain.token_ids


def test_spans_given_for_one_token_roles_change_nothing(plain: Queries) -> None:
    given = with_spans(plain)
    assert given.positions == plain.positions
    assert (given.role_columns == plain.role_columns).all()
    assert given[3].text == plain[3].text


def test_a_role_is_read_at_the_last_token_of_its_name_and_the_last_role_ends_the_question(
    plain: Queries,
) -> None:
    text = worded(plain, backwards=True)
    names = spelled(plain.vocab)
    assert text.positions == ("subject", "relation_1", "relation_2", "answer")
    for i, query in enumerate(text):
        assert query.tokens == tuple(text.token_ids[i, : text.lengths[i]].tolist())
        assert (text.token_ids[i, text.lengths[i] :] == PAD).all()
        for role, name in enumerate(plain.token_ids[i]):
            start, end = text.spans[i, role]
            assert tuple(text.token_ids[i, start:end]) == names.tokens(name)
            assert text.role_columns[i, role] == end - 1
    assert len(set(text.lengths)) > 3


def test_names_of_several_tokens_keep_their_ids_and_are_read_by_their_first_token(
    plain: Queries,
) -> None:
    text, names = worded(plain), spelled(plain.vocab)
    assert (text.answer_ids == plain.answer_ids).all()
    assert text.answer.tolist() == [names.tokens(i)[0] for i in plain.answer_ids]
    assert text.bridge.tolist() == [names.tokens(i)[0] for i in plain.bridge_ids[:, 0]]
    assert text[2].text == plain[2].text
    assert text[2].question == plain[2].question
    assert text[2].sentence == " ".join(map(str, text[2].tokens))


def test_other_names_are_put_into_each_questions_own_wording(plain: Queries) -> None:
    text = worded(plain, backwards=True)
    other = text.asking(text.asked_ids[::-1])
    assert (text.asking(text.asked_ids).token_ids == text.token_ids).all()
    assert other[0].question == text[11].question
    assert (other.templates == text.templates).all()
    assert (text.take(np.arange(3, 6)).asking(text.asked_ids[3:6]).spans == text.spans[3:6]).all()


def test_one_token_questions_ask_other_names_by_their_ids(plain: Queries) -> None:
    assert (plain.asking(plain.token_ids[::-1]).token_ids == plain.token_ids[::-1]).all()
    asked = with_spans(plain).asking(plain.token_ids[::-1])
    assert (asked.spans == with_spans(plain).spans).all()


@pytest.mark.parametrize("span", [(2, 2), (-1, 1), (0, 9), (2, 4)])
def test_a_role_that_is_empty_or_outside_the_question_is_refused(
    plain: Queries, span: tuple[int, int]
) -> None:
    spans = with_spans(plain).spans.copy()
    spans[5, 0] = span
    with pytest.raises(HopscopeError, match=r"of question 5 are not those of its roles"):
        replace(plain, spans=spans)


def test_spans_for_too_few_roles_are_refused(plain: Queries) -> None:
    with pytest.raises(HopscopeError, match=r"do not fit 12 questions about 3 names"):
        replace(plain, spans=with_spans(plain).spans[:, :2])


def test_a_gap_inside_a_names_tokens_is_refused() -> None:
    with pytest.raises(HopscopeError, match="each row its tokens"):
        NameTokens(np.array([[NO_TOKEN, 3]]))
