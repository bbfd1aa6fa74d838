"""The text of a corpus: the same questions, what is learned of them, and how it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tiny_texts import tiny_text, tiny_text_recipe

from circuits.corpus.build import build_corpus
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.recipes.schema import TextSection, load_recipe, parse_recipe
from circuits.text.corpus import TEXT, TOKENIZER, load_text, text_corpus
from circuits.text.rendering import TextWording
from circuits.text.templates import template_book
from circuits.text.tokenizers import given_tokenizer

RECIPES = Path(__file__).parents[3] / "train" / "recipes"


def test_a_question_is_the_sentence_about_its_names() -> None:
    text = tiny_text()
    for split, plain in text.corpus.splits.items():
        for asked, query in zip(plain, text.queries(split), strict=True):
            assert query.text == asked.text
            assert query.question == asked.question
            for name in asked.tokens:
                assert text.corpus.vocab.name(name) in query.sentence


def test_the_wordings_of_questions_are_drawn_by_the_seed() -> None:
    one, two = (tiny_text({"paraphrases": 3}) for _ in range(2))
    sentences = [query.sentence for query in one.queries("train_inferred")]
    assert sentences == [query.sentence for query in two.queries("train_inferred")]
    templates = one.queries("train_inferred").templates
    assert templates is not None
    assert set(templates.tolist()) == {0, 1, 2}


def test_loss_is_on_the_answer_and_its_end_alone() -> None:
    text = tiny_text()
    texts, end = text.training_texts(), text.tokenizer.end
    for row, learned, length in zip(texts.tokens, texts.learned, texts.lengths, strict=True):
        answer = row[learned]
        assert answer[-1] == end == row[length - 1]
        assert text.tokenizer.decode(answer.tolist()) in text.corpus.graph.entities
        assert not learned[length:].any()


def test_loss_on_all_leaves_out_the_first_token_and_the_padding() -> None:
    texts = tiny_text({"loss": "all"}).training_texts()
    assert (texts.learned.sum(1) == texts.lengths - 1).all()
    assert not texts.learned[:, 0].any()


def test_every_fact_is_trained_in_each_of_its_wordings() -> None:
    facts = ("The {relation} of {subject} is {object}.", "{subject} has {relation} {object}.")
    one, two = (tiny_text({"facts": facts, "paraphrases": n}) for n in (1, 2))
    n_facts = len(one.corpus.graph)
    assert len(two.training_texts()) - len(one.training_texts()) == n_facts


def test_a_passage_begins_with_each_fact_and_goes_on_about_its_subject() -> None:
    text = tiny_text({"paragraphs": 3})
    texts, corpus = text.training_texts(), text.corpus
    atomic = [corpus.trained.index(name) for name in ("atomic_id", "atomic_ood")]
    passages = texts.tokens[np.isin(texts.split_index, atomic)]
    assert len(passages) == len(corpus.graph)
    first = []
    for row in passages:
        ends = np.flatnonzero(row == text.tokenizer.end)
        assert len(ends) <= 3
        said = [
            text.tokenizer.decode(part.tolist()) for part in np.split(row, ends + 1)[: len(ends)]
        ]
        subjects = {sentence.split(" of ")[1].split(" is ")[0] for sentence in said}
        assert len(subjects) == 1
        first.append(said[0])
    assert len(set(first)) == len(corpus.graph)


def test_distractors_are_mixed_in_behind_the_first_sentence_of_a_passage() -> None:
    plain, mixed = tiny_text({"paragraphs": 2}), tiny_text({"paragraphs": 2, "distractors": 3})
    end = mixed.tokenizer.end
    index = mixed.corpus.trained.index("atomic_id")
    ours, theirs = plain.training_texts(), mixed.training_texts()
    before = ours.tokens[ours.split_index == index]
    after = theirs.tokens[theirs.split_index == index]
    assert ((after == end).sum(1) == (before == end).sum(1) + 3).all()
    for short, long in zip(before, after, strict=True):
        first = int(np.flatnonzero(short == end)[0])
        assert (short[: first + 1] == long[: first + 1]).all()
    said = [s for row in after for s in mixed.tokenizer.decode(row.tolist()).split(" is")]
    assert len({s.split(" of ")[-1] for s in said}) > 2


def test_distractors_without_passages_are_refused() -> None:
    with pytest.raises(HopscopeError, match="set paragraphs"):
        parse_recipe({"text": {"distractors": 2}}, "a recipe")


def test_a_text_is_read_back_from_its_files(tmp_path: Path) -> None:
    text = tiny_text({"paraphrases": 2, "separator": " Answer:"})
    text.save(tmp_path)
    again = load_text(tmp_path, text.corpus)
    for split in text.corpus.splits:
        ours, theirs = text.queries(split), again.queries(split)
        assert (ours.token_ids == theirs.token_ids).all()
        assert (ours.spans == theirs.spans).all()  # type: ignore[union-attr]
    ours, theirs = text.training_texts(), again.training_texts()
    assert (ours.tokens == theirs.tokens).all()
    assert again.n_ctx == text.n_ctx


def test_no_question_about_any_names_is_longer_than_the_context() -> None:
    text = tiny_text({"paraphrases": 3})
    queries = text.queries("id_test")
    longest = int(text.wording.names.lengths[: len(text.corpus.graph.entities)].argmax())
    asked = queries.asked_ids.copy()
    asked[:, 0] = longest
    assert queries.asking(asked).lengths.max() + text.longest_answer <= text.n_ctx


@pytest.mark.parametrize(("name", "content"), [(TEXT, "{"), (TEXT, "[]"), (TOKENIZER, "{}")])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str) -> None:
    text = tiny_text()
    text.save(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(HopscopeError, match=f"{name} is missing or damaged"):
        load_text(tmp_path, text.corpus)


def test_a_tokenizer_by_path_gives_the_same_tokens_as_itself(tmp_path: Path) -> None:
    ours = tiny_text()
    (tmp_path / "tokenizer.json").write_text(ours.tokenizer.to_json())
    theirs = tiny_text({"tokenizer": str(tmp_path / "tokenizer.json")})
    assert (ours.queries("id_test").token_ids == theirs.queries("id_test").token_ids).all()


def test_a_tokenizer_without_marks_gets_them(tmp_path: Path) -> None:
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator(["a"], tokenizers.trainers.BpeTrainer(vocab_size=5))
    inner.save(str(tmp_path / "tokenizer.json"))
    found = given_tokenizer(str(tmp_path / "tokenizer.json"))
    assert len({found.pad, found.end}) == 2
    assert len(found) == inner.get_vocab_size() + 2


def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("no")
    for name in (tmp_path / "tokenizer.json", tmp_path / "none.json"):
        with pytest.raises(HopscopeError, match=r"text\.tokenizer: .* cannot be read"):
            given_tokenizer(str(name))


def test_names_that_a_tokenizer_cannot_tell_apart_are_refused() -> None:
    recipe = tiny_text_recipe({"tokenizer": "names"})
    text = text_corpus(recipe, build_corpus(recipe))
    vocab = text.corpus.vocab
    strange = ("☃☃", "☂☂", *vocab.entities[2:])
    wording = TextWording(text.wording.book, text.tokenizer, Vocab(strange, vocab.relations))
    with pytest.raises(HopscopeError, match="'☃☃' and '☂☂' have the same tokens"):
        wording.names  # noqa: B018


def test_a_role_that_a_tokenizer_leaves_out_is_named_with_its_sentence(tmp_path: Path) -> None:
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.train_from_iterator(["The mother of Ada is"], tokenizers.trainers.BpeTrainer())
    inner.save(str(tmp_path / "tokenizer.json"))
    vocab = Vocab(("Ada", "☃"), ("mother",))
    book = template_book(TextSection(), vocab.relations, hops=2)
    wording = TextWording(book, given_tokenizer(str(tmp_path / "tokenizer.json")), vocab)
    assert wording.render("atomic", np.array([[0, 2]]), np.array([0]))[1].shape == (1, 3, 2)
    said = r"the role subject \('☃'\) of 'The mother of ☃ is' has no token; use another"
    with pytest.raises(HopscopeError, match=said):
        wording.render("atomic", np.array([[1, 2]]), np.array([0]))


@pytest.mark.parametrize(("tokenizer", "said"), [("bpe", ["All answers begin"]), ("names", [])])
def test_answers_that_all_begin_alike_are_warned_of(tokenizer: str, said: list[str]) -> None:
    """The tiny recipe's names are e_0, e_1, ..."""
    warnings = tiny_text({"tokenizer": tokenizer}).warnings
    assert [warning[:17] for warning in warnings] == said


