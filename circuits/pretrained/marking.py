"""Where the roles stand in a prompt of a file.

The second hop's prompt with another filler is the composed prompt: "The currency of [France] is"
and "The currency of [the country of Lyon] is". What takes the bridge's place is the *mention*; the
subject stands in it. Relation 1 is what else is in the mention, relation 2 what else is in the
prompt, the longer part where words stand before and behind.
"""

from __future__ import annotations

from dataclasses import dataclass

from circuits.text.two_hop_questions import TwoHopQuestion

Characters = tuple[int, int]
"""First character and end (exclusive)."""
_BLANKS = " \t\n,.:;"


@dataclass(frozen=True)
class Marked:
    """A prompt with the characters of its roles, subject first.

    >>> marked_fact("The country of Lyon is", "Lyon").words
    ('Lyon', 'The country of')
    """

    text: str
    roles: tuple[Characters, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of each role."""
        return tuple(self.text[start:end] for start, end in self.roles)


def found(name: str, text: str) -> Characters | None:
    """The last place where a name stands as whole words; its case aside if need be.

    >>> found("York", "The mayor of New York is"), found("York", "The Yorkshire moors")
    ((17, 21), None)
    """
    for where, what in ((text, name), (text.lower(), name.lower())):
        end = len(where)
        while what and (start := where.rfind(what, 0, end)) >= 0:
            stop = start + len(what)
            before, behind = where[:start][-1:], where[stop : stop + 1]
            inside = what[0].isalnum() and before.isalnum()
            if not inside and not (what[-1].isalnum() and behind.isalnum()):
                return start, stop
            end = stop - 1
    return None


def marked_fact(prompt: str, subject: str) -> Marked | None:
    """The prompt of one hop; None if the subject or words for the relation are not in it."""
    at = found(subject, prompt)
    relation = None if at is None else _rest((0, len(prompt)), at, prompt)
    return None if at is None or relation is None else Marked(prompt, (at, relation))


def mention(question: TwoHopQuestion) -> Characters | None:
    """The characters of the composed prompt that stand for the bridge.

    None if it is not the prompt of the second hop with other words for the bridge.
    """
    at = found(question.bridge, question.hop_2)
    if at is None:
        return None
    before, behind = question.hop_2[: at[0]], question.hop_2[at[1] :]
    text = question.composed
    start, end = len(before), len(text) - len(behind)
    same = text.lower().startswith(before.lower()) and text.lower().endswith(behind.lower())
    return (start, end) if same and start < end else None


def marked_question(question: TwoHopQuestion) -> Marked | str:
    """The composed prompt with subject, relation 1 and relation 2; or the role that is not found.

    >>> from types import SimpleNamespace
    >>> asked = SimpleNamespace(
    ...     subject="Lyon", bridge="France", hop_2="The currency of France is",
    ...     composed="The currency of the country of Lyon is",
    ... )
    >>> marked_question(asked).words
    ('Lyon', 'the country of', 'The currency of')
    """
    text, place = question.composed, mention(question)
    if place is None:
        return "relation_1"
    subject = found(question.subject, text[place[0] : place[1]])
    if subject is None:
        return "subject"
    at = (place[0] + subject[0], place[0] + subject[1])
    first, second = _rest(place, at, text), _rest((0, len(text)), place, text)
    if first is None or second is None:
        return "relation_1" if first is None else "relation_2"
    return Marked(text, (at, first, second))


def _rest(whole: Characters, without: Characters, text: str) -> Characters | None:
    """The longer of the two parts around a span, without blanks at its ends; None: no word."""
    parts = [_trimmed(part, text) for part in ((whole[0], without[0]), (without[1], whole[1]))]
    longest = max(parts, key=lambda part: part[1] - part[0])
    return longest if longest[0] < longest[1] else None


def _trimmed(part: Characters, text: str) -> Characters:
    start, end = part
    words = text[start:end]
    return start + len(words) - len(words.lstrip(_BLANKS)), start + len(words.rstrip(_BLANKS))
