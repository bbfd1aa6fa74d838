"""The names of splits and of shortcuts, as written in run folders, recipes and results."""

from __future__ import annotations

TRAIN = "train_inferred"
"""Questions of two ID hops that are trained."""
ID_TEST = "id_test"
"""Questions of two ID hops that are held out."""
OOD_TEST = "ood_test"
"""Both hops OOD."""
IO_TEST = "io_test"
"""The last hop OOD."""
OI_TEST = "oi_test"
"""The first hop OOD."""
HELDOUT_REAL = "heldout_real"
"""Held-out compositions of real facts: those that the source itself asks, if it asks any."""
HELDOUT_DERIVED = "heldout_derived"
"""Held-out compositions that the source's records imply but do not ask, e.g. the two halves of a
bridge comparison."""
ASKED = "asked"
"""Questions of an imported file; whether the model was trained on them is unknown."""
INJECTED = "injected"
"""Trained questions with one OOD hop."""
ATOMIC_ID = "atomic_id"
ATOMIC_OOD = "atomic_ood"
IDENTITY = "identity"
"""Zero-hop examples (entity, "itself") -> entity."""

TRAINED_QUESTIONS = (TRAIN, INJECTED)
TEST_QUESTIONS = (ID_TEST, OOD_TEST, IO_TEST, OI_TEST, HELDOUT_REAL, HELDOUT_DERIVED, ASKED)

SHORTCUT_WORDS: dict[str, str] = {
    "h_r2": "(subject, relation 2)",
    "r1_r2": "(relation 1, relation 2)",
    "h_r1": "(subject, relation 1)",
    "majority": "majority",
    "copy_subject": "copying the subject",
    "inverse_r1": "undoing relation 1",
    "same_fact": "the same fact under another relation",
    "one_fact": "one fact of the subject",
    "attribute_entity_1": "(attribute, entity 1)",
    "attribute_entity_2": "(attribute, entity 2)",
    "attribute": "(attribute)",
}
"""What each shortcut relies on, in words."""
