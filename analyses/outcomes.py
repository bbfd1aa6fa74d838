"""Codes under which results keep the outcome of each question."""

from __future__ import annotations

OTHER, SUCCESS, KEPT, NO_DONOR = 0, 1, 2, -1
"""Of bridge patching: another answer, the donor bridge's, the question's own; no donor exists."""
