"""Two-hop questions for language models: prompts as the file has them, or made and marked so."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from question_files import MQUAKE, PATH_QUESTION, TWO_HOP_FACT, write_all, write_table, write_text

from circuits.errors import HopscopeError
from circuits.pretrained.marking import marked_question
from circuits.text.two_hop_questions import TwoHopQuestion, read_two_hop_questions


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, list[TwoHopQuestion]]:
    return {name: read_two_hop_questions(path) for name, path in write_all(tmp_path).items()}


def test_prompts_of_a_file_are_kept_word_for_word(asked: dict[str, list[TwoHopQuestion]]) -> None:
    first = asked["two_hop_fact"][0]
    assert (first.hop_1, first.hop_2) == (
        "The singer of 'Plum, Moon' is",
        "The mother of Ada Lee is",
    )
    assert first.composed == "The mother of the singer of 'Plum, Moon' is"
    assert (first.bridges, first.answers) == (("Ada Lee", "A. Lee"), ("Eve Lee", "Eve"))
    assert first.category == "mother of song's singer"
    start, end = first.subject_characters or (0, 0)
    assert first.composed[start:end] == "Plum, Moon"
    assert not first.made


def test_templates_and_clozes_ask_the_single_hops(asked: dict[str, list[TwoHopQuestion]]) -> None:
    late, edits = asked["hopping_too_late"][0], asked["mquake"]
    assert late.hop_1 == "the performer of Plum Moon is"
    assert late.hop_2 == "the country of citizenship of Ada Lee is"
    assert late.answers == ("France", "French Republic", "FR")
    assert len(edits) == 1, "a question of three hops is not a two-hop question"
    assert (edits[0].hop_1, edits[0].hop_2) == ("Plum Moon was sung by", "Ada Lee was born in")
    assert edits[0].composed == "Q: Where was the singer of Plum Moon born? A:"
    assert len(edits[0].paraphrases) == 1


def test_all_three_prompts_of_a_question_are_questions_with_a_place_for_the_answer(
    tmp_path: Path,
) -> None:
    record = copy.deepcopy(MQUAKE[0])
    for hop, asks in zip(record["single_hops"], ("Who sang Plum Moon?", "Where was Ada Lee born?"),
                         strict=True):  # fmt: skip
        hop["question"] = asks
    (asked,) = read_two_hop_questions(write_text(tmp_path / "q.json", json.dumps([record])))
    assert (asked.hop_1, asked.hop_2) == (
        "Q: Who sang Plum Moon? A:",
        "Q: Where was Ada Lee born? A:",
    )
    assert asked.composed == "Q: Where was the singer of Plum Moon born? A:"
    marked = marked_question(asked)
    assert not isinstance(marked, str)
    assert marked.words[:2] == ("Plum Moon", "the singer of")


def test_a_prompt_that_ends_with_a_question_mark_gets_a_place_for_the_answer(
    tmp_path: Path,
) -> None:
    rows = [{**TWO_HOP_FACT[0], "r2(e2).prompt": "Who is Ada Lee's mother?"}]
    (asked,) = read_two_hop_questions(write_table(tmp_path / "TwoHopFact.csv", rows))
    assert asked.hop_2 == "Q: Who is Ada Lee's mother? A:"
    assert asked.hop_1 == rows[0]["r1(e1).prompt"]


def test_wordings_of_one_path_are_one_question_and_all_right_answers_count(
    asked: dict[str, list[TwoHopQuestion]],
) -> None:
    first, second = asked["path_question"]
    assert first.composed == "Q: what is the nation of ada lee's couple? A:"
    assert first.paraphrases == ("Q: the nation of ada lee's couple? A:",)
    assert first.answers == ("france", "italy")
    assert first.made == ("hop_1", "hop_2")
    assert second.hop_1 == "The work of Ed is"


def test_chains_of_facts_are_asked_with_what_is_missing_made_and_marked(
    asked: dict[str, list[TwoHopQuestion]],
) -> None:
    lre, pararel = asked["lre"], asked["pararel"]
    assert [q.subject for q in lre] == ["Acme", "Apex"]
    assert lre[0].hop_1 == "Acme's CEO is"
    assert lre[0].composed == "The mother of the CEO of Acme is"
    assert lre[0].made == ("composed",)
    assert (pararel[0].subject, pararel[0].bridge, pararel[0].answer) == (
        "Ada Lee",
        "France",
        "Paris",
    )
    assert pararel[0].made == ("hop_1", "composed")  # there is no pattern of P19


def test_2wiki_is_asked_in_its_own_words(tmp_path: Path) -> None:
    chain = [["Ada", "mother", "Eve"], ["Eve", "date of birth", "1900"]]
    record = {"_id": "x", "type": "compositional", "evidences": chain, "answer": "1900"}
    pair = {"_id": "y", "type": "comparison", "evidences": [["A", "born", "1"], ["B", "born", "2"]]}
    both = [record | {"question": "When was Ada's mother born?"}, pair | {"question": "Who ...?"}]
    (asked,) = read_two_hop_questions(write_text(tmp_path / "q.json", json.dumps(both)))
    assert asked.composed == "Q: When was Ada's mother born? A:"
    assert asked.hop_2 == "The date of birth of Eve is"
    assert (asked.category, asked.made) == ("compositional", ("hop_1", "hop_2"))


def test_a_file_without_two_hop_questions_is_refused(tmp_path: Path) -> None:
    three = "q ?\td(d/)\ta#r#b#s#c#t#d#<end>#d\n"
    with pytest.raises(HopscopeError, match=r"no two-hop question in it .*1 questions"):
        read_two_hop_questions(write_text(tmp_path / "PQ-3H.txt", three))


def test_a_file_of_another_kind_is_refused_with_the_keys_that_tell(tmp_path: Path) -> None:
    path = write_text(tmp_path / "facts.tsv", "Ada\tmother\tEve\n")
    with pytest.raises(HopscopeError, match=r"not a known question file.*mquake: single_hops"):
        read_two_hop_questions(path)
    with pytest.raises(HopscopeError, match="unknown question format 'mquak'"):
        read_two_hop_questions(path, "mquak")


def test_only_the_first_records_are_read_if_asked(tmp_path: Path) -> None:
    path = write_text(tmp_path / "PQ-2H.txt", PATH_QUESTION)
    assert len(read_two_hop_questions(path, options={"limit": 1})) == 1
