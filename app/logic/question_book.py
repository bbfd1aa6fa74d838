"""All questions of a run by name: searching, composing, and finding donors, without Streamlit.

A question is known by the ids of the names that it is about, also where the model reads it as a
sentence; `prompts` has its tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from app.logic.asked import Asked
from app.logic.listed_names import join_names, split_names
from app.logic.model_tokens import ModelTokens, tokens_of_corpus
from app.logic.name_index import NameIndex, folded
from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError

SEARCHED = ("id_test", "asked", "train_inferred", "ood_test", "io_test", "oi_test")
"""Splits whose questions can be searched, in the order in which hits are shown."""
SEPARATOR = "|"
"""Between the names of a question in the address: "Lyon|country|currency"."""


class Hit(NamedTuple):
    """A question that was found."""

    split: str
    row: int
    text: str


class QuestionBook:
    """The compositions of a corpus, and the answers of its graph to any other."""

    lent = "the bridge"
    """Words for what a donor's state at position 1 lends."""
    watched: tuple[tuple[str, str], ...] = (("the bridge", "the first-relation position"),)
    """What must be looked up on the way: value i of a question, at `Asked.places[i]`."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.vocab = corpus.vocab

    @property
    def example(self) -> str:
        """Words to search for."""
        return "e.g. France currency" if "France" in self.vocab.entities else "names in it"

    @cached_property
    def fact(self) -> dict[tuple[int, int], int]:
        """Object of each (subject, relation), as token ids."""
        first = self.vocab.first_relation
        return {(s, r + first): o for s, r, o in self.corpus.graph.facts.tolist()}

    @cached_property
    def hits(self) -> list[Hit]:
        """Every question of the searched splits."""
        found = []
        for split in SEARCHED:
            if split not in self.corpus.splits:
                continue
            queries = self.corpus.queries(split)
            rows = zip(
                queries.asked_ids.tolist(),
                queries.bridge_ids.tolist(),
                queries.answer_ids.tolist(),
                strict=True,
            )
            for row, (tokens, bridges, answer) in enumerate(rows):
                found.append(Hit(split, row, self._row_text(tokens, (*bridges, answer))))
        return found

    def _row_text(self, tokens: Sequence[int], stops: Sequence[int]) -> str:
        name = self._names.__getitem__
        hops = zip(tokens[1:], stops, strict=True)
        return name(tokens[0]) + "".join(f" -{name(r)}-> {name(stop)}" for r, stop in hops)

    @cached_property
    def _names(self) -> list[str]:
        return [*self.vocab.entities, *self.vocab.relations, *self.vocab.specials]

    @cached_property
    def _unlike(self) -> list[str]:
        """The names by token, made distinct if a relation has the name of an entity."""
        taken = set(self.vocab.entities)
        relations = [
            f"{name} (relation)" if name in taken else name for name in self.vocab.relations
        ]
        taken |= set(self.vocab.relations)
        specials = [f"{name} (label)" if name in taken else name for name in self.vocab.specials]
        return [*self.vocab.entities, *relations, *specials]

    def name(self, token: int) -> str:
        """The name of a token in lists with other tokens."""
        if self.text_tokens is not None and token >= len(self.vocab):
            return self.text_tokens.piece(token)
        return self._unlike[token]

    @cached_property
    def text_tokens(self) -> ModelTokens | None:
        """The tokens of a run on text; None where every name is a token."""
        return tokens_of_corpus(self.vocab, list(self.corpus.splits.values()))

    def first_token(self, name: int) -> int:
        """The model's token with which a name begins: its own where every name is a token."""
        return name if self.text_tokens is None else self.text_tokens.first(name)

    def begun(self, name: int) -> str:
        """A name as far as its first token goes, "Dem…"; whole where it is one token."""
        if self.text_tokens is None:
            return self.name(name)
        return self.text_tokens.beginning(name)

    def shown(self, tokens: np.ndarray) -> np.ndarray:
        """The ids by which the model's tokens are named here."""
        return tokens if self.text_tokens is None else self.text_tokens.shown(tokens)

    def prompts(self, *asked: tuple[int, ...]) -> Queries:
        """Questions as the model reads them, all in the wording that the first one has.

        Only their tokens and roles count; bridges and answers are those of another question.
        """
        split, row = self.wording_of(asked[0])
        like = self.corpus.queries(split).take(np.full(len(asked), row))
        return like.asking(np.array(asked))

    def wording_of(self, asked: tuple[int, ...]) -> tuple[str, int]:
        """Split and row of a question that is worded as this one: itself, if the run has it."""
        return self._places.get(asked) or next(
            (name, 0) for name in SEARCHED if len(self.corpus.splits.get(name, ()))
        )

    @cached_property
    def _places(self) -> dict[tuple[int, ...], tuple[str, int]]:
        """Split and row of every question of a run on text."""
        found: dict[tuple[int, ...], tuple[str, int]] = {}
        for split in SEARCHED if self.text_tokens else ():
            if split in self.corpus.splits:
                for row, asked in enumerate(self.corpus.queries(split).asked_ids.tolist()):
                    found.setdefault(tuple(asked), (split, row))
        return found

    def fact_prompt(self, subject: int, relation: int) -> Queries:
        """The prompt of one fact, as the model reads it."""
        asked = np.array([[subject, relation]])
        none = np.zeros(1, int)
        plain = Queries("atomic", self.vocab, asked, np.zeros((1, 0), int), none)
        if self.text_tokens is None:
            return plain
        wording = self.text_tokens.wording
        tokens, spans = wording.render("atomic", asked, none)
        return replace(plain, token_ids=tokens, spans=spans, named=asked, wording=wording)

    @cached_property
    def parts(self) -> list[tuple[str, NameIndex]]:
        """Label and tokens of each place of a composed question."""
        relations = self._index(range(self.vocab.first_relation, self.vocab.first_special))
        places = ("First relation", "Second relation", "Third relation")
        subjects = self._index(range(len(self.vocab.entities)))
        return [("Subject", subjects), *((place, relations) for place in places)]

    def _index(self, tokens: Sequence[int]) -> NameIndex:
        return NameIndex(tokens, [self._names[token] for token in tokens])

    def search(self, words: str, limit: int = 60, keep: frozenset[int] | None = None) -> list[Hit]:
        """Questions that contain every word, regardless of case and accents, the best first.

        All questions are searched, also in their bridges and answers. Those about the words come
        first: where they begin the question, then where they are whole words of it, then where
        they are parts of words. Among equals ID test comes first. With `keep` only questions at
        these places of `hits` are found.
        """
        return [self.hits[row] for row in self._kept(words, keep)[:limit]]

    def count(self, words: str, keep: frozenset[int] | None = None) -> int:
        """How many questions contain every word."""
        return len(self._kept(words, keep))

    def _kept(self, words: str, keep: frozenset[int] | None) -> list[int]:
        found = self._found(words)
        return found if keep is None else [row for row in found if row in keep]

    @lru_cache(maxsize=8)  # noqa: B019 - a book lives as long as its run is open
    def _found(self, words: str) -> list[int]:
        wanted = folded(words.replace("->", " ").replace(" -", " ")).split()
        if not wanted:
            return list(range(len(self.hits)))
        texts = self._folded
        rows = [row for row, text in enumerate(texts) if all(word in text for word in wanted)]
        whole = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)") for word in wanted]

        def rank(row: int) -> tuple[bool, int]:
            text = texts[row]
            missing = sum(pattern.search(text) is None for pattern in whole)
            return not text.startswith(wanted[0]), missing

        return sorted(rows, key=rank)

    @cached_property
    def first(self) -> Hit:
        """A question to start with: from ID test if possible, with three different entities."""
        for hit in self.hits:
            asked = self.asked(self.tokens_of(hit))
            if len({asked.tokens[0], asked.values[0], asked.answer}) == 3:
                return hit
        return self.hits[0]

    @cached_property
    def _folded(self) -> list[str]:
        return [folded(hit.text) for hit in self.hits]

    def tokens_of(self, hit: Hit) -> tuple[int, ...]:
        """Token ids of a question that was found."""
        return self.tokens_at(hit.split, hit.row)

    def tokens_at(self, split: str, row: int) -> tuple[int, ...]:
        """Token ids of a question by its row in a split."""
        return tuple(self.corpus.queries(split).asked_ids[row].tolist())

    def question_with(self, subject: int, relation: int) -> tuple[int, ...] | None:
        """A question that begins with a fact, or else goes on with it; None if there is none.

        Args:
            subject: Token id of the fact's subject.
            relation: Token id of its relation.
        """
        for place in (0, 1):
            for split in (name for name in SEARCHED if name in self.corpus.splits):
                queries = self.corpus.queries(split)
                asked = queries.asked_ids
                stops = asked[:, 0] if place == 0 else queries.bridge_ids[:, 0]
                fits = (stops == subject) & (asked[:, place + 1] == relation)
                if fits.any():
                    return self.tokens_at(split, int(fits.argmax()))
        return None

    def asked(self, tokens: Sequence[int]) -> Asked:
        """The question with the graph's bridge and answer, None if it has none."""
        bridge = self.fact.get((tokens[0], tokens[1]))
        stop = bridge
        for relation in tokens[2:]:
            stop = None if stop is None else self.fact.get((stop, relation))
        return Asked(tuple(tokens), (bridge,), stop)

    def swapped_answer(self, asked: Asked, donor: Asked) -> int | None:
        """The question's answer if its bridge were the donor's."""
        stop = donor.values[0]
        for relation in asked.tokens[2:]:
            stop = None if stop is None else self.fact.get((stop, relation))
        return stop

    def needed_fact(self, asked: Asked, donor: Asked) -> tuple[int, int] | None:
        """Donor's bridge and the question's second relation, if these alone give the answer."""
        bridge, relations = donor.values[0], asked.tokens[2:]
        return None if bridge is None or len(relations) != 1 else (bridge, relations[0])

    def donors(self, asked: Asked, limit: int = 60) -> list[tuple[int, ...]]:
        """Questions whose bridge (or first value), lent to this one, gives another answer."""
        splits = self.corpus.splits
        queries = splits[next(s for s in SEARCHED if len(splits.get(s, ())))]
        order = np.random.default_rng(sum(asked.tokens)).permutation(len(queries))
        found = []
        for row in order.tolist():
            tokens = tuple(queries.asked_ids[row].tolist())
            if len(tokens) != len(asked.tokens) or tokens == asked.tokens:
                continue
            answer = self.swapped_answer(asked, self.asked(tokens))
            if answer is not None and self._told_apart(answer, asked.answer):
                found.append(tokens)
                if len(found) == limit:
                    break
        return found

    def _told_apart(self, answer: int, other: int | None) -> bool:
        """Whether two answers differ, and already by their first tokens."""
        return other is None or self.first_token(answer) != self.first_token(other)

    def named(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """The tokens of a question that are names: all but marks."""
        return tuple(tokens)

    def whole(self, named: Sequence[int]) -> tuple[int, ...]:
        """The tokens of the question about these names."""
        return tuple(named)

    def names(self, tokens: Sequence[int]) -> str:
        """A question as written in the address."""
        return join_names((self._names[t] for t in self.named(tokens)), SEPARATOR)

    def text(self, tokens: Sequence[int]) -> str:
        """A question in readable form, with "?" for what the graph lacks."""
        words, stop = self.vocab.name(tokens[0]), tokens[0]
        known: int | None = stop
        for relation in tokens[1:]:
            known = None if known is None else self.fact.get((known, relation))
            words += f" -{self.vocab.name(relation)}-> "
            words += "?" if known is None else self.vocab.name(known)
        return words

    def parse(self, names: str) -> tuple[int, ...]:
        """Token ids of a question as the address has it.

        Raises:
            HopscopeError: if it does not have this form or a name is unknown.
        """
        subject, *relations = split_names(names, SEPARATOR)
        if not 2 <= len(relations) <= 3:
            raise HopscopeError(
                f"question {names[:60]!r} is not of the form subject|relation|relation."
            )
        return (self.vocab.entity(subject), *(self.vocab.relation(r) for r in relations))
