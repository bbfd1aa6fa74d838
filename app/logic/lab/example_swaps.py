"""A bridge swap to begin with that works, and one that does not, out of the stored results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analyses.outcomes import KEPT, NO_DONOR, SUCCESS
from app.logic.question_book import QuestionBook

SPLITS = ("id_test", "asked")
"""Where examples come from, the first that was measured."""


@dataclass(frozen=True)
class ExampleSwap:
    """A question, the donor of its bridge, and the state that is swapped."""

    question: tuple[int, ...]
    donor: tuple[int, ...]
    layer: int
    """Where bridge swaps succeed most."""
    works: bool
    position: int = 1
    """At the first relation; in a run on text at any role before the last."""


def example_swaps(book: QuestionBook, bridge: xr.Dataset | None) -> list[ExampleSwap]:
    """At the last analyzed step: a swap that works and one that does not, as far as there are any.

    Both are of questions that the model answers rightly without a swap, and that lead to three
    different entities, so that what is said of them cannot be confused.

    Args:
        book: The questions of the run.
        bridge: Its result of bridge patching, if it has one.
    """
    split = measured_split(bridge)
    if bridge is None or split is None:
        return []
    now = bridge.sel(split=split, control="bridge").isel(step=-1)
    outcome = now["outcome_example"].transpose("example", "layer", "position").values
    places = [1] if book.text_tokens is None else range(outcome.shape[2] - 1)
    middle = outcome[:, :-1, places]
    share = (middle == SUCCESS).mean(0)
    share[0] = 0.0  # there the question itself is another one
    layer, which = (int(i) for i in np.unravel_index(share.argmax(), share.shape))
    right = outcome[:, -1, 0] == KEPT  # nothing reads this state: the answer is as without a swap
    there = right & (now["example_row"].values >= 0) & (middle[:, layer, which] != NO_DONOR)
    found = []
    for works in (True, False):
        succeeds = middle == SUCCESS
        fits = succeeds[:, layer, which] if works else ~succeeds.any((1, 2))
        for example in np.flatnonzero(there & fits).tolist():
            rows = (int(now[name].values[example]) for name in ("example_row", "donor_row"))
            question, donor = (book.tokens_at(split, row) for row in rows)
            if _tells(book, question, donor):
                found.append(ExampleSwap(question, donor, layer, works, places[which]))
                break
    return found


def measured_split(result: xr.Dataset | None) -> str | None:
    """The split of a result from which examples come; None if it has none of them."""
    if result is None:
        return None
    return next((name for name in SPLITS if name in result["split"].values), None)


def _tells(book: QuestionBook, question: tuple[int, ...], donor: tuple[int, ...]) -> bool:
    """Whether subject, bridges and answers of question and swap are all different."""
    asked, lent = book.asked(question), book.asked(donor)
    swapped = book.swapped_answer(asked, lent)
    named = (question[0], asked.values[0], lent.values[0], asked.answer, swapped)
    return None not in named and len(set(named)) == len(named)
