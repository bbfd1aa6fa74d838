"""Prompts of a file in the tokens of a series, kept in the run folder.

`prompts.json` holds, for each split, the text of every prompt with the characters of its roles, the
words for each relation, and aliases of names; `tokenizer.json` is the series' own. Tokens and spans
are made of both when the run is opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.corpus.wording import NO_TOKEN, NameTokens
from circuits.errors import HopscopeError, unknown_name
from circuits.files import write_atomically
from circuits.pretrained.marking import Marked
from circuits.pretrained.phrases import Phrases
from circuits.pretrained.tokenizer import FILE, SeriesTokenizer, stored_series_tokenizer
from circuits.text.rendering import padded
from circuits.text.spans import token_spans

PROMPTS = "prompts.json"
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class FileWording:
    """How questions are worded and tokenized (`circuits.corpus.wording.Wording`).

    A question that the file asks has the file's prompt; any other is put together from its words.
    """

    tokenizer: SeriesTokenizer
    vocab: Vocab
    asked: Mapping[tuple[int, ...], Marked]
    """Prompts of the file by the ids that they ask about."""
    phrases: Phrases
    aliases: Mapping[str, tuple[str, ...]]

    def prompt(self, names: tuple[int, ...], number: int = 0) -> Marked:
        """The prompt that asks about these names (subject and one or two relations)."""
        if names in self.asked:
            return self.asked[names]
        subject, first, *second = map(self.vocab.name, names)
        if not second:
            return self.phrases.fact(subject, first, number)
        return self.phrases.question(subject, first, second[0], number)

    def render(
        self, kind: str, asked_ids: Int[np.ndarray, "n names"], templates: Int[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, "n pos"], Int[np.ndarray, "n roles 2"]]:
        """Right-padded token ids of questions, and the span of each role, `answer` the last."""
        marked = [
            self.prompt(tuple(names), number)
            for names, number in zip(asked_ids.tolist(), templates.tolist(), strict=True)
        ]
        encoded = self.tokenizer.encode([each.text for each in marked])
        spans = np.empty((len(marked), asked_ids.shape[1] + 1, 2), np.int64)
        for row, (each, (ids, offsets)) in enumerate(zip(marked, encoded, strict=True)):
            spans[row, :-1] = token_spans(offsets, np.array(each.roles))
            spans[row, -1] = len(ids) - 1, len(ids)
        return padded([ids for ids, _ in encoded], self.tokenizer.pad), spans

    def decode(self, tokens: tuple[int, ...]) -> str:
        """The text of token ids."""
        return self.tokenizer.decode(tokens)

    @cached_property
    def names(self) -> NameTokens:
        """The tokens of every name as it follows a prompt."""
        names = [self.vocab.name(i) for i in range(len(self.vocab))]
        return NameTokens(padded(self.tokenizer.names(names), NO_TOKEN))

    @cached_property
    def spellings(self) -> Mapping[int, tuple[tuple[int, ...], ...]]:
        """The tokens of all texts that count as an entity, its name first."""
        said = {
            i: (self.vocab.name(i), *self.aliases.get(self.vocab.name(i), ()))
            for i in range(self.vocab.first_relation)
        }
        flat = iter(self.tokenizer.names([text for texts in said.values() for text in texts]))
        found = {i: [next(flat) for _ in texts] for i, texts in said.items()}
        return {i: tuple(dict.fromkeys(t for t in rows if t)) for i, rows in found.items()}


@dataclass(frozen=True, eq=False)
class AskedText:
    """A corpus of names, and how a file words its questions."""

    corpus: Corpus
    wording: FileWording
    _rendered: dict[str, Queries] = field(default_factory=dict, repr=False)

    @property
    def tokenizer(self) -> SeriesTokenizer:
        """The series' tokenizer."""
        return self.wording.tokenizer

    def queries(self, split: str) -> Queries:
        """The questions of a split in tokens of the series."""
        if split not in self.corpus.splits:
            raise unknown_name("split", split, self.corpus.splits)
        if split not in self._rendered:
            plain = self.corpus.splits[split]
            templates = np.zeros(len(plain), np.int64)
            tokens, spans = self.wording.render(plain.kind, plain.token_ids, templates)
            self._rendered[split] = replace(
                plain, token_ids=tokens, spans=spans, named=plain.token_ids,
                names=self.wording.names, wording=self.wording, templates=templates,
            )  # fmt: skip
        return self._rendered[split]

    def as_corpus(self) -> Corpus:
        """The corpus with its questions as text."""
        return replace(
            self.corpus, splits={name: self.queries(name) for name in self.corpus.splits}
        )

    def save(self, folder: Path) -> None:
        """Write prompts.json and tokenizer.json into a run folder."""
        wording = self.wording
        table = {
            "schema": SCHEMA,
            "asked": [
                [list(ids), each.text, [list(role) for role in each.roles]]
                for ids, each in wording.asked.items()
            ],
            "prompts": wording.phrases.prompts,
            "mentions": wording.phrases.mentions,
            "aliases": wording.aliases,
        }
        self.tokenizer.save(folder)
        write_atomically(folder / PROMPTS, json.dumps(table, ensure_ascii=False).encode())


def load_asked_text(folder: Path, corpus: Corpus) -> AskedText:
    """The prompts of a run folder.

    Raises:
        HopscopeError: if a file is missing or damaged.
    """
    path = folder / PROMPTS
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        asked = {
            tuple(map(int, ids)): Marked(str(text), tuple((int(a), int(b)) for a, b in roles))
            for ids, text, roles in table["asked"]
        }
        prompts, mentions = (
            {str(r): [(str(a), str(b)) for a, b in each] for r, each in table[key].items()}
            for key in ("prompts", "mentions")
        )
        aliases = {str(name): tuple(map(str, more)) for name, more in table["aliases"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HopscopeError(
            f"{path} is missing or damaged ({error}); import the series again."
        ) from error
    tokenizer = stored_series_tokenizer(folder / FILE)
    phrases = Phrases(prompts, mentions)
    return AskedText(corpus, FileWording(tokenizer, corpus.vocab, asked, phrases, aliases))
