"""Logit lens: what can be read off every residual state (nostalgebraist 2020).

1. Every state S[i, p] goes through the final norm and the unembedding.
2. Each target gets its 0-based rank among the logits; MRR = mean of 1 / (rank + 1) (*Grokked
   Transformers*, arXiv 2405.15071, section 3). Tokens tied with the target count as better: if the
   lens cannot tell two tokens apart, it has decoded neither.
3. Each target also gets its probability under the softmax of those logits.
4. `mrr_added` is what the question adds: MRR minus that of the same target at the same state of a
   counterpart that has this position's token without the question. At relation_2 and later it is a
   placebo, the same later relations after an unrelated first hop (`analyses.questions.placebos`);
   the difference could come out as anything. At the subject and at relation_1 it is the shorter
   prompt that ends there, h or the atomic prompt (h, r1). Attention is causal, so the states are
   equal bit for bit and the difference is 0 by construction: MRR there says what the model knows of
   the *fact*, trained on its own or not, and never that a question uses it. (In sentences, in
   which other words stand before these roles, there is no such prompt: `mrr_added` is NaN there.)

Targets are the bridges, the relations after the first, and the answer. A name of several tokens is
read at its last token; as a target it is its first one, since that is what a state can predict.
`sharing_example` counts the names that begin with it, which the rank does not tell apart; a whole
name has no rank at a state (`analyses.readouts.lens.sharing_of`). `mrr_among_names` leaves out
tokens that begin no entity: the rank of a bridge or answer among the graph's entities, each by its
first token. Entities that share it count as better, as all that ties does.
With another `span` (`circuits.corpus.role_spans`) a role's value is that of the token at which the
target is best, which favours roles of many tokens: `mrr_added` compares with the placebo's best.

True by construction, and so no findings:

- the bridge is readable at S[depth, relation_1] in every model that knows the fact (h, r1, b);
  nothing can use it there (`usable` is False, see `analyses.usable`);
- S[0, p] holds only the token at p, so relation_2 at S[0, relation_2] tells of the embedding alone;
- the answer at S[depth, last] comes first exactly if the model's answer is right: there the lens is
  the model.

How to read: An MRR near 1 at S[i, p] says that final norm and unembedding put the token first
there. Composition shows as the bridge at S[i, relation_1] with 1 <= i < depth, where a later block
can still read it, and as the answer rising at the last position. At relation_2 and later read
`mrr_added`: it is above 0 where this question's bridge, not its relations, makes the difference.

What misleads: The bridge at S[depth, relation_1] (hatched) is near 1 in every model that knows its
facts, at any phi and for OOD facts too. A low MRR does not say that a token is missing, for it may
be held in another basis (`tuned_lens`, `probes`). And what can be read need not be used: only
patching tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.estimates import Variables, with_interval
from analyses.options.common import SpanOptions as Options
from analyses.questions.examples import Examples
from analyses.questions.placebos import draw_placebos
from analyses.readouts.lens import (
    added_by_question,
    columns_of,
    rank_of,
    reciprocal,
    sharing_of,
)
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import Span
from circuits.model.protocol import Model
from circuits.patching.aligned import tokens_of
from circuits.patching.engines import Engine, engine_for, traced
from circuits.patching.role_trace import RoleTrace

_NUMBERS_AT_ONCE = 4_000_000


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of each target at each state of one checkpoint.

    Returns:
        mrr, probability, mrr_added (target, layer, position) with intervals; rank_example. Where
        names are several tokens, also mrr_among_names and rank_among_names_example.
    """
    engine = engine_for(model)
    names, targets = lens_targets(examples.queries)
    rank, probability = ranks(engine, examples.queries, targets, options.span)
    dims = ("target", "layer", "position")
    about = "under the logit lens"
    return xr.Dataset(
        {
            **with_interval(
                "mrr",
                dims,
                reciprocal(rank),
                {"long_name": f"mean reciprocal rank {about}", "units": "1"},
            ),
            **with_interval(
                "probability",
                dims,
                probability,
                {"long_name": f"mean probability {about}", "units": "1"},
            ),
            **_added(engine, examples, targets, rank, options),
            "rank_example": (
                ("example", *dims),
                rank.astype(np.int16 if model.cfg.d_vocab < 32_000 else np.int32),
                {"long_name": f"rank {about}, 0 is the top token, -1 no example", "units": "1"},
            ),
            **_among_names(engine, examples.queries, names, targets, options.span),
            **columns_of(examples.queries),
            **sharing_of(examples.queries, targets),
        },
        {
            "target": names,
            "layer": np.arange(model.depth + 1),
            "position": list(examples.queries.positions),
        },
    )


def lens_targets(queries: Queries) -> tuple[list[str], Int[Tensor, "n target"]]:
    """Names and token ids: bridge, (bridge_2,) relation_2, (relation_3,) answer.

    Of a name of several tokens the first one.
    """
    n_bridges = queries.bridge_ids.shape[1]
    bridges = ["bridge", *(f"bridge_{i}" for i in range(2, n_bridges + 1))][:n_bridges]
    later = queries.named_roles[2:]
    ids = [queries.bridges, queries.first_tokens[:, 2 : 2 + len(later)], queries.answer[:, None]]
    return [*bridges, *later, "answer"], torch.cat(ids, 1)


