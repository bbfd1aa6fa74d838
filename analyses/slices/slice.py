"""Which questions: a slice as a noun that can be written down, in an address or on a command line.

A slice is a conjunction of conditions on single questions, of any split. It is written
"relation_1=capital,right=no,step=1000"; a comma, a per cent or an equals sign in a name is escaped
as in a web address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import quote, unquote

from circuits.errors import HopscopeError, nearest, unknown_name

NAMES = ("relation_1", "relation_2", "relation_3", "attribute", "bridge", "answer")
"""Conditions on a name in the question, or on its way to the answer."""
NEVER = "never"
_BITS = {"yes": True, "no": False}


@dataclass(frozen=True)
class Slice:
    """Some of a split's questions; None is no condition. Conditions hold together.

    Raises:
        HopscopeError: if `right` or `shortcut` is neither true nor false, or `learned` is not a
            range of steps or "never".

    >>> hard = Slice(relation_1="farthest city", right=False, step=1000)
    >>> str(hard)
    'relation_1=farthest city,right=no,step=1000'
    >>> Slice.parse(str(hard)) == hard, bool(Slice())
    (True, False)
    >>> hard.words
    'first relation farthest city, wrong at step 1,000'
    """

    relation_1: str | None = None
    relation_2: str | None = None
    relation_3: str | None = None
    attribute: str | None = None
    """Of a comparison."""
    bridge: str | None = None
    """The first entity that has to be looked up."""
    answer: str | None = None
    shortcut: bool | None = None
    """Whether some shortcut of the graph gives the right answer (`circuits.corpus.shortcuts`)."""
    right: bool | None = None
    """Whether the model's answer is right at `step`."""
    step: int | None = None
    """None: the last measured step."""
    learned: str | None = None
    """From which step on it is right at every later one: "100-2000", or "never"."""

    def __post_init__(self) -> None:
        for name in ("shortcut", "right"):
            if getattr(self, name) not in (None, True, False):
                raise HopscopeError(f"{name} = {getattr(self, name)!r} is neither yes nor no.")
        self.learned_range  # noqa: B018 - refuses what is not a range
        if self.step is not None and self.right is None:
            object.__setattr__(self, "step", None)

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    @property
    def learned_range(self) -> tuple[float, float] | None:
        """First and last step of `learned`; (inf, inf) is never."""
        if self.learned is None:
            return None
        if self.learned == NEVER:
            return float("inf"), float("inf")
        first, _, last = self.learned.partition("-")
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise HopscopeError(
                f'learned = {self.learned!r} is not a range of steps; write "100-2000", or "never".'
            )
        return int(first), int(last)

    @property
    def named(self) -> dict[str, str]:
        """The conditions on names.

        >>> Slice(bridge="Paris", right=True).named
        {'bridge': 'Paris'}
        """
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        found = ((f.name, getattr(self, f.name)) for f in fields(self))
        return ",".join(f"{name}={_written(value)}" for name, value in found if value is not None)

    def having(self, **conditions: Any) -> Slice:
        """The slice with other conditions; None takes one away.

        >>> Slice(bridge="Paris").having(shortcut=False, bridge=None)
        Slice(shortcut=False)
        """
        return replace(self, **conditions)

    @classmethod
    def parse(cls, text: str) -> Slice:
        """The slice that is written as `str` writes it.

        Raises:
            HopscopeError: if it is not written so, or a condition is unknown.

        >>> Slice.parse("bridge=Paris%2C Texas,shortcut=no")
        Slice(bridge='Paris, Texas', shortcut=False)
        """
        known = [field.name for field in fields(cls)]
        found: dict[str, str | int | bool] = {}
        for part in filter(None, text.split(",")):
            name, sign, value = part.partition("=")
            if not sign or not value:
                raise HopscopeError(
                    f"{part[:60]!r} is not a condition of a slice; write name=value, with "
                    f"one of {', '.join(known)}."
                )
            if name not in known:
                raise unknown_name("condition", name[:60], known)
            found[name] = _read(name, unquote(value))
        return cls(**found)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"Slice({', '.join(f'{n}={v!r}' for n, v in given if v is not None)})"

    @property
    def words(self) -> str:
        """The conditions for people."""
        parts = [f"{WORDS[name]} {value}" for name, value in self.named.items()]
        if self.shortcut is not None:
            parts.append(f"{'' if self.shortcut else 'not '}answerable by a shortcut")
        if self.right is not None:
            at = "the last step" if self.step is None else f"step {self.step:,}"
            parts.append(f"{'right' if self.right else 'wrong'} at {at}")
        if self.learned is not None:
            low, high = self.learned_range or (0, 0)
            never = self.learned == NEVER
            parts.append("never learned" if never else f"learned at step {low:,} to {high:,}")
        return ", ".join(parts) or "all questions"


WORDS = {
    "relation_1": "first relation",
    "relation_2": "second relation",
    "relation_3": "third relation",
    "attribute": "attribute",
    "bridge": "bridge",
    "answer": "answer",
}


class NoneInSlice(HopscopeError):
    """None of the questions that were looked at is in the slice, although others may be."""


def no_question_has(name: str, value: str, known: Iterable[str], of: str = "") -> str:
    """That no question (of a split) has a name that a slice asks for, with the nearest one.

    >>> no_question_has("bridge", "Pariss", ["Lyon", "Paris"])
    "No question has the bridge 'Pariss'; did you mean 'Paris'?"
    >>> no_question_has("attribute", "colour", [])
    'No question has an attribute; leave it out of the slice.'
    """
    names, question = list(known), f"No question of {of}" if of else "No question"
    if not names:
        article = "an" if WORDS[name][0] == "a" else "a"
        return f"{question} has {article} {WORDS[name]}; leave it out of the slice."
    near = nearest(value, names)
    hint = f"; did you mean {near!r}?" if near else "."
    return f"{question} has the {WORDS[name]} {value[:60]!r}{hint}"


def _written(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return quote(str(value), safe=" /:()'") if isinstance(value, str) else str(value)


def _read(name: str, value: str) -> str | int | bool:
    if name in ("shortcut", "right"):
        if value not in _BITS:
            raise HopscopeError(f"{name}={value[:60]} is neither yes nor no.")
        return _BITS[value]
    if name == "step":
        if not value.isdecimal() or len(value) > 12:
            raise HopscopeError(f"step={value[:60]} is not a step; write a whole number.")
        return int(value)
    return value
