"""Questions as sentences: from ids of names to token ids with the span of each role.

1. A template and the names of a question give the prompt, and the characters of each role.
2. The tokenizer gives its tokens with their characters.
3. A role's tokens are those that overlap its characters (`spans`). The role "answer" is the last
   token of the prompt, where the answer is predicted, unless a name always stands there.

Answers are encoded by themselves, with a leading blank as everywhere, and closed by the
end-of-answer token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from circuits.corpus.queries import QueryKind, position_names
from circuits.corpus.vocab import Vocab
from circuits.corpus.wording import NO_TOKEN, NameTokens
from circuits.errors import HopscopeError
from circuits.text.spans import Offsets, token_spans
from circuits.text.templates import Template, TemplateBook
from circuits.text.tokenizers import TextTokenizer


@dataclass(frozen=True, eq=False)
class TextWording:
    """Templates and tokenizer of a run over its names; `circuits.corpus.wording.Wording`.

    >>> from circuits.recipes.schema import TextSection
    >>> from circuits.text.templates import template_book
    >>> from circuits.text.tokenizers import trained_bpe
    >>> vocab = Vocab(("Ada", "Eve"), ("mother",))
    >>> book = template_book(TextSection(), vocab.relations, hops=2)
    >>> wording = TextWording(book, trained_bpe(["The mother of Ada is Eve."], 270), vocab)
    >>> wording.prompt("atomic", (0, 2), 0)[0]
    'The mother of Ada is'
    """

    book: TemplateBook
    tokenizer: TextTokenizer
    vocab: Vocab

    def roles(self, kind: QueryKind, n_names: int) -> tuple[str, ...]:
        """Names of the roles of questions of a kind."""
        names = position_names(kind, n_names)
        return names if self._book_kind_ends(kind) else (*names, "answer")

    def _book_kind_ends(self, kind: str) -> bool:
        return self.book.ends_with_a_name(kind)

    def n_templates(self, kind: str, relation: str | None = None) -> int:
        """Number of wordings of a question of this kind, or of a fact of this relation."""
        return len(self._templates(kind, relation))

    def _templates(self, kind: str, relation: str | None) -> tuple[Template, ...]:
        return self.book.of_kind(kind, relation)

    def prompt(
        self, kind: str, names: Sequence[int], number: int
    ) -> tuple[str, list[tuple[int, int]]]:
        """The prompt about these names in one wording, and the characters of each role."""
        name = self.vocab.name
        if kind == "comparison":
            attribute, *entities = names
            slots = {"attribute": self._phrase(attribute, number)}
            slots |= {f"entity_{i}": name(e) for i, e in enumerate(entities, 1)}
            relation = None
        else:
            subject, *relations = names
            slots = {"subject": name(subject)}
            slots |= {f"relation_{i}": self._phrase(r, number) for i, r in enumerate(relations, 1)}
            relation = name(relations[0])
            slots["relation"] = slots["relation_1"]
        templates = self._templates(kind, relation)
        text, spans = templates[number % len(templates)].fill(slots)
        roles = position_names(kind, len(names))  # type: ignore[arg-type]  # a QueryKind
        single = "relation_1" not in spans
        return text, [spans["relation" if single and r == "relation_1" else r] for r in roles]

    def _phrase(self, relation: int, number: int) -> str:
        phrases = self.book.phrases[self.vocab.name(relation)]
        return phrases[number % len(phrases)]

    def render(
        self, kind: str, asked_ids: Int[np.ndarray, "n names"], templates: Int[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, "n pos"], Int[np.ndarray, "n roles 2"]]:
        """Right-padded token ids of questions, and the span of each role.

        Raises:
            HopscopeError: if a role has no token.
        """
        asked = zip(asked_ids.tolist(), templates.tolist(), strict=True)
        prompts = [self.prompt(kind, names, number) for names, number in asked]
        encoded = self.tokenizer.encode([text for text, _ in prompts])
        ends = self._book_kind_ends(kind)
        spans = np.empty((len(prompts), asked_ids.shape[1] + (not ends), 2), np.int64)
        for row, ((text, characters), (ids, offsets)) in enumerate(
            zip(prompts, encoded, strict=True)
        ):
            found = self._spans(kind, text, characters, offsets)
            spans[row, : len(found)] = found
            if not ends:
                spans[row, -1] = len(ids) - 1, len(ids)
        return padded([ids for ids, _ in encoded], self.tokenizer.pad), spans

    def _spans(
        self, kind: str, text: str, characters: list[tuple[int, int]], offsets: Offsets
    ) -> Int[np.ndarray, "roles 2"]:
        found = token_spans(offsets, np.array(characters))
        empty = found[:, 0] >= found[:, 1]
        if empty.any():
            role = position_names(kind, len(characters))[int(empty.argmax())]  # type: ignore[arg-type]
            start, end = characters[int(empty.argmax())]
            raise HopscopeError(
                f"the role {role} ({text[start:end]!r}) of {text!r} has no token; use another "
                "text.tokenizer, or rename it."
            )
        return found

    def decode(self, tokens: tuple[int, ...]) -> str:
        """The text of token ids, without marks."""
        return self.tokenizer.decode(tokens)

    @cached_property
    def names(self) -> NameTokens:
        """The tokens of every name as an answer, without the end-of-answer token.

        Raises:
            HopscopeError: if a name has no token, or two entities have the same.
        """
        vocab = self.vocab
        encoded = self.tokenizer.encode([vocab.name(i) for i in range(len(vocab))])
        answers = [*range(vocab.first_relation), *range(vocab.first_special, len(vocab))]
        seen: dict[tuple[int, ...], int] = {}
        for number in answers:
            tokens = tuple(encoded[number][0])
            name = vocab.name(number)
            if not tokens:
                raise HopscopeError(
                    f"the name {name!r} has no tokens; use another text.tokenizer, or rename it."
                )
            if tokens in seen:
                raise HopscopeError(
                    f"the names {vocab.name(seen[tokens])!r} and {name!r} have the same tokens; "
                    "use a text.tokenizer that tells them apart, or rename one."
                )
            seen[tokens] = number
        return NameTokens(padded([ids for ids, _ in encoded], NO_TOKEN), self.tokenizer.end)

    def answer(self, name: int) -> list[int]:
        """All tokens of an answer, closed by the end-of-answer token."""
        return [*self.names.closed(name)]


def padded(rows: Sequence[Sequence[int]], fill: int) -> Int[np.ndarray, "n longest"]:
    """Rows of different lengths as one array, filled up on the right.

    >>> padded([[1], [2, 3]], 0).tolist()
    [[1, 0], [2, 3]]
    """
    width = max(map(len, rows), default=0)
    found = np.full((len(rows), max(width, 1)), fill, np.int32)
    for row, ids in enumerate(rows):
        found[row, : len(ids)] = ids
    return found
