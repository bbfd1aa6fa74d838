"""The text of a corpus: its questions as sentences, and what is trained.

1. Every trained question is one sentence with its answer, in a wording drawn by the recipe's seed.
2. Every fact is a sentence in each of its wordings or, with `text.paragraphs`, the first sentence
   of a passage that goes on with other facts of its subject (and with `text.distractors`).
3. Loss is on the tokens of answers (in a passage, of every object), each closed by the
   end-of-answer token, or on all tokens.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError, unknown_name
from circuits.files import write_atomically
from circuits.recipes.schema import Recipe
from circuits.text.rendering import TextWording, padded
from circuits.text.templates import TemplateBook, book_of_recipe, written_book
from circuits.text.tokenizers import (
    TextTokenizer,
    given_tokenizer,
    one_token_per_name,
    stored_tokenizer,
    trained_bpe,
)

TOKENIZER, TEXT = "tokenizer.json", "text.json"
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class TrainingTexts:
    """All trained texts; row i of every array is text i."""

    tokens: Int[np.ndarray, "n width"]
    """Right-padded."""
    lengths: Int[np.ndarray, " n"]
    learned: Bool[np.ndarray, "n width"]
    """Tokens that have a loss; the first token of a text never has."""
    split_index: Int[np.ndarray, " n"]
    """Index into `Corpus.trained`."""

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class TextCorpus:
    """A corpus with its wording; `queries` are those of the corpus, in tokens of the text.

    >>> from circuits.corpus.build import build_corpus
    >>> from circuits.recipes.schema import load_recipe
    >>> recipe = load_recipe("train/recipes/demo-text.toml")
    >>> text = text_corpus(recipe, build_corpus(recipe))
    >>> query = text.queries("id_test")[0]
    >>> query.sentence.endswith(" is"), query.text.count("->")
    (True, 2)
    """

    corpus: Corpus
    wording: TextWording
    seed: int
    loss_on_all: bool
    paragraphs: int
    distractors: int = 0
    _rendered: dict[str, Queries] = field(default_factory=dict, repr=False)

    @property
    def tokenizer(self) -> TextTokenizer:
        """The tokenizer; its size is the model's d_vocab."""
        return self.wording.tokenizer

    def queries(self, split: str) -> Queries:
        """The questions of a split as text, each in a wording drawn by seed and split."""
        if split not in self.corpus.splits:
            raise unknown_name("split", split, self.corpus.splits)
        if split not in self._rendered:
            self._rendered[split] = self._render(split, self.corpus.splits[split])
        return self._rendered[split]

    def as_corpus(self) -> Corpus:
        """The corpus with its questions as text."""
        return replace(
            self.corpus, splits={name: self.queries(name) for name in self.corpus.splits}
        )

    def _render(self, split: str, queries: Queries) -> Queries:
        draw = np.random.default_rng([self.seed, zlib.crc32(split.encode())])
        most = self._most_templates(queries.kind)
        templates = draw.integers(0, most, len(queries))
        return self.worded(queries, templates)

    def _most_templates(self, kind: str) -> int:
        book = self.wording.book
        if kind in ("composition", "comparison"):
            return len(book.of_kind(kind))
        return int(np.lcm.reduce([len(each) for each in book.statements.values()]))

    def worded(self, queries: Queries, templates: Int[np.ndarray, " n"]) -> Queries:
        """Questions that are given by names, in these wordings."""
        tokens, spans = self.wording.render(queries.kind, queries.token_ids, templates)
        return Queries(
            kind=queries.kind,
            vocab=queries.vocab,
            token_ids=tokens,
            bridge_ids=queries.bridge_ids,
            answer_ids=queries.answer_ids,
            spans=spans,
            named=queries.token_ids,
            names=self.wording.names,
            wording=self.wording,
            templates=templates,
        )

    @property
    def longest_answer(self) -> int:
        """Most tokens of an answer, the end-of-answer token included."""
        return int(self.wording.names.lengths.max()) + 1

    @property
    def n_ctx(self) -> int:
        """Tokens of the longest text that can be asked about any names, with its answer."""
        lengths, vocab = self.wording.names.lengths, self.corpus.vocab
        entity = int(lengths[: vocab.first_relation].max())
        longest = 0
        for split in self.corpus.splits:
            queries = self.queries(split)
            if not len(queries):
                continue
            spans = queries.spans
            assert spans is not None
            tokens = spans[..., 1] - spans[..., 0]
            own = np.array([p not in ("answer",) for p in queries.positions])
            fixed = queries.lengths - tokens[:, own].sum(1)
            names = [
                entity if "subject" in role or "entity" in role else int(tokens[:, i].max())
                for i, role in enumerate(queries.positions)
                if own[i]
            ]
            longest = max(longest, int(fixed.max()) + sum(names), int(queries.lengths.max()))
        passages = max(map(len, (ids for ids, _ in self._passages())), default=0)
        return max(longest + self.longest_answer, passages)

    @property
    def warnings(self) -> list[str]:
        """What single tokens cannot tell of these questions, as a sentence; empty: nothing.

        >>> from circuits.corpus.build import build_corpus
        >>> from circuits.recipes.schema import load_recipe
        >>> recipe = load_recipe("train/recipes/demo-text.toml")
        >>> text_corpus(recipe, build_corpus(recipe)).warnings
        []
        """
        splits = self.corpus.splits.values()
        answers = np.unique(np.concatenate([queries.answer_ids for queries in splits]))
        first = self.wording.names.first[answers]
        if len(answers) < 2 or (first != first[0]).any():
            return []
        token = self.tokenizer.pieces([int(first[0])])[0].replace(" ", "␣")
        return [
            f"All answers begin with the same token ({token}), "
            "so analyses of first tokens (lenses, swaps, maps) tell no answers apart; choose "
            'text.tokenizer = "names", or names that begin differently.'
        ]

    def training_texts(self) -> TrainingTexts:
        """Everything that is trained, in the order of `Corpus.trained`."""
        rows: list[list[int]] = []
        learned: list[list[bool]] = []
        split_index: list[int] = []
        for index, split in enumerate(self.corpus.trained):
            kind = self.corpus.splits[split].kind
            if kind == "atomic" and self.paragraphs:
                continue
            for ids, flags in self._sentences(split, kind):
                rows.append(ids)
                learned.append(flags)
                split_index.append(index)
        for ids, flags, index in self._passage_rows():
            rows.append(ids)
            learned.append(flags)
            split_index.append(index)
        mask = padded([[int(flag) for flag in flags] for flags in learned], 0).astype(bool)
        if self.loss_on_all:
            mask = np.arange(mask.shape[1])[None] < np.array([len(r) for r in rows])[:, None]
        mask[:, 0] = False
        return TrainingTexts(
            padded(rows, self.tokenizer.pad),
            np.array([len(row) for row in rows]),
            mask,
            np.array(split_index),
        )

    def _sentences(self, split: str, kind: str) -> Iterator[tuple[list[int], list[bool]]]:
        """Prompt and answer of every question of a split; of a fact, in every wording."""
        if kind == "atomic":
            plain = self.corpus.splits[split]
            relation = [plain.vocab.name(r) for r in plain.token_ids[:, 1].tolist()]
            counts = [self.wording.n_templates("atomic", r) for r in relation]
            rows = np.repeat(np.arange(len(plain)), np.array(counts, np.int64))
            number = np.array([i for n in counts for i in range(n)], np.int64)
            queries = self.worded(plain.take(rows), number)
        else:
            queries = self.queries(split)
        lengths, answers = queries.lengths, queries.answer_ids.tolist()
        for ids, length, answer in zip(queries.token_ids.tolist(), lengths, answers, strict=True):
            ended = self.wording.answer(answer)
            yield [*ids[:length], *ended], [False] * int(length) + [True] * len(ended)

    def _passages(self) -> Iterator[tuple[list[int], list[bool]]]:
        for ids, flags, _ in self._passage_rows():
            yield ids, flags

    def _passage_rows(self) -> Iterator[tuple[list[int], list[bool], int]]:
        """A passage per trained fact: its statement, then others of the same subject, and mixed
        with these as many distractors of the same split."""
        if not self.paragraphs:
            return
        draw = np.random.default_rng([self.seed, zlib.crc32(b"paragraphs")])
        for index, split in enumerate(self.corpus.trained):
            plain = self.corpus.splits[split]
            if plain.kind != "atomic":
                continue
            subjects = plain.token_ids[:, 0]
            by_subject: dict[int, list[int]] = {}
            for row, subject in enumerate(subjects.tolist()):
                by_subject.setdefault(subject, []).append(row)
            for row, subject in enumerate(subjects.tolist()):
                others = [r for r in by_subject[subject] if r != row]
                draw.shuffle(others)
                rest = others[: self.paragraphs - 1]
                if self.distractors:
                    strange = np.flatnonzero(subjects != subject)
                    n = min(self.distractors, len(strange))
                    rest += draw.choice(strange, n, replace=False).tolist()
                    draw.shuffle(rest)
                ids, flags = self._passage(plain, [row, *rest], draw)
                yield ids, flags, index

    def _passage(
        self, plain: Queries, rows: list[int], draw: np.random.Generator
    ) -> tuple[list[int], list[bool]]:
        ids: list[int] = []
        flags: list[bool] = []
        for row in rows:
            names = plain.token_ids[row].tolist()
            n = self.wording.n_templates("atomic", plain.vocab.name(names[1]))
            prompt, _ = self.wording.prompt("atomic", names, int(draw.integers(0, n)))
            (encoded, _offsets), *_ = self.tokenizer.encode([prompt])
            ended = self.wording.answer(int(plain.answer_ids[row]))
            ids += [*encoded, *ended]
            flags += [False] * len(encoded) + [True] * len(ended)
        return ids, flags

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and text.json into a run folder."""
        table = {
            "schema": SCHEMA,
            "seed": self.seed,
            "loss_on_all": self.loss_on_all,
            "paragraphs": self.paragraphs,
            "distractors": self.distractors,
            "templates": self.wording.book.written,
        }
        write_atomically(folder / TOKENIZER, self.tokenizer.to_json().encode())
        write_atomically(folder / TEXT, json.dumps(table, ensure_ascii=False, indent=1).encode())


def text_corpus(recipe: Recipe, corpus: Corpus) -> TextCorpus:
    """The text that a recipe's [text] makes of a corpus.

    Raises:
        HopscopeError: if a template is malformed, the tokenizer cannot be read, or names cannot be
            told apart in its tokens.
    """
    assert recipe.text is not None
    relations = (*corpus.vocab.relations, *(s for s in corpus.vocab.specials if s == "itself"))
    book = book_of_recipe(recipe, relations, corpus.graph.notes.get("wording"))
    wording = TextWording(book, _tokenizer(recipe, corpus, book), corpus.vocab)
    wording.names  # noqa: B018  # refuses names that cannot be told apart
    return TextCorpus(
        corpus,
        wording,
        recipe.seed,
        loss_on_all=recipe.text.loss == "all",
        paragraphs=recipe.text.paragraphs,
        distractors=recipe.text.distractors,
    )


def _tokenizer(recipe: Recipe, corpus: Corpus, book: TemplateBook) -> TextTokenizer:
    assert recipe.text is not None
    chosen = recipe.text.tokenizer
    if chosen not in ("bpe", "names"):
        return given_tokenizer(chosen)
    texts = list(_texts(corpus, book))
    if chosen == "bpe":
        return trained_bpe(texts, recipe.text.vocab_size)
    phrases = (phrase for each in book.phrases.values() for phrase in each)
    vocab = corpus.vocab
    return one_token_per_name((*vocab.entities, *vocab.specials, *phrases), texts)


def _texts(corpus: Corpus, book: TemplateBook) -> Iterator[str]:
    """Every fact in all its wordings, and every question's words once."""
    vocab = corpus.vocab
    for subject, relation, object_ in corpus.graph.facts.tolist():
        name = corpus.graph.relations[relation]
        for number, template in enumerate(book.statements[name]):
            phrases = book.phrases[name]
            slots = {"subject": vocab.entities[subject]}
            slots["relation"] = phrases[number % len(phrases)]
            yield f"{template.fill(slots)[0]} {vocab.entities[object_]}{template.closing}"
    for template in (*book.questions, *book.comparisons):
        yield "".join(words for slot, words in template.pieces if slot is None)
    yield from vocab.specials


def load_text(folder: Path, corpus: Corpus) -> TextCorpus:
    """The text of a run folder.

    Raises:
        HopscopeError: if a file is missing or damaged.
    """
    path = folder / TEXT
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        book = written_book(table["templates"])
        seed, on_all = int(table["seed"]), bool(table["loss_on_all"])
        paragraphs = int(table["paragraphs"])
        distractors = int(table.get("distractors", 0))  # runs of 0.3 and older have none
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HopscopeError(
            f"{path} is missing or damaged ({error}); train the run again from its recipe.toml."
        ) from error
    wording = TextWording(book, stored_tokenizer(folder / TOKENIZER), corpus.vocab)
    return TextCorpus(corpus, wording, seed, on_all, paragraphs, distractors)
