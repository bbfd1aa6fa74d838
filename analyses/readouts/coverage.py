"""Coverage and accuracy: does what training shows decide what is answered? (arXiv 2505.20278)

1. Each question has a k-cutoff, which is known before training: the number of contexts in which
   trained questions show its fragments to act like those of a trained question
   (`circuits.corpus.coverage`). It is measured for the first hop alone, and for every fragment.
2. Accuracy is given by k-cutoff. The paper finds that it rises with k, in the order of k over
   training, and that questions that nothing covers (k = 0) stay at chance.
3. Questions that are right at k = 0 under the first hop were not composed from trained first hops.
   If every fragment covers them, a shortcut of the graph is enough (duplicates, inverses, the most
   frequent answer of a relation pair); the share that it covers bounds what pattern matching gives.

The cutoffs depend on the corpus alone and are the same at every checkpoint. Trained questions are
covered at every k by definition, so they are not asked.

How to read: If accuracy rises with k and stays at the shortcut's level for k = 0, training's
coverage decides what is answered. High accuracy where no first hop covers a question (k = 0) was
reached by composing or by a shortcut; compare the two panels and the share covered.

What misleads: Bars rest on different numbers of questions, and on different ones: questions with a
high k go through frequent bridges and relations, which are easier in other ways as well. k = 0 is
not chance: a shortcut needs no coverage. The cutoffs say nothing about a checkpoint, only accuracy
does.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Int

from analyses.estimates import Variables, estimated
from analyses.options.readouts import CoverageOptions as Options
from analyses.questions.examples import Examples
from circuits.corpus.coverage import FIRST_HOP, every_fragment, k_cutoff
from circuits.model.protocol import Model
from circuits.patching.engines import answer_logits

FRAGMENTS = ("first_hop", "every")
LEVELS = {**{str(k): (k, k) for k in range(9)}, "9-16": (9, 16), "17+": (17, np.inf)}
"""Groups of k-cutoffs, with both ends."""


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Accuracy by k-cutoff.

    Returns:
        accuracy (fragments, k) with interval and number of questions, NaN where there is none;
        covered (fragments): share of questions with k-cutoff 1 or more; k_example (example,
        fragments); right_example (example).
    """
    cutoffs = examples.once("k_cutoffs", lambda: _cutoffs(examples))
    queries = examples.queries
    top = answer_logits(model, queries).argmax(-1).cpu()
    right = (top == queries.answer).numpy()
    member = _member(cutoffs)
    variables: Variables = estimated(
        "accuracy", np.where(member, right[:, None, None], np.nan), ("fragments", "k"),
        "accuracy of questions with this k-cutoff", shares=True, keep=False,
    )  # fmt: skip
    covered = estimated(
        "covered", (cutoffs > 0).astype(float), ("fragments",), "share of questions covered",
        shares=True, keep=False,
    )  # fmt: skip
    variables |= {
        name: (dims, values, {**attrs, "per_step": False})
        for name, (dims, values, attrs) in covered.items()
    }
    words = {"long_name": "k-cutoff, -1 no example", "per_step": False}
    variables["k_example"] = (("example", "fragments"), cutoffs, words)
    variables["right_example"] = (
        ("example",), right.astype(np.int8), {"long_name": "answer right: 1 yes, 0 no"},
    )  # fmt: skip
    return xr.Dataset(variables, {"fragments": list(FRAGMENTS), "k": list(LEVELS)})


def _cutoffs(examples: Examples) -> Int[np.ndarray, "n fragments"]:
    trained = examples.corpus.queries("train_inferred")
    kinds = (FIRST_HOP, every_fragment(trained.asked_ids.shape[1]))
    return np.stack([k_cutoff(trained, examples.queries, kind) for kind in kinds], 1)


def _member(cutoffs: Int[np.ndarray, "n fragments"]) -> Bool[np.ndarray, "n fragments k"]:
    low, high = np.array(list(LEVELS.values())).T
    return (cutoffs[..., None] >= low) & (cutoffs[..., None] <= high)