def _among_names(
    engine: Engine,
    queries: Queries,
    names: Sequence[str],
    targets: Int[Tensor, "n target"],
    span: Span,
) -> Variables:
    """`mrr_among_names` and `rank_among_names_example`; {} where a name is a token.

    NaN and -1 for targets that are relations, which need not have tokens as answers.
    """
    if queries.names is None:
        return {}
    first = queries.names.first[: queries.vocab.first_relation]
    entities = torch.from_numpy(first[first >= 0]).to(engine.device)
    of_entities = [i for i, name in enumerate(names) if name.startswith(("bridge", "answer"))]
    found, _ = ranks(engine, queries, targets[:, of_entities], span, among=entities)
    rank = np.full((len(queries), len(names), *found.shape[2:]), -1)
    rank[:, of_entities] = found
    dims, words = ("target", "layer", "position"), "among the graph's entities by first token"
    attrs = {"long_name": f"mean reciprocal rank {words}", "units": "1"}
    about = {"long_name": f"rank {words}, -1 no example", "units": "1"}
    return {
        **with_interval("mrr_among_names", dims, reciprocal(rank), attrs),
        "rank_among_names_example": (("example", *dims), rank.astype(np.int32), about),
    }


def _added(
    engine: Engine,
    examples: Examples,
    targets: Int[Tensor, "n target"],
    rank: Int[np.ndarray, "n target layer pos"],
    options: Options,
) -> Variables:
    queries, seed = examples.queries, options.seed

    def placebo() -> tuple[Int[np.ndarray, "n target layer pos"], Bool[np.ndarray, " n"]]:
        drawn = examples.once(("placebos", seed), lambda: draw_placebos(examples, seed))
        return ranks(engine, queries.asking(drawn.tokens), targets, options.span)[0], drawn.valid

    return added_by_question(queries, rank, placebo)


def ranks(
    engine: Engine,
    prompts: Queries | Int[Tensor, "n pos"],
    targets: Int[Tensor, "n target"],
    span: Span = "last",
    among: Int[Tensor, " k"] | None = None,
) -> tuple[Int[np.ndarray, "n target layer pos"], Float[np.ndarray, "n target layer pos"]]:
    """Rank and probability of each target at S[layer, pos], the best of a span's tokens.

    -1 and NaN where a role has no such tokens. Ranked are the tokens `among`, which hold the
    targets; None: all.
    """
    targets = targets.to(engine.device)
    tokens = prompts.tokens if isinstance(prompts, Queries) else prompts
    step = max(8, _NUMBERS_AT_ONCE // (tokens.shape[1] * engine.cfg.d_vocab))
    rank_parts, probability_parts = [], []
    for first in range(0, len(tokens), step):
        rows = slice(first, first + step)
        trace = traced(engine, prompts[rows], span)
        if isinstance(trace, RoleTrace) and trace.spans is not None:
            found = [
                _best_ranks(engine, trace, i, targets[rows], among) for i in range(len(trace.resid))
            ]
        else:
            found = [_ranks_of_state(engine.logits(s), targets[rows], among) for s in trace.resid]
        rank, probability = (torch.stack(part, 2) for part in zip(*found, strict=True))
        rank_parts.append(rank)
        probability_parts.append(probability)
    return torch.cat(rank_parts).cpu().numpy(), torch.cat(probability_parts).cpu().numpy()


def _ranks_of_state(
    logits: Float[Tensor, "n pos d_vocab"],
    targets: Int[Tensor, "n target"],
    among: Int[Tensor, " k"] | None = None,
) -> tuple[Int[Tensor, "n target pos"], Float[Tensor, "n target pos"]]:
    index = targets[:, None, :].expand(-1, logits.shape[1], -1)
    own = logits.gather(-1, index)
    rivals = logits if among is None else logits[..., among]
    found = [rank_of(own[..., i, None], rivals) for i in range(targets.shape[1])]
    probability = (own - logits.logsumexp(-1, keepdim=True)).exp()
    return torch.stack(found, 1), probability.transpose(1, 2)


def _best_ranks(
    engine: Engine,
    trace: RoleTrace[Any],
    layer: int,
    targets: Int[Tensor, "n target"],
    among: Int[Tensor, " k"] | None,
) -> tuple[Int[Tensor, "n target role"], Float[Tensor, "n target role"]]:
    """Rank and probability of each target at the token of each role at which they are best."""
    states, nowhere = trace.whole.resid[layer], engine.cfg.d_vocab
    ranks, chances = [], []
    for spans in trace.written.unbind(1):
        row, column = tokens_of(spans)
        found = _ranks_of_state(engine.logits(states[row, column])[:, None], targets[row], among)
        rank, chance = (each[..., 0] for each in found)
        index = row[:, None].expand_as(rank)
        best = torch.full_like(targets, nowhere).scatter_reduce_(0, index, rank, "amin")
        ranks.append(torch.where(best == nowhere, -1, best))
        highest = chance.new_full(targets.shape, -1).scatter_reduce_(0, index, chance, "amax")
        chances.append(torch.where(best == nowhere, torch.nan, highest))
    return torch.stack(ranks, -1), torch.stack(chances, -1)
