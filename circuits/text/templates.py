"""Templates: a fact or a question as a sentence with a slot per role.

"The {relation} of {subject} is {object}." states a fact, "What is the {relation_2} of the
{relation_1} of {subject}?" asks a question. What precedes {object} is the prompt; behind it only
closing punctuation may follow, for which the end-of-answer token stands. A template without
{object} is a prompt as a whole. In the statements of one relation, words in brackets take the place
of {relation}: "{subject} was [born in] {object}."
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from circuits.errors import HopscopeError, unknown_name
from circuits.recipes.schema import Recipe, TextSection
from circuits.text.defaults import PHRASES, STATEMENTS

_PART = re.compile(r"\{([^{}]*)\}|\[([^\[\]]*)\]")
_SLOTS = {
    "atomic": ("subject", "relation"),
    "composition": ("subject", "relation_1", "relation_2"),
    "composition of three": ("subject", "relation_1", "relation_2", "relation_3"),
    "comparison": ("attribute", "entity_1", "entity_2"),
}


@dataclass(frozen=True)
class Template:
    """A prompt as literal words and slots, in their order.

    >>> template = parse_template("The {relation} of {subject} is {object}.", "atomic", "x")
    >>> template.fill({"relation": "mother", "subject": "Ada"})
    ('The mother of Ada is', {'relation': (4, 10), 'subject': (14, 17)})
    """

    pieces: tuple[tuple[str | None, str], ...]
    """(slot, words): the slot None for literal words; brackets are a slot with words of its own."""
    closing: str = ""
    """Punctuation behind {object}."""

    def fill(self, names: Mapping[str, str]) -> tuple[str, dict[str, tuple[int, int]]]:
        """The prompt, and the characters [start, end) of each slot."""
        text, spans = "", {}
        for slot, words in self.pieces:
            filled = words or (names[slot] if slot is not None else "")
            if slot is not None:
                spans[slot] = (len(text), len(text) + len(filled))
            text += filled
        return text, spans

    @property
    def last_slot(self) -> str | None:
        """The slot that ends the prompt; None if words do."""
        return self.pieces[-1][0]


def parse_template(text: str, kind: str, where: str, separator: str = "") -> Template:
    """The template in a text.

    Args:
        text: As written in a recipe.
        kind: What it words: atomic, composition, composition of three or comparison.
        where: The recipe key that it is from, for errors.
        separator: What follows the prompt of a template without {object}.

    Raises:
        HopscopeError: if a slot is missing, unknown or there twice.

    >>> parse_template("Who is {object}?", "atomic", "text.statements")
    Traceback (most recent call last):
    circuits.errors.HopscopeError: text.statements: the template 'Who is {object}?' has no slot ...
    """
    slots = _SLOTS[kind]
    prompt, has_object, rest = text.partition("{object}")
    if has_object and re.search(r"[\w{\[]", rest):
        raise HopscopeError(
            f"{where}: the template {text!r} goes on after {{object}}; the answer must end the "
            "sentence, so turn it round."
        )
    if has_object and not prompt.endswith(" "):
        raise HopscopeError(f"{where}: the template {text!r} needs a blank before {{object}}.")
    pieces, seen = _pieces(prompt.rstrip() if has_object else prompt + separator, text, where)
    for slot in slots:
        if slot not in seen:
            raise HopscopeError(
                f"{where}: the template {text!r} has no slot {{{slot}}}; it needs "
                f"{', '.join(f'{{{s}}}' for s in slots)}."
            )
        if seen.count(slot) > 1:
            raise HopscopeError(f"{where}: the template {text!r} has {{{slot}}} twice; once only.")
    for slot in seen:
        if slot not in slots:
            raise HopscopeError(
                f"{where}: the template {text!r}: {unknown_name('slot', slot, [*slots, 'object'])}"
            )
    return Template(tuple(pieces), rest.strip())


def _pieces(prompt: str, text: str, where: str) -> tuple[list[tuple[str | None, str]], list[str]]:
    pieces: list[tuple[str | None, str]] = []
    seen: list[str] = []
    end = 0
    for match in _PART.finditer(prompt):
        if match.start() > end:
            pieces.append((None, prompt[end : match.start()]))
        slot, words = match[1], match[2]
        if words is not None and not words.strip():
            raise HopscopeError(f"{where}: the template {text!r} has nothing between brackets.")
        pieces.append(("relation", words) if words is not None else (slot, ""))
        seen.append("relation" if words is not None else slot)
        end = match.end()
    if end < len(prompt):
        pieces.append((None, prompt[end:]))
    if any(c in words for slot, words in pieces if slot is None for c in "{}[]"):
        raise HopscopeError(f"{where}: the template {text!r} has a bracket without its partner.")
    return pieces, seen


@dataclass(frozen=True)
class TemplateBook:
    """The wordings of a run: those of facts by relation, and those of questions.

    >>> book = template_book(TextSection(), ("mother", "date of birth"), hops=2)
    >>> book.phrases["mother"], len(book.questions)
    (('mother',), 1)
    """

    phrases: Mapping[str, tuple[str, ...]]
    """Noun phrases of each relation."""
    statements: Mapping[str, tuple[Template, ...]]
    """Statements of each relation."""
    questions: tuple[Template, ...]
    """Questions of two hops, or of three."""
    comparisons: tuple[Template, ...]
    written: Mapping[str, Any]
    """The same as plain text, as kept in the run folder."""

    def of_kind(self, kind: str, relation: str | None = None) -> tuple[Template, ...]:
        """The templates of questions of a kind; of a fact, those of its relation."""
        if kind == "composition":
            return self.questions
        if kind == "comparison":
            return self.comparisons
        assert relation is not None, "facts are worded by their relation"
        return self.statements[relation]

    def ends_with_a_name(self, kind: str) -> bool:
        """Whether the last role in the order of roles ends every prompt of this kind."""
        last = {"composition": f"relation_{self.written['hops']}", "comparison": "entity_2"}
        facts = [template for each in self.statements.values() for template in each]
        templates = {"composition": self.questions, "comparison": self.comparisons}
        wanted = last.get(kind, "relation")
        return all(template.last_slot == wanted for template in templates.get(kind, facts))


def template_book(
    text: TextSection,
    relations: Sequence[str],
    hops: int,
    source: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
) -> TemplateBook:
    """The templates of a recipe for these relations.

    Where it has none, those of the source are taken, then the built-in ones, then `text.facts`.

    Args:
        text: The recipe's section.
        relations: All relations of the graph.
        hops: How many relations a question names.
        source: `statements` and `phrases` by relation, as a source gives them in
            `graph.notes["wording"]`.

    Raises:
        HopscopeError: if a template is malformed or words a relation that the graph lacks.
    """
    for key, table in (("phrases", text.phrases), ("statements", text.statements)):
        for relation in table:
            if relation not in relations:
                raise HopscopeError(f"text.{key}: {unknown_name('relation', relation, relations)}")
    of_source = source or {}
    own = {r: tuple(words) for r, words in of_source.get("phrases", {}).items()}
    said = {r: tuple(words) for r, words in of_source.get("statements", {}).items()}
    phrases = {r: text.phrases.get(r) or own.get(r) or PHRASES.get(r, (r,)) for r in relations}
    known = {} if "facts" in text.model_fields_set else STATEMENTS | said
    given = {r: text.statements.get(r) or known.get(r, text.facts) for r in relations}
    questions = text.questions if hops == 2 else text.questions_of_three
    written = {
        "phrases": {r: list(p[: text.paraphrases]) for r, p in phrases.items()},
        "statements": {r: list(t[: text.paraphrases]) for r, t in given.items()},
        "questions": list(questions[: text.paraphrases]),
        "comparisons": list(text.comparisons[: text.paraphrases]),
        "hops": hops,
        "separator": text.separator,
    }
    return written_book(written)


def written_book(written: Mapping[str, Any]) -> TemplateBook:
    """The book that `TemplateBook.written` describes."""
    separator, three = written["separator"], written["hops"] == 3
    kind = "composition of three" if three else "composition"
    key = "text.questions_of_three" if three else "text.questions"
    return TemplateBook(
        phrases={r: tuple(p) for r, p in written["phrases"].items()},
        statements={
            relation: tuple(
                parse_template(t, "atomic", f"text.statements.{relation}", separator) for t in each
            )
            for relation, each in written["statements"].items()
        },
        questions=tuple(parse_template(t, kind, key, separator) for t in written["questions"]),
        comparisons=tuple(
            parse_template(t, "comparison", "text.comparisons", separator)
            for t in written["comparisons"]
        ),
        written=dict(written),
    )


def book_of_recipe(
    recipe: Recipe,
    relations: Sequence[str],
    source: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
) -> TemplateBook:
    """The templates of a recipe that has a [text] section; see `template_book`."""
    assert recipe.text is not None
    return template_book(recipe.text, relations, recipe.splits.hops, source)