def test_a_comparison_asks_whether_two_are_in_the_same_place() -> None:
    recipe = tiny_text_recipe(
        source={"name": "geonames", "options": {"n_countries": 6, "relations": ["country"]}},
        splits={
            "task": "comparison",
            "comparison_form": "same",
            "comparison_attributes": ["country"],
            "id_test_items": 10,
        },
        augmentation={"phi": 2.0, "modes": []},
    )
    text = text_corpus(recipe, build_corpus(recipe))
    query = text.queries("id_test")[0]
    assert query.sentence.startswith("Are ")
    assert query.sentence.endswith(" in the same country?")
    assert text.queries("id_test").positions == ("attribute", "entity_1", "entity_2", "answer")
    labels = {text.corpus.vocab.name(a) for a in text.queries("id_test").answer_ids.tolist()}
    assert labels == {"yes", "no"}


def test_a_corpus_without_ood_facts_has_texts() -> None:
    text = tiny_text(splits={"ood_share": 0.0, "id_test_items": 20})
    assert not len(text.queries("atomic_ood"))
    plain = text.corpus.training_set()
    assert len(text.training_texts()) == len(plain)
    assert text.n_ctx > 0


@pytest.mark.parametrize("name", ["composition", "comparison"])
def test_the_text_recipes_of_wild_build_without_a_download(name: str) -> None:
    recipe = load_recipe(RECIPES / f"wild-text-{name}.toml", ["text.tokenizer=bpe"])
    text = text_corpus(recipe, build_corpus(recipe))
    assert len(text.tokenizer) == 512
    assert text.queries("id_test")[0].sentence.endswith("?")
