"""Swaps of the first entity's value to begin with, out of causal tracing of comparisons."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import xarray as xr

from analyses.questions.comparison_corruptions import corruptions
from analyses.questions.examples import draw_examples
from app.logic.lab.example_swaps import ExampleSwap, measured_split
from app.logic.lab.patch_lab import Operation, outcome
from app.logic.question_book import QuestionBook
from circuits.model.protocol import Model

ENTITY_1 = 1
"""The place of the first entity among the names of a question."""
MOST_TRIED = 60


def comparison_swaps(book: QuestionBook, tracing: xr.Dataset, model: Model) -> list[ExampleSwap]:
    """A swap that works and one that does not, as far as there are any.

    Both are of questions that the model answers rightly without a swap; the donor is the corrupted
    question of causal tracing, which has another first entity with another value. The stored result
    says whether the answer flips, not into what: one that flips is run again.

    Args:
        book: The questions of the run.
        tracing: Its result of causal tracing of comparisons.
        model: Its model at the last step of the result.
    """
    split = measured_split(tracing)
    if split is None or "flip_example" not in tracing:
        return []
    options = json.loads(tracing.attrs["options"])
    examples = draw_examples(book.corpus, split, options["examples"], options["seed"])
    tokens, valid = corruptions(examples, options["n_corruptions"], options["seed"])
    asked = [tuple(row) for row in examples.queries.asked_ids.tolist()]
    donors = [tuple(row) for row in tokens[ENTITY_1, 0].tolist()]
    where = next(i for i, (a, b) in enumerate(zip(asked[0], donors[0], strict=True)) if a != b)
    now = tracing["flip_example"].sel(split=split).isel(step=-1, position=where)
    flips = now.transpose("example", "layer").values[: len(asked)]  # a short split is padded
    right = valid[ENTITY_1, 0] & (flips[:, -1] == 0)  # nothing reads the last state
    if flips.shape[1] < 3 or not right.any():
        return []
    layer = 1 + int(flips[right, 1:-1].mean(0).argmax())
    kept = right & (flips[:, 1:-1] == 0).all(1)

    def found(works: bool, fits: np.ndarray) -> Iterator[ExampleSwap]:
        for i in np.flatnonzero(fits)[:MOST_TRIED].tolist():
            swap = ExampleSwap(asked[i], donors[i], layer, works, where)
            if _turns(book, swap, model) is works:
                yield swap

    either = (found(True, right & (flips[:, layer] == 1)), found(False, kept))
    return [swap for swaps in either if (swap := next(swaps, None))]


def _turns(book: QuestionBook, swap: ExampleSwap, model: Model) -> bool | None:
    """Whether the swap gives the answer for the donor's value; None if that is no other answer."""
    asked = book.asked(swap.question)
    swapped = book.swapped_answer(asked, book.asked(swap.donor))
    if swapped is None or swapped == asked.answer:
        return None
    written = Operation("resid_pre", ((swap.layer, swap.position),), None, "cache")
    found = outcome(model, book.prompts(swap.question, swap.donor), written)
    return int(found.after.argmax()) == swapped
