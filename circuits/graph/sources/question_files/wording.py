"""Prompts of a file as templates of a recipe's [text]: "{subject} was [born in] {object}."

A template there says which words stand for the relation. The files do not; so the longest run of
words beside the subject is taken, which is where the relation is named.
"""

from __future__ import annotations

import re
from typing import Any

from circuits.graph.sources.question_files.record import QuestionFile

_MOST = 5  # templates of a relation; TwoHopFact has one or two, ParaRel up to twenty
_SPECIAL = re.compile(r"[{}\[\]]")


def wording(file: QuestionFile) -> dict[str, Any]:
    """Statements and phrases by relation, as in a recipe's [text]."""
    statements = {}
    for relation, templates in file.templates.items():
        usable = [statement(prompt) for prompt, _ in templates.most_common()]
        found = [text for text in dict.fromkeys(usable) if text][:_MOST]
        if found:
            statements[relation] = found
    phrases = {relation: [phrase] for relation, phrase in file.phrases.items()}
    return {"statements": statements, "phrases": phrases}


def statement(prompt: str) -> str | None:
    """The template of a prompt that ends where the object begins; None if it has no words.

    >>> statement("The author of the novel {subject} is")
    '[The author of the novel] {subject} is {object}.'
    >>> statement("{subject}'s mother is named")
    "{subject}['s mother is named] {object}."
    >>> statement("{subject}:") is None
    True
    """
    before, slot, after = prompt.partition("{subject}")
    if not slot or _SPECIAL.search(before + after):
        return None
    longer, other = sorted((before, after), key=lambda words: -len(words.strip()))
    if not re.search(r"\w", longer):
        return None
    marked = _bracketed(longer)
    first, last = (marked, other) if longer is before else (other, marked)
    return f"{first}{{subject}}{last}".strip() + " {object}."


def _bracketed(words: str) -> str:
    inner = words.strip()
    start = words.index(inner)
    return f"{words[:start]}[{inner}]{words[start + len(inner) :]}"
