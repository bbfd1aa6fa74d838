"""A slice without questions: what is said of it, in the same words on every way in."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from analyses.slices.properties import SplitQuestions
from analyses.slices.slice import NoneInSlice, Slice, no_question_has
from circuits.errors import HopscopeError, listed
from circuits.runs.run import Run


def check_names(run: Run, chosen: Slice) -> None:
    """Refuse a slice with a name that no question of the run has, of any split.

    Args:
        run: An opened run.
        chosen: The slice.

    Raises:
        HopscopeError: with the nearest name, and those that questions have.

    >>> from circuits import open_run
    >>> check_names(open_run("assets/demo"), Slice(relation_1="farthest city"))
    >>> try:
    ...     check_names(open_run("assets/demo"), Slice(relation_1="farthest town"))
    ... except HopscopeError as error:
    ...     print(str(error).partition(" Allowed")[0])
    No question has the first relation 'farthest town'; did you mean 'farthest city'?
    """
    for name, value in chosen.named.items():
        known = names_asked(run, name)
        if value not in known:
            allowed = f" Allowed: {listed(known)}." if known else ""
            raise HopscopeError(f"{no_question_has(name, value, known)}{allowed}")


def unknown_names(run: Run, chosen: Slice) -> dict[str, str]:
    """A sentence on each condition whose name no question of the run has; {}: all occur."""
    names = ((name, value, names_asked(run, name)) for name, value in chosen.named.items())
    return {
        name: no_question_has(name, value, known)
        for name, value, known in names
        if value not in known
    }


def names_asked(run: Run, name: str) -> list[str]:
    """The distinct names that the questions of all splits have in one place, e.g. as bridge."""
    every = (SplitQuestions(run, split) for split, rows in run.corpus.splits.items() if len(rows))
    return sorted({one for split in every if name in split.named for one in split.asked(name)})


def splits_with(run: Run, chosen: Slice) -> list[str]:
    """The splits that have measured questions of a slice.

    >>> from circuits import open_run
    >>> splits_with(open_run("assets/demo"), Slice(bridge="Mumbai"))
    ['train_inferred', 'ood_test']
    """
    found = []
    for split, rows in run.corpus.splits.items():
        with suppress(HopscopeError):  # not measured
            if len(rows) and SplitQuestions(run, split).measured(chosen).any():
                found.append(split)
    return found


def none_in(chosen: Slice, where: str, others: Iterable[str] = ()) -> NoneInSlice:
    """The error for a split without a question of the slice.

    Args:
        chosen: The slice.
        where: The split, in words.
        others: Splits that have some, in words.

    >>> print(none_in(Slice(bridge="Mumbai"), "ID test", ["OOD test"]))
    No measured question of ID test is in the slice (bridge Mumbai); choose OOD test, or leave out
    a condition.
    """
    there = " or ".join(others)
    remedy = f"choose {there}, or leave out a condition" if there else "leave out a condition"
    return NoneInSlice(
        f"No measured question of {where} is in the slice ({chosen.words}); {remedy}."
    )
