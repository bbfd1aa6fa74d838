"""The names of splits, as they stand in run folders, recipes and results."""

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
"""Held-out compositions of real facts: those that the source itself asks, where it asks some."""
HELDOUT_DERIVED = "heldout_derived"
"""Held-out compositions that the source's records imply but that nobody asks, e.g. the two halves
of a bridge comparison."""
INJECTED = "injected"
"""Trained questions with one OOD hop."""
ATOMIC_ID = "atomic_id"
ATOMIC_OOD = "atomic_ood"
IDENTITY = "identity"
"""Zero-hop examples (entity, "itself") -> entity."""

TRAINED_QUESTIONS = (TRAIN, INJECTED)
TEST_QUESTIONS = (ID_TEST, OOD_TEST, IO_TEST, OI_TEST, HELDOUT_REAL, HELDOUT_DERIVED)
