"""The questions of a comparison run by name: (attribute, entity 1, entity 2) -> label.

The first entity's value plays the role of a composition's bridge: it is looked up at its own
position, and a donor that lends it (same attribute, another value) changes the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from app.logic.asked import Asked
from app.logic.listed_names import split_names
from app.logic.name_index import NameIndex
from app.logic.question_book import SEARCHED, SEPARATOR, QuestionBook
from circuits.corpus.comparison import ORDERS, SAME_LABELS
from circuits.corpus.corpus import Corpus
from circuits.corpus.role_names import name_columns
from circuits.errors import HopscopeError


class ComparisonBook(QuestionBook):
    """The comparisons of a corpus, and the answers of its graph to any other."""

    lent = "the first entity's value"
    watched = (
        ("the first entity's value", "its position"),
        ("the second entity's value", "its position"),
    )

    def question_with(self, subject: int, relation: int) -> tuple[int, ...] | None:
        """A comparison of the subject by this attribute."""
        for split in (name for name in SEARCHED if name in self.corpus.splits):
            tokens = self.corpus.queries(split).asked_ids
            fits = (tokens[:, 0] == relation) & (tokens[:, 1:] == subject).any(1)
            if fits.any():
                return self.tokens_at(split, int(fits.argmax()))
        return None

    def needed_fact(self, asked: Asked, donor: Asked) -> tuple[int, int] | None:
        """None: no fact gives the answer to a comparison."""
        return None

    @cached_property
    def _alike(self) -> bool:
        """Whether the questions ask "same or not" rather than "more or less"."""
        return SAME_LABELS[0] in self.vocab.specials

    @cached_property
    def parts(self) -> list[tuple[str, NameIndex]]:
        """Label and tokens of each place of a composed question."""
        queries = self.corpus.queries("train_inferred").named_ids
        attributes, entities = set(queries[:, 0].tolist()), set(queries[:, 1:].ravel().tolist())
        known = self._index(sorted(entities))
        return [
            ("Attribute", self._index(sorted(attributes))),
            ("First entity", known),
            ("Second entity", known),
        ]

    @cached_property
    def _form(self) -> tuple[int, ...]:
        """Tokens of any question, which has the same marks (if any) as all others."""
        return tuple(self.corpus.queries("train_inferred").asked_ids[0].tolist())

    def named(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """The attribute and both entities."""
        return tuple(tokens[i] for i in name_columns("comparison", len(tokens)))

    def whole(self, named: Sequence[int]) -> tuple[int, ...]:
        """The question about an attribute and two entities, with its marks."""
        tokens = list(self._form)
        for column, token in zip(name_columns("comparison", len(tokens)), named, strict=True):
            tokens[column] = token
        return tuple(tokens)

    def _row_text(self, tokens: Sequence[int], stops: Sequence[int]) -> str:
        first, second, label = stops
        return self._said(tokens, first, second, label)

    def _said(
        self, tokens: Sequence[int], first: int | None, second: int | None, label: int | None
    ) -> str:
        attribute, *entities = (self.vocab.name(token) for token in self.named(tokens))
        values = ("?" if v is None else self.vocab.name(v) for v in (first, second))
        sides = " ? ".join(f"{e} [{v}]" for e, v in zip(entities, values, strict=True))
        return f"{attribute}: {sides} -> {'?' if label is None else self.vocab.name(label)}"

    def asked(self, tokens: Sequence[int]) -> Asked:
        """The question with both values and the label, None if the graph has none."""
        attribute, *entities = self.named(tokens)
        first, second = (self.fact.get((entity, attribute)) for entity in entities)
        return Asked(tuple(tokens), (first, second), self._label(attribute, first, second))

    def _label(self, attribute: int, first: int | None, second: int | None) -> int | None:
        if first is None or second is None:
            return None
        if self._alike:
            return self.vocab.special(SAME_LABELS[int(first != second)])
        v1, v2 = (float(self.vocab.name(value)) for value in (first, second))
        order = ORDERS[(v1 > v2) - (v1 < v2) + 1]
        name = f"{self.vocab.name(attribute)} {order}"
        return self.vocab.special(name) if name in self.vocab.specials else None

    def swapped_answer(self, asked: Asked, donor: Asked) -> int | None:
        """The label with the donor's first value; None if it belongs to another attribute."""
        attribute = asked.tokens[0]
        if donor.tokens[0] != attribute:
            return None
        return self._label(attribute, donor.values[0], asked.values[1])

    def text(self, tokens: Sequence[int]) -> str:
        """A question in readable form, with "?" for what the graph lacks."""
        asked = self.asked(tokens)
        first, second = asked.values
        return self._said(tokens, first, second, asked.answer)

    def parse(self, names: str) -> tuple[int, ...]:
        """Token ids of a question as written in the address.

        Raises:
            HopscopeError: if it does not have this form or a name is unknown.
        """
        attribute, *entities = split_names(names, SEPARATOR)
        if len(entities) != 2:
            raise HopscopeError(
                f"question {names[:60]!r} is not of the form attribute|entity|entity."
            )
        known = (self.vocab.relation(attribute), *(self.vocab.entity(e) for e in entities))
        return self.whole(known)


def book_of_corpus(corpus: Corpus) -> QuestionBook:
    """The questions of a corpus, of whichever task."""
    return ComparisonBook(corpus) if corpus.task == "comparison" else QuestionBook(corpus)
