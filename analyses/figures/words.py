"""The words that figures use for the names in results."""

from __future__ import annotations

from circuits.corpus.names import SHORTCUT_WORDS

WORDS = {
    "train_inferred": "trained questions",
    "id_test": "ID test",
    "ood_test": "OOD test",
    "io_test": "IO test (second hop OOD)",
    "oi_test": "OI test (first hop OOD)",
    "atomic_id": "ID atomic facts",
    "atomic_ood": "OOD atomic facts",
    "identity": "identity examples",
    "injected": "injected compositions",
    "heldout_real": "held-out real questions",
    "heldout_derived": "held-out derived compositions",
    "subject": "subject",
    "relation_1": "relation 1",
    "relation_2": "relation 2",
    "relation_3": "relation 3",
    "bridge": "bridge",
    "bridge_2": "second bridge",
    "attribute": "attribute",
    "entity_1": "entity 1",
    "entity_2": "entity 2",
    "answer": "answer",
    "same_bridge": "donor with the same bridge",
    "random": "random donor",
    "right_with_bridge": "right, bridge decoded",
    "right_without_bridge": "right, bridge not decoded",
    "wrong_with_bridge": "wrong, bridge decoded",
    "wrong_without_bridge": "wrong, bridge not decoded",
    "value_1": "first value",
    "value_2": "second value",
    **SHORTCUT_WORDS,
}

CONTROLS = {
    "bridge": "donor with another bridge",
    "same_bridge": "control: same bridge",
    "random": "control: random donor",
}
"""What the donor of a bridge patch was."""

SPLITS = tuple(WORDS)[:11]
"""Splits in the order in which figures list them; a split's place is its colour."""

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
    """`name` in words; what we do not know has its underscores opened."""
    return WORDS.get(name, name.replace("_", " "))


def split_colour(split: str) -> int:
    """The split's colour, the same in every figure."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)


def capital(text: str) -> str:
    """`text` with a capital first letter, the rest untouched."""
    return text[:1].upper() + text[1:]
