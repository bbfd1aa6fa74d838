"""The one vocabulary: words, symbols and colours of splits, positions, targets and shortcuts.

Figures, tables and the dashboard's JavaScript (which is sent `vocabulary()`) all read it here, so
that the same thing has the same name and colour wherever it is shown. Colours are categories of
`renderers.style.CATEGORIES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any, Literal

from circuits.corpus.names import SHORTCUT_WORDS

BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BROWN = range(7)
SLATE, VIOLET, GREY, OLIVE, LILAC = range(7, 12)


@dataclass(frozen=True)
class Split:
    """How a set of questions is called."""

    words: str
    """Name in sentences and legends."""
    short: str
    """Name on buttons and in table cells."""
    colour: int
    about: str = ""
    """What it contains, for a first-time reader."""
    dash: Literal["solid", "dash", "dot"] = "solid"
    """So that splits stay apart without colour."""


@dataclass(frozen=True)
class Position:
    """How a token of a question is called."""

    words: str
    """Below columns: "relation 1"."""
    spoken: str
    """In sentences: "first relation"."""
    symbol: str
    """In the notation of *Grokked*: "r1"."""


@dataclass(frozen=True)
class Target:
    """How a name that a lens looks for is called."""

    words: str
    spoken: str
    """In sentences, with its article."""
    symbol: str
    colour: int


SPLITS = {
    "train_inferred": Split(
        "trained questions", "Trained", SKY, "compositions the model is trained on"
    ),
    "id_test": Split(
        "ID test", "ID test", BLUE,
        "unseen compositions of facts that occur in trained compositions",
    ),
    "ood_test": Split(
        "OOD test", "OOD test", VERMILION,
        "compositions of two facts that never occur in trained ones", "dash",
    ),
    "asked": Split(
        "asked questions", "Asked", BLUE,
        "questions of an imported file; what the model was trained on is unknown", "dot",
    ),
    "io_test": Split("IO test (first hop ID, second OOD)", "IO test", PINK),
    "oi_test": Split("OI test (first hop OOD, second ID)", "OI test", BROWN),
    "atomic_id": Split("ID facts", "ID facts", GREEN, dash="dot"),
    "atomic_ood": Split("OOD facts", "OOD facts", ORANGE, dash="dot"),
    "identity": Split("identity examples", "Identity", ORANGE),
    "injected": Split("injected compositions", "Injected", PINK),
    "heldout_real": Split("held-out real questions", "Held-out real", GREEN),
    "heldout_derived": Split("held-out derived compositions", "Held-out derived", BROWN),
}  # fmt: skip
"""In the order in which they are listed."""

FIRST_SPLIT = "id_test"
"""The split that a figure of one split is about if none is chosen, as on the dashboard's pages."""


def first_split(splits: Mapping[str, Sized]) -> str:
    """ID test if a run has it, or else its first split with questions.

    >>> first_split({"train_inferred": [], "asked": [3]})
    'asked'
    """
    there = [name for name, rows in splits.items() if len(rows)]
    return FIRST_SPLIT if FIRST_SPLIT in there or not there else there[0]


POSITIONS = {
    "subject": Position("subject", "subject", "h"),
    "relation_1": Position("relation 1", "first relation", "r1"),
    "relation_2": Position("relation 2", "second relation", "r2"),
    "relation_3": Position("relation 3", "third relation", "r3"),
    "answer": Position("answer", "answer", "t"),
    "attribute": Position("attribute", "attribute", "a"),
    "entity_1": Position("entity 1", "first entity", "e1"),
    "entity_2": Position("entity 2", "second entity", "e2"),
    "query_mark": Position("query mark", "query mark", "q"),
    "mask": Position("mask", "mask", "m"),
}

TARGETS = {
    "bridge": Target("bridge", "the bridge", "b", ORANGE),
    "bridge_2": Target("second bridge", "the second bridge", "b2", BROWN),
    "relation_2": Target("relation 2", "the second relation", "r2", PINK),
    "relation_3": Target("relation 3", "the third relation", "r3", SKY),
    "value_1": Target("first value", "the first value", "v1", ORANGE),
    "value_2": Target("second value", "the second value", "v2", PINK),
    "answer": Target("answer", "the answer", "t", GREEN),
}

SHORTCUTS = SHORTCUT_WORDS
"""What each shortcut relies on."""

CONTROLS = {
    "bridge": "donor with another bridge",
    "same_bridge": "control: same bridge",
    "random": "control: random donor",
}
"""The kinds of donors of bridge patches."""

CONTROL_COLOURS = {"bridge": BROWN, "same_bridge": PINK, "random": SKY}
"""Brown stands for a bridge swap wherever one is shown."""

ORIGINS = {
    "real": "real",
    "synthetic": "synthetic",
    "added_true": "added, true",
    "added_false": "added, false",
}
"""Where a fact comes from."""

EVENTS = {"memorization_step": "memorized", "grok_step": "generalized"}
"""Names of the steps in a run's grok record."""

PHASES = {"circuit_formation": "circuit forms", "clean_up": "clean-up"}
"""Phases of training that have a name of their own."""

_CLASSES = {
    "right_with_bridge": "right, bridge decoded",
    "right_without_bridge": "right, bridge not decoded",
    "wrong_with_bridge": "wrong, bridge decoded",
    "wrong_without_bridge": "wrong, bridge not decoded",
    "same_bridge": "donor with the same bridge",
    "random": "random donor",
}

WORDS = {
    **SHORTCUTS,
    **_CLASSES,
    **PHASES,
    **{name: split.words for name, split in SPLITS.items()},
    **{name: target.words for name, target in TARGETS.items()},
    **{name: position.words for name, position in POSITIONS.items()},
}
"""Words for names of any kind; if two kinds share a name, the position's."""

READ_AT = {
    "bridge": "relation_1",
    "bridge_2": "relation_2",
    "relation_2": "relation_2",
    "relation_3": "relation_3",
    "value_1": "entity_1",
    "value_2": "entity_2",
}
"""Position at which each lens target is read (*Grokked*, section 3.2); others at the last one."""


def words(name: str) -> str:
    """`name` in words; in unknown names, underscores become spaces.

    >>> words("relation_1"), words("some_new_thing")
    ('relation 1', 'some new thing')
    """
    return WORDS.get(name, name.replace("_", " "))


def split_of(name: str) -> Split:
    """Words and colour of a split; an unknown one keeps its name, in brown."""
    return SPLITS.get(name) or Split(words(name), capital(words(name)), BROWN)


def position_of(name: str) -> Position:
    """Words and symbol of a position; an unknown one keeps its name."""
    return POSITIONS.get(name) or Position(words(name), words(name), words(name))


def target_of(name: str) -> Target:
    """Words, symbol and colour of a target; an unknown one keeps its name, in blue."""
    return TARGETS.get(name) or Target(words(name), f"the {words(name)}", words(name), BLUE)


def control_colour(name: str) -> int:
    """The colour of a kind of donor; an unknown one is orange."""
    return CONTROL_COLOURS.get(name, ORANGE)


def shortcut_words(name: str) -> str:
    """What a shortcut relies on."""
    return SHORTCUTS.get(name) or words(name)


def vocabulary() -> dict[str, Any]:
    """The names of splits and shortcuts, sent to the dashboard's JavaScript."""
    return {
        "splits": {name: split.short for name, split in SPLITS.items()},
        "shortcuts": SHORTCUTS,
    }


def capital(text: str) -> str:
    """`text` with a capital first letter, the rest untouched."""
    return text[:1].upper() + text[1:]
