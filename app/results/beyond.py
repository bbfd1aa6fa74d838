"""Accuracy on the slice of ID questions that no shortcut answers.

An accuracy beside the best shortcut's leaves open whether the same questions are right. These are
the questions that none of the answerers of `circuits.corpus.shortcuts` gets right: whoever answers
them has done something else.
"""

from __future__ import annotations

import numpy as np
import torch

from analyses.slices.properties import SplitQuestions
from circuits.corpus.names import ID_TEST
from circuits.runs.run import Run

LEAST = 10
"""Fewer questions than this give no accuracy."""


def beyond_shortcuts(run: Run) -> dict[str, float]:
    """Accuracy at the last step on these questions, and how many there are.

    >>> from circuits import open_run
    >>> found = beyond_shortcuts(open_run("assets/demo"))
    >>> round(found["id_beyond"], 2), found["id_beyond_n"]
    (0.97, 601.0)
    """
    asked = run.queries(ID_TEST)
    with torch.no_grad():
        answers = run.model()(asked.tokens)[:, -1].argmax(-1).numpy()
    beyond = ~SplitQuestions(run, ID_TEST).shortcut
    right = answers[beyond] == asked.answer_ids[beyond]
    known = len(right) >= LEAST
    return {
        "id_beyond": float(right.mean()) if known else float("nan"),
        "id_beyond_n": float(np.count_nonzero(beyond)),
    }
