"""Sparse probes: how many neurons it takes to tell one bridge from the others.

Gurnee et al. (arXiv 2305.01610), by `transformer_lens.tools.analysis.sparse_probing`:

1. Prompts are the ID facts (h, r1), whose answer is the bridge, one per first hop. They are the
   beginnings of questions, and attention is causal, so the state at relation_1 is the question's.
2. For each of the most frequent bridges and each block, a logistic probe sees k numbers of
   relation_1 (`site`: MLP neurons after the activation, or the block's output), chosen on the
   training part by the difference of class means.
3. `average_precision` is that on held-out facts, both kinds of fact in the same share; `chance` is
   the share of positives there. `shuffled` is the same probe, selection included, on labels that
   are shuffled before: the null for a choice among thousands of neurons.

A neuron that tells a bridge is not shown to be used; `analyses.interventions` asks that.

How to read: Average precision far above the shuffled labels' says that so few neurons tell this
bridge on held-out facts. If one neuron does as well as sixteen, the bridge has a neuron of its own;
rising with k, it is spread.

What misleads: Average precision has no fixed chance: it is the share of positives, which the figure
gives. Only the most frequent bridges are told, so the means favour what was seen often. A neuron
that tells a bridge may be read by nothing.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, estimated
from analyses.options.readouts import SparseProbeOptions as Options
from analyses.questions.examples import Examples
from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.errors import HopscopeError
from circuits.model.bridged import BridgedModel
from circuits.model.protocol import Model
from circuits.statistics import LEAST_EXAMPLES

Labels = Literal["bridge", "shuffled"]
LABELS: tuple[Labels, ...] = get_args(Labels)
SPLIT = "atomic_id"
_HOOKS = {"mlp": "blocks.{}.mlp.hook_post", "stream": "blocks.{}.hook_resid_post"}
_AT_ONCE = 1024
LEAST_FACTS = 4
"""A bridge with fewer cannot be told on one part of them and judged on the other."""


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Average precision of k-sparse probes at relation_1, for one checkpoint.

    Returns:
        average_precision (labels, layer, k) with interval over bridges, and by bridge; chance
        (scalar): share of positives. `layer` counts blocks, from 0 to depth - 1.
    """
    queries, bridge = facts(examples.corpus)
    asked = _frequent(bridge, options.bridges)
    found = np.full((len(asked), len(LABELS), model.depth, len(options.k)), np.nan)
    rng = torch.Generator().manual_seed(options.seed)
    order = torch.randperm(len(bridge), generator=rng)
    for layer in range(model.depth):
        features = _features(model, queries, _HOOKS[options.site].format(layer))
        for b, wanted in enumerate(asked):
            positive = torch.from_numpy(bridge == wanted)
            for i, labels in enumerate((positive, positive[order])):
                for j, k in enumerate(options.k):
                    found[b, i, layer, j] = _precision(features, labels, k, options)
    words = "average precision on held-out facts"
    dims = ("labels", "layer", "k")
    variables: Variables = estimated("average_precision", found, dims, words, over="bridge")
    share = np.array([(bridge == b).mean() for b in asked])
    variables |= estimated("chance", share, (), "share of positive facts", keep=False)
    names = [examples.corpus.vocab.name(int(b)) for b in asked]
    coords = {
        "labels": list(LABELS),
        "layer": np.arange(model.depth),
        "k": list(options.k),
        "bridge": names,
    }
    return xr.Dataset(variables, coords)


def facts(corpus: Corpus) -> tuple[Queries, Int[np.ndarray, " n"]]:
    """The prompts (h, r1) of ID facts, and the bridges that they lead to."""
    queries = corpus.queries(SPLIT)
    return queries, queries.answer_ids.astype(np.int64)


def _frequent(bridge: Int[np.ndarray, " n"], at_most: int) -> Int[np.ndarray, " bridge"]:
    """The most frequent bridges that have enough facts for both parts."""
    values, counts = np.unique(bridge, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:at_most]
    chosen = values[order][counts[order] >= LEAST_FACTS]
    if len(chosen) < LEAST_EXAMPLES:
        raise HopscopeError(
            f"{len(chosen)} bridges have {LEAST_FACTS} ID facts or more, and an interval needs "
            f"{LEAST_EXAMPLES} such bridges; use a run with a denser graph."
        )
    return chosen


def _features(model: Model, queries: Queries, name: str) -> Float[Tensor, "n feature"]:
    """What a hook point holds where the prompt ends, at relation_1."""
    if isinstance(model, BridgedModel) and name not in model.bridge.hook_dict:
        raise HopscopeError(f"this model has no {name}; give site=stream.")
    parts = []
    for first in range(0, len(queries), _AT_ONCE):
        some = queries[first : first + _AT_ONCE]
        _, cache = model.run_with_cache(some.tokens.to(model.device), names_filter=[name])
        end = torch.from_numpy(some.lengths - 1)
        parts.append(cache[name][torch.arange(len(some)), end].float().cpu())
    return torch.cat(parts)


def _precision(features: Tensor, labels: Bool[Tensor, " n"], k: int, options: Options) -> float:
    from transformer_lens.tools.analysis.sparse_probing import (
        SparseProbeConvergenceError,
        fit_sparse_probe,
    )

    settings: dict[str, Any] = {"preprocess": "standardize", "l2_strength": options.penalty}
    try:
        k = min(k, features.shape[1])
        fitted = fit_sparse_probe(features, labels, k=k, seed=options.seed, **settings)
    except SparseProbeConvergenceError:
        return float("nan")
    return fitted.metrics.average_precision
