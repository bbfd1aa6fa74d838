"""Logit lens: what can be read off every residual state (nostalgebraist 2020).

1. Every state S[i, p] goes through the final norm and the unembedding.
2. Each target gets its 0-based rank among the logits; MRR = mean of 1 / (rank + 1) (*Grokked
   Transformers*, arXiv 2405.15071, section 3). Tokens tied with the target count as better: if the
   lens cannot tell two tokens apart, it has decoded neither.
3. Each target also gets its probability under the softmax of those logits.

Targets are the bridges, the relations after the first, and the answer.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import with_interval
from analyses.options.common import AnalysisOptions as Options
from analyses.questions.examples import Examples
from analyses.readouts.lens import rank_of
from circuits.corpus.queries import Queries
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine

_NUMBERS_AT_ONCE = 4_000_000


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of each target at each state of one checkpoint."""
    engine = PatchEngine(model)
    names, targets = lens_targets(examples.queries)
    rank, probability = ranks(engine, examples.queries.tokens, targets)
    dims = ("target", "layer", "position")
    about = "under the logit lens"
    return xr.Dataset(
        {
            **with_interval(
                "mrr",
                dims,
                1 / (rank + 1.0),
                {"long_name": f"mean reciprocal rank {about}", "units": "1"},
            ),
            **with_interval(
                "probability",
                dims,
                probability,
                {"long_name": f"mean probability {about}", "units": "1"},
            ),
            "rank_example": (
                ("example", *dims),
                rank.astype(np.int16 if model.cfg.d_vocab < 32_000 else np.int32),
                {"long_name": f"rank {about}, 0 is the top token, -1 no example", "units": "1"},
            ),
        },
        {
            "target": names,
            "layer": np.arange(model.depth + 1),
            "position": list(examples.queries.positions),
        },
    )


def lens_targets(queries: Queries) -> tuple[list[str], Int[Tensor, "n target"]]:
    """Names and token ids: bridge, (bridge_2,) relation_2, (relation_3,) answer."""
    n_bridges = queries.bridge_ids.shape[1]
    bridges = ["bridge", *(f"bridge_{i}" for i in range(2, n_bridges + 1))][:n_bridges]
    later = queries.positions[2:]
    ids = [queries.bridges, queries.tokens[:, 2:], queries.answer[:, None]]
    return [*bridges, *later, "answer"], torch.cat(ids, 1)


def ranks(
    engine: PatchEngine, tokens: Int[Tensor, "n pos"], targets: Int[Tensor, "n target"]
) -> tuple[Int[np.ndarray, "n target layer pos"], Float[np.ndarray, "n target layer pos"]]:
    """Rank and probability of each target at S[layer, pos]."""
    device = engine.device
    tokens, targets = tokens.to(device), targets.to(device)
    step = max(8, _NUMBERS_AT_ONCE // (tokens.shape[1] * engine.cfg.d_vocab))
    rank_parts, probability_parts = [], []
    for first in range(0, len(tokens), step):
        rows = slice(first, first + step)
        resid = engine.trace(tokens[rows]).resid
        found = [_ranks_of_state(engine.logits(state), targets[rows]) for state in resid]
        rank, probability = (torch.stack(part, 2) for part in zip(*found, strict=True))
        rank_parts.append(rank)
        probability_parts.append(probability)
    return torch.cat(rank_parts).cpu().numpy(), torch.cat(probability_parts).cpu().numpy()


def _ranks_of_state(
    logits: Float[Tensor, "n pos d_vocab"], targets: Int[Tensor, "n target"]
) -> tuple[Int[Tensor, "n target pos"], Float[Tensor, "n target pos"]]:
    index = targets[:, None, :].expand(-1, logits.shape[1], -1)
    own = logits.gather(-1, index)
    found = [rank_of(own[..., i, None], logits) for i in range(targets.shape[1])]
    probability = (own - logits.logsumexp(-1, keepdim=True)).exp()
    return torch.stack(found, 1), probability.transpose(1, 2)
