"""The error table: accuracy over training by what the questions have in common."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.slices.absent import check_names
from analyses.slices.properties import SplitQuestions
from analyses.slices.slice import NAMES, NEVER, NoneInSlice, Slice
from circuits.errors import unknown_name
from circuits.runs.run import Run
from circuits.statistics import wilson

PAIR = "relations"
"""The grouping by all relations of a question."""
BY = (*NAMES, PAIR, "shortcut", "learned")
THIRDS = 3


def slice_errors(
    run: Run, split: str, by: str = "relation_1", chosen: Slice | None = None
) -> xr.Dataset:
    """Accuracy of every group of a split's questions at every step.

    Args:
        run: An opened run.
        split: The split.
        by: "relation_1", "relation_2", "relations" (the pair), "bridge", "answer", "attribute",
            "shortcut" or "learned".
        chosen: Only the questions of this slice; None: all.

    Returns:
        accuracy, low, high (Wilson's 95% interval; step, group) and n (group), the groups with most
        questions first. The questions are those whose answers are stored.

    Raises:
        HopscopeError: if the answers are not stored, or no question is in the slice.

    >>> from circuits import open_run
    >>> table = slice_errors(open_run("assets/demo"), "id_test", by="shortcut")
    >>> table.accuracy.sel(step=6000).round(2).to_series().to_dict(), table.n.values.tolist()
    ({'no shortcut': 0.99, 'a shortcut is right': 0.97}, [180, 120])
    """
    questions = SplitQuestions(run, split)
    check_names(run, chosen or Slice())
    return errors_by(questions, by, chosen)


def errors_by(questions: SplitQuestions, by: str, chosen: Slice | None = None) -> xr.Dataset:
    """`slice_errors` of questions that have been opened."""
    rows = questions.known_rows
    keep = questions.measured(chosen or Slice())
    if not keep.any():
        raise NoneInSlice(
            f"None of the {len(rows)} measured questions of {questions.split} is in the slice "
            f"({(chosen or Slice()).words}); leave out a condition."
        )
    labels = group_of(questions, by)[keep]
    right = questions.right[:, keep].astype(float)
    names, index, n = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    order = np.lexsort((names, -n))
    member = (index[:, None] == order[None]).astype(float)
    hits, n = right @ member, n[order]
    low, high = wilson(hits, np.broadcast_to(n, hits.shape))
    dims, share = ("step", "group"), {"units": "share"}
    return xr.Dataset(
        {
            "accuracy": (dims, hits / n, {"long_name": "share right", **share}),
            "low": (dims, low, {"long_name": "end of the 95% interval (Wilson)", **share}),
            "high": (dims, high, {"long_name": "end of the 95% interval (Wilson)", **share}),
            "n": (("group",), n, {"long_name": "questions", "units": "1"}),
        },
        {"step": questions.steps, "group": names[order]},
        {"split": questions.split, "by": by, "slice": str(chosen or "")},
    )


def groupings(questions: SplitQuestions) -> list[str]:
    """What the measured questions of a split can be grouped by."""
    pair = [PAIR] if {"relation_1", "relation_2"} <= set(questions.named) else []
    return [*questions.named, *pair, "shortcut", "learned"]


def group_of(questions: SplitQuestions, by: str) -> np.ndarray:
    """The name of each measured question's group."""
    rows = questions.known_rows
    if by not in groupings(questions):
        raise unknown_name("grouping", by, groupings(questions))
    if by == "shortcut":
        return np.where(questions.shortcut[rows], "a shortcut is right", "no shortcut")
    if by == "learned":
        found = np.full(len(rows), "", object)
        for name, (low, high) in learned_ranges(questions).items():
            found[(questions.learned >= low) & (questions.learned <= high)] = name
        return found
    if by == PAIR:
        named = [name for name in questions.named if name.startswith("relation")]
        parts = [questions.names(name)[rows] for name in named]
        return np.array([" · ".join(pair) for pair in zip(*parts, strict=True)], object)
    return questions.names(by)[rows]


def learned_ranges(questions: SplitQuestions) -> dict[str, tuple[float, float]]:
    """Thirds of the measured questions by the step at which they are learned, and the rest.

    The names are those that `Slice.learned` takes.
    """
    learned = questions.learned
    known = np.sort(learned[np.isfinite(learned)])
    found: dict[str, tuple[float, float]] = {}
    steps = np.array(questions.steps)
    begin = 0.0
    for third in range(1, THIRDS + 1):
        if not len(known):
            break
        end = float(known[min(len(known) - 1, len(known) * third // THIRDS - (third < THIRDS))])
        if end >= begin:
            found[f"{int(begin)}-{int(end)}"] = (begin, end)
            later = steps[steps > end]
            begin = float(later[0]) if len(later) else np.inf
    if not np.isfinite(learned).all():
        found[NEVER] = (np.inf, np.inf)
    return found
