"""What a file of two-hop questions or of facts with prompts holds, whatever its format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circuits.graph.names import Names
from circuits.graph.sources.formats.broken import Broken
from circuits.graph.sources.two_wiki.names import Mention, wikidata_id

Fact = tuple[Mention, str, Mention]


@dataclass(frozen=True)
class FileQuestion:
    """One two-hop question of a file; prompts are None where the file has none.

    A prompt is a text that a model continues with the name asked for.
    """

    subject: str
    relation_1: str
    bridge: str
    relation_2: str
    answer: str
    hop_1: str | None = None
    """Asks for the bridge."""
    hop_2: str | None = None
    """Names the bridge and asks for the answer."""
    composed: tuple[str, ...] = ()
    """Wordings of the two-hop question."""
    bridge_aliases: tuple[str, ...] = ()
    answer_aliases: tuple[str, ...] = ()
    """Other texts that count as the answer: aliases, and other right answers the file lists."""
    category: str = ""
    """The kind of question, in the file's own word."""
    identity: str = ""


@dataclass
class QuestionFile:
    """The content of a file, collected by the reader of its format."""

    path: Path
    format: str
    questions: list[FileQuestion] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    """Facts of all questions, of more hops too; repeated ones as often as they occur."""
    templates: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Prompts of each relation with {subject} in place of the name, and how often each occurs."""
    phrases: dict[str, str] = field(default_factory=dict)
    """How a relation is called in a sentence, where its name is not a word."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was read and left out, by kind."""
    said: list[str] = field(default_factory=list)
    names: Names = field(default_factory=Names)
    broken: Broken = field(init=False)

    def __post_init__(self) -> None:
        self.broken = Broken(str(self.path))

    def say(self, sentence: str) -> None:
        """Add a sentence for the user, once."""
        if sentence not in self.said:
            self.said.append(sentence)

    def name(self, value: Any, what: str) -> str:
        """A checked name.

        Raises:
            ValueError: if it is not a name; the message goes on from the place of the record.
        """
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            value = str(value)
        if not isinstance(value, str):
            raise ValueError(f"has {value!r} as {what} in place of a name")
        name = self.names[value]
        if not name:
            raise ValueError(f"has an empty {what}")
        return name

    def add_template(self, relation: str, prompt: str | None, subject: str) -> None:
        """Note a prompt about this subject as a template, if it names the subject once."""
        if prompt and prompt.count(subject) == 1:
            self.templates[relation][prompt.replace(subject, "{subject}")] += 1


Read = Callable[[QuestionFile, Any], None]
"""Fills a `QuestionFile`, given the options of its format."""


def mention(name: str, identity: Any) -> Mention:
    """A name with its Wikidata id, if the file has one.

    >>> mention("Lyon", "Q456"), mention("Lyon", "")
    (('Lyon', 'Q456'), ('Lyon', None))
    """
    return name, wikidata_id(identity)


def question_prompt(question: str) -> str:
    """A question as a text to go on with its answer, as in MQuAKE's own prompts.

    >>> question_prompt("Who is Ada's mother?")
    "Q: Who is Ada's mother? A:"
    """
    return f"Q: {question.strip()} A:"


def distinct(names: Sequence[str], but: str) -> tuple[str, ...]:
    """Names once each, in order, without empty ones and without one of them.

    >>> distinct(["Nineteen Eighty-Four", "1984", "1984"], but="Nineteen Eighty-Four")
    ('1984',)
    """
    return tuple(dict.fromkeys(name for name in names if name.strip() and name != but))
