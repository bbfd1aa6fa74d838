"""Logit lens of the comparison task: where the two compared values and the label can be read."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from analyses.catalog import AnalysisOptions
from analyses.questions.examples import Examples
from analyses.readouts.lens import lens_variables
from analyses.readouts.states import states
from circuits.model.transformer import HookedTransformer


class Options(AnalysisOptions):
    """Only those of every analysis."""


@torch.no_grad()
def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of value 1, value 2 and the answer at every state.

    *Grokked Transformers* (arXiv 2405.15071, section 4): in the generalizing circuit each entity's
    value is found in the lower layers, at its own position where the attribute stands before it.

    Returns:
        mrr, probability (target, layer, position) with intervals, rank_example.
    """
    queries = examples.queries
    logits = model.logits_of(states(model, queries.tokens))
    targets = {
        "value_1": queries.bridges[:, 0],
        "value_2": queries.bridges[:, 1],
        "answer": queries.answer,
    }
    coords = {
        "target": list(targets),
        "layer": np.arange(len(logits)),
        "position": list(queries.positions),
    }
    variables = lens_variables(logits, targets)
    return xr.Dataset(variables, coords)
