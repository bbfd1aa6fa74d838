"""How a file words its relations, for questions that it does not ask itself.

Patching needs questions that no file has: the same relations after another first hop. They are put
together from the file's own words: the prompt of a relation ("The currency of {} is") with a name,
or with a mention ("the country of Lyon"), in place of the bridge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from circuits.pretrained.marking import Marked, found, marked_fact

Around = tuple[str, str]
"""The words before and behind a slot."""
_CLOSED = re.compile(r"\s+(is|was|are|were)$", re.IGNORECASE)


@dataclass(frozen=True)
class Phrases:
    """Words for each relation, by its name.

    >>> phrases = Phrases(
    ...     {"currency": [("The currency of ", " is")]}, {"country": [("the country of ", "")]}
    ... )
    >>> phrases.question("Lyon", "country", "currency").text
    'The currency of the country of Lyon is'
    >>> phrases.question("Lyon", "currency", "country").words
    ('Lyon', 'the currency of', 'The country of')
    """

    prompts: Mapping[str, list[Around]]
    """Of a fact, around its subject."""
    mentions: Mapping[str, list[Around]]
    """Of what a fact leads to, around its subject."""

    def fact(self, subject: str, relation: str, number: int = 0) -> Marked:
        """The prompt of a fact."""
        marked = _marked_in(_filled(self._prompt(relation, number), subject), subject)
        assert marked is not None, "a template has words beside its slot"
        return marked

    def question(self, subject: str, relation_1: str, relation_2: str, number: int = 0) -> Marked:
        """The prompt of a question, with its three roles marked."""
        around = self._prompt(relation_2, number)
        mention = _filled(self._mention(relation_1, number), subject)
        if not around[0].strip():
            mention = mention[:1].upper() + mention[1:]
        inner = _marked_in(mention, subject)
        outer = _marked_in(_filled(around, mention), mention)
        assert inner is not None
        assert outer is not None
        place, second = outer.roles
        first = tuple((start + place[0], end + place[0]) for start, end in inner.roles)
        return Marked(outer.text, (*first, second))

    def _prompt(self, relation: str, number: int) -> Around:
        known = self.prompts.get(relation)
        return known[number % len(known)] if known else (f"The {relation} of ", " is")

    def _mention(self, relation: str, number: int) -> Around:
        known = self.mentions.get(relation)
        if known:
            return known[number % len(known)]
        before, behind = self._prompt(relation, number)
        if _CLOSED.fullmatch(behind):
            return _uncapitalized(before), ""
        return f"the {relation} of ", ""


def around(text: str, slot: tuple[int, int]) -> Around:
    """The words before and behind some characters."""
    return text[: slot[0]], text[slot[1] :]


def mention_around(text: str, place: tuple[int, int], subject: tuple[int, int]) -> Around:
    """The same within a mention; a "The" that begins the prompt becomes small."""
    before, behind = text[place[0] : subject[0]], text[subject[1] : place[1]]
    return (_uncapitalized(before) if place[0] == 0 else before), behind


def _uncapitalized(words: str) -> str:
    return words[:1].lower() + words[1:] if words.startswith(("The ", "A ", "An ")) else words


def _filled(slot: Around, name: str) -> str:
    return slot[0] + name + slot[1]


def _marked_in(text: str, name: str) -> Marked | None:
    return marked_fact(text, name) if found(name, text) else None
