"""The verdict of a certificate: one of a few outcomes, drawn from the criteria alone.

1. Accuracy beyond the best shortcut is not shown: the model *takes a shortcut* if it gives the
   shortcut's answer to at least half of the unseen questions, else it *memorizes* if its trained
   questions are right, else it *has not learned them*. If interventions nevertheless show the
   bridge at work, accuracy cannot tell composition from the shortcut, and neither can we.
2. It is shown: the model *composes* if swaps (of the whole state, or within a subspace) and the
   route alone pass and the bridge is decoded; it composes *in part* if swapped bridges change
   answers more often than placebos do, but too few; otherwise *the bridge is not shown to be
   used*.
3. Wherever a criterion that would decide cannot be told, neither can the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from analyses.certificate.criteria import HALF
from analyses.certificate.judging import Criterion, Status

Verdict = Literal[
    "composes through the bridge (certified)",
    "composes through the bridge in part",
    "beats every shortcut, but the bridge is not shown to be used",
    "takes a shortcut",
    "memorizes",
    "has not learned its questions",
    "cannot be told",
]


def verdict(criteria: Sequence[Criterion]) -> Verdict:
    """The outcome that follows from the criteria of one checkpoint."""
    found = {criterion.name: criterion for criterion in criteria}
    beyond = found["generalizes"].status
    if beyond == "cannot be told":
        return "cannot be told"
    return _of_generalizing(found) if beyond == "pass" else _of_no_better(found)


def used(found: dict[str, Criterion]) -> Status:
    """Whether the bridge is used, by swaps of the whole state or within its subspace."""
    statuses = [found[n].status for n in ("used", "used_subspace") if n in found]
    if "pass" in statuses:
        return "pass"
    return "cannot be told" if "cannot be told" in statuses else "fail"


def _of_generalizing(found: dict[str, Criterion]) -> Verdict:
    needed = (used(found), found["second_hop"].status, found["decoded"].status)
    if all(status == "pass" for status in needed):
        return "composes through the bridge (certified)"
    if "fail" not in needed:
        return "cannot be told"
    if found["used"].numbers.get("beats_placebo") == "pass":
        return "composes through the bridge in part"
    if used(found) == "fail":
        return "beats every shortcut, but the bridge is not shown to be used"
    return "cannot be told"


def _of_no_better(found: dict[str, Criterion]) -> Verdict:
    if used(found) == "pass" and found["second_hop"].status == "pass":
        return "cannot be told"
    same = found["generalizes"].numbers.get("same_answer_as_shortcut_low", 0.0)
    if isinstance(same, float) and same >= HALF:
        return "takes a shortcut"
    if found["memorized"].status == "cannot be told":
        return "cannot be told"
    return "memorizes" if found["memorized"].status == "pass" else "has not learned its questions"
