"""Logit lens of the comparison task (*Grokked Transformers*, arXiv 2405.15071, section 4).

1. Every state S[i, p] goes through the final norm and the unembedding.
2. Value 1, value 2 and the answer get rank, MRR and probability as in
   `analyses.readouts.logit_lens`.
3. `mrr_added` is what the question adds: MRR minus that of the same target at the same state of a
   placebo, the same attribute and entity 2 beside another entity 1 with another value. At the
   attribute and at entity_1 the counterpart is the shorter prompt that ends there, and nothing is
   added by construction.

In the generalizing circuit, lower layers look up each entity's value at the entity's own position,
provided that the attribute stands before it.

True by construction, and so no findings: S[i, entity_1] is the last state of the atomic prompt
(attribute, entity 1), which training makes predict value 1. After the last block it is readable in
every model that knows the value, and nothing can use it (`usable` is False, see `analyses.usable`).

How to read: A value with a high MRR at its entity's position in a middle layer has been looked up
there in the basis of outputs; the label rises at the last position. At entity_2 read `mrr_added`:
value 2 is looked up there without entity 1, so that little is added; for the answer all that counts
is what is added.

What misleads: The attribute alone leaves only its own labels: with three of them an MRR of up to
.61 needs no comparison. A value that cannot be read may be held in another basis, and hop-like use
is not shown by reading (`comparison_tracing`). At entity_1 after the last block the reading is the
atomic prompt's.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Int

from analyses.options.common import AnalysisOptions as Options
from analyses.questions.comparison_corruptions import other_first_entities
from analyses.questions.examples import Examples
from analyses.readouts.lens import added_by_question, rank_of_layers, ranks_of_layers
from analyses.readouts.states import states
from circuits.model.protocol import Model


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of value 1, value 2 and the answer at every state.

    Returns:
        mrr, probability, mrr_added (target, layer, position) with intervals, rank_example.
    """
    queries = examples.queries
    here = states(model, queries)
    targets = {
        "value_1": queries.bridges[:, 0],
        "value_2": queries.bridges[:, 1],
        "answer": queries.answer,
    }
    coords = {
        "target": list(targets),
        "layer": np.arange(len(here)),
        "position": list(queries.positions),
    }
    variables = ranks_of_layers((model.logits_of(resid) for resid in here), targets)
    seed = options.seed

    def placebo() -> tuple[Int[np.ndarray, "n target layer pos"], Bool[np.ndarray, " n"]]:
        tokens, valid = examples.once(
            ("other first entities", seed), lambda: other_first_entities(examples, seed)
        )
        theirs = states(model, queries.asking(tokens))
        return rank_of_layers((model.logits_of(resid) for resid in theirs), targets), valid

    variables |= added_by_question(queries, variables["rank_example"][1], placebo)
    return xr.Dataset(variables, coords)
