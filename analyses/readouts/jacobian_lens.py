"""Jacobian lens: what a state would do to the output, to first order and on average.

Gurnee et al. (Transformer Circuits Thread, 2026), as `transformer_lens.tools.analysis.JacobianLens`
has it: at each layer l one matrix J_l, the mean over prompts and source positions t of
sum over t' >= t of d S[depth, t'] / d S[l, t]. The lens decodes J_l S[l, p] with the final norm and
the unembedding; J = 1 is the logit lens. Unlike a tuned lens it is not fitted to outputs: a token
that it reads is one that the state *makes* the model say.

TransformerLens leaves out the last position, as source and as target, for it is made for long
prompts; ours have three tokens and the answer is at the last one. So it counts here, unless
`last_position` is False: then J_l is that of `JacobianLens.fit` (the tests compare them).

True by construction: at the last layer the lens is the model's output, and J_0 at a position
p reads the token there, without its context.

How to read: As the logit lens, but for what a state makes the model say: the bridge first at S[i,
relation_1] says that, to first order, this state pushes the output there towards it.

What misleads: One matrix stands for all prompts and positions: a state whose effect depends on the
other tokens, as hop two's must, is misread at relation_1. A reading at relation_1 is again about
the atomic prompt. With few prompts the average Jacobian is noisy; the count is an option.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import estimated
from analyses.options.readouts import JacobianLensOptions as Options
from analyses.questions.examples import Examples
from analyses.readouts.lens import columns_of, ranks_of_layers
from analyses.readouts.logit_lens import lens_targets
from analyses.readouts.states import SEEN, first_hops_seen, states, trained_questions
from circuits.corpus.queries import Queries
from circuits.model.protocol import Model

_PROMPTS_AT_ONCE = 32


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of bridges, later relations and answer through a Jacobian lens.

    Returns:
        mrr, probability (target, layer, position) and rank_example as in logit_lens; lens_seen:
        share of examples whose first hop is among those that J was averaged over.
    """
    queries = examples.queries
    train = trained_questions(examples.corpus, options.prompts, options.seed, queries)
    transport = jacobians(model, train, last_position=options.last_position)
    here = states(model, queries)
    moved = torch.einsum("lnpd,led->lnpe", here[:-1], transport)
    names, tokens = lens_targets(queries)
    with torch.no_grad():
        read = (model.logits_of(state) for state in torch.cat([moved, here[-1:]]))
        variables = ranks_of_layers(read, dict(zip(names, tokens.T, strict=True)))
    variables |= columns_of(queries)
    seen = first_hops_seen(train, queries).astype(float)
    variables |= estimated("lens_seen", seen, (), SEEN, shares=True, keep=False)
    coords = {
        "target": names,
        "layer": np.arange(len(here)),
        "position": list(queries.positions),
    }
    return xr.Dataset(variables, coords)


def jacobians(
    model: Model, prompts: Queries | Int[Tensor, "n pos"], *, last_position: bool = True
) -> Float[Tensor, "layer d_model d_model"]:
    """J_l of the states S[0] to S[depth - 1], averaged over prompts and source positions.

    Padding behind the end of a question counts neither as source nor as target.
    """
    total: Tensor | None = None
    for first in range(0, len(prompts), _PROMPTS_AT_ONCE):
        part, end = prompts[first : first + _PROMPTS_AT_ONCE], None
        if isinstance(part, Queries):
            end = torch.from_numpy(part.lengths).to(model.device) if part.ragged else None
            part = part.tokens
        found = _summed(model, part.to(model.device), last_position, end)
        total = found if total is None else total + found
    assert total is not None
    return total / len(prompts)


def _summed(
    model: Model, tokens: Tensor, last_position: bool, lengths: Int[Tensor, " n"] | None
) -> Tensor:
    """J of each layer, summed over these prompts."""
    with torch.enable_grad():
        resid = model(tokens, stop_at_layer=0).detach().requires_grad_()
        chain = [resid]
        for i in range(model.depth):
            chain.append(model(chain[-1], start_at_layer=i, stop_at_layer=i + 1))
        counted = tokens.shape[1] - (not last_position)
        mask = None
        if lengths is not None:
            ends = lengths - int(not last_position)
            mask = torch.arange(tokens.shape[1], device=tokens.device) < ends[:, None]
        final, sources = chain[-1], chain[:-1]
        rows = []
        for d in range(model.cfg.d_model):
            wanted = torch.zeros_like(final)
            if mask is None:
                wanted[:, :counted, d] = 1
            else:
                wanted[..., d] = mask.to(wanted)
            grads = torch.autograd.grad(final, sources, wanted, retain_graph=True)
            means = [_mean_over_sources(g, counted, mask) for g in grads]
            rows.append(torch.stack([mean.sum(0) for mean in means]))
    return torch.stack(rows, 1).detach()


def _mean_over_sources(
    gradient: Float[Tensor, "n pos d_model"], counted: int, mask: Tensor | None
) -> Float[Tensor, "n d_model"]:
    if mask is None:
        return gradient[:, :counted].mean(1)
    return (gradient * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
