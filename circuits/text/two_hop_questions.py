"""Two-hop questions with their single hops, to be asked of a language model.

`read_two_hop_questions` reads the question files of `circuits.graph.sources.question_files`
(TwoHopFact, SOCRATES, ...) and gives every question three prompts to go on with: both hops by
themselves, and both at once. What a file lacks is made of the names of the relations, "The mother
of Ada is", and `made` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.question_files.reader import question_file
from circuits.graph.sources.question_files.record import FileQuestion, question_prompt
from circuits.text.defaults import PHRASES


@dataclass(frozen=True)
class TwoHopQuestion:
    """(subject, relation_1) -> bridge, (bridge, relation_2) -> answer, with prompts.

    A prompt ends where the name asked for begins, without the blank before it. What a file asks
    with a question mark is written "Q: ... A:".

    >>> question = TwoHopQuestion(
    ...     "Nineteen Eighty-Four", "author", "George Orwell", "birthcity", "Motihari",
    ...     hop_1="The author of Nineteen Eighty-Four is",
    ...     hop_2="The birth city of George Orwell is",
    ...     composed="The birth city of the author of Nineteen Eighty-Four is",
    ... )
    >>> start, end = question.subject_characters
    >>> question.composed[start:end], question.answers
    ('Nineteen Eighty-Four', ('Motihari',))
    """

    subject: str
    relation_1: str
    bridge: str
    relation_2: str
    answer: str
    hop_1: str
    """Asks for the bridge."""
    hop_2: str
    """Names the bridge and asks for the answer."""
    composed: str
    """Names the subject and asks for the answer."""
    paraphrases: tuple[str, ...] = ()
    """Other wordings of `composed`."""
    bridge_aliases: tuple[str, ...] = ()
    answer_aliases: tuple[str, ...] = ()
    category: str = ""
    """The kind of question in the file's word, else "relation 2 of relation 1"."""
    identity: str = ""
    made: tuple[str, ...] = ()
    """Which of hop_1, hop_2 and composed the file does not have."""

    @property
    def bridges(self) -> tuple[str, ...]:
        """All texts that count as the bridge, its name first."""
        return (self.bridge, *self.bridge_aliases)

    @property
    def answers(self) -> tuple[str, ...]:
        """All texts that count as the answer, its name first."""
        return (self.answer, *self.answer_aliases)

    @property
    def subject_characters(self) -> tuple[int, int] | None:
        """Characters [start, end) of the subject in `composed`, its last mention; None if the
        question does not name it as `subject` does (its case aside)."""
        start = self.composed.lower().rfind(self.subject.lower())
        return None if start < 0 else (start, start + len(self.subject))


def read_two_hop_questions(
    path: str | Path, format_: str | None = None, options: dict[str, Any] | None = None
) -> list[TwoHopQuestion]:
    """The two-hop questions of a file, in its order.

    Args:
        path: A file as published; its columns or keys tell its format.
        format_: The format by name, e.g. "two_hop_fact".
        options: Options of the source of that name, e.g. {"limit": 100}.

    Raises:
        HopscopeError: if it cannot be read, or has no two-hop question in it.

    >>> rows = "e1.value,e2.value,e3.value,r1(e1).prompt,r2(e2).prompt,r2(r1(e1)).prompt,"
    >>> rows += "r1.category,r2.category\\nNineteen Eighty-Four,George Orwell,Motihari,"
    >>> rows += "The author of Nineteen Eighty-Four is,The birth city of George Orwell is,"
    >>> rows += "The birth city of the author of Nineteen Eighty-Four is,author,birthcity\\n"
    >>> _ = Path("questions.csv").write_text(rows)
    >>> question = read_two_hop_questions("questions.csv")[0]
    >>> question.hop_2, question.answer, question.made
    ('The birth city of George Orwell is', 'Motihari', ())
    """
    file = question_file(path, format_, options)
    if not file.questions:
        longer = file.counts["questions_of_more_hops"]
        more = f", {longer:,} questions of more hops" if longer else ""
        raise HopscopeError(
            f"{path} has no two-hop question in it (found: {len(file.facts):,} facts{more}); give "
            "a file of two-hop questions, or facts that lead from one to another."
        )
    return [_with_prompts(question, file.phrases) for question in file.questions]


def _with_prompts(question: FileQuestion, phrases: dict[str, str]) -> TwoHopQuestion:
    first, second = (
        phrases.get(name) or PHRASES.get(name, (name,))[0]
        for name in (question.relation_1, question.relation_2)
    )
    prompts = {
        "hop_1": question.hop_1,
        "hop_2": question.hop_2,
        "composed": question.composed[0] if question.composed else None,
    }
    own = {
        "hop_1": f"The {first} of {question.subject} is",
        "hop_2": f"The {second} of {question.bridge} is",
        "composed": f"The {second} of the {first} of {question.subject} is",
    }
    return TwoHopQuestion(
        question.subject,
        question.relation_1,
        question.bridge,
        question.relation_2,
        question.answer,
        **{key: _to_go_on(prompt or own[key]) for key, prompt in prompts.items()},
        paraphrases=tuple(map(_to_go_on, question.composed[1:])),
        bridge_aliases=question.bridge_aliases,
        answer_aliases=question.answer_aliases,
        category=question.category or f"{question.relation_2} of {question.relation_1}",
        identity=question.identity,
        made=tuple(key for key, prompt in prompts.items() if prompt is None),
    )


def _to_go_on(prompt: str) -> str:
    """A prompt behind which the answer stands: nothing but a new line follows a question mark."""
    return question_prompt(prompt) if prompt.rstrip().endswith("?") else prompt
