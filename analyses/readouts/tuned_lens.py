"""Tuned lens: the logit lens after an affine translator per layer (Belrose et al., 2303.08112).

The logit lens assumes that a middle state is in the final state's basis. The tuned lens learns, at
each checkpoint, what a state will become:

1. Collect the states of trained questions at all positions. Questions with the first hop of an
   example are left out, because their state at relation_1 is identical to the example's. If too few
   others remain, as in a tiny run, the draw is from all trained questions; `lens_seen` then says
   for how many examples the lens may only recall what it has seen.
2. Fit one translator per layer, S[l] -> A_l S[l] + c_l, shared by all positions. The start is the
   ridge solution that predicts the last state S[depth]; a few Adam steps then lower the KL
   divergence of the lens's distribution from the model's final one at the same position.
3. Compute rank, MRR and probability of the targets as in the logit lens, and the KL divergence of
   both lenses on the examples.

At each position the lens reads what the model goes on to predict *there*; at relation_1 that is the
bridge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from analyses.catalog import AnalysisOptions
from analyses.estimates import estimated
from analyses.questions.examples import Examples
from analyses.readouts.lens import lens_variables
from analyses.readouts.logit_lens import lens_targets
from analyses.readouts.states import SEEN, first_hops_seen, states, trained_questions
from circuits.model.transformer import HookedTransformer


class Options(AnalysisOptions):
    """How the translators are fitted."""

    n_train: int = Field(default=512, ge=20)
    """Number of trained questions whose states the translators learn from."""
    penalty: float = Field(default=1.0, gt=0)
    """Penalty of the ridge solution, for states scaled to unit variance."""
    adam_steps: int = Field(default=60, ge=0)
    """Adam steps after the ridge solution; 0 keeps that solution."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam."""
    batch: int = Field(default=512, ge=1)
    """States per Adam step."""


@dataclass(frozen=True)
class Translators:
    """One affine map for each layer from 0 to depth - 1; the last state needs none."""

    matrix: Float[Tensor, "layer d_model d_model"]
    shift: Float[Tensor, "layer 1 d_model"]

    def __call__(self, x: Float[Tensor, "layer n d_model"]) -> Float[Tensor, "layer n d_model"]:
        """Translate states of every layer."""
        return x @ self.matrix + self.shift


@torch.no_grad()
def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of bridges, later relations and answer through a tuned lens.

    Returns:
        mrr, probability (target, layer, position) and rank_example as in logit_lens; kl and
        kl_logit_lens (layer, position): divergence of each lens from the final output, in nats;
        lens_seen: share of examples whose first hop is among those that the lens learned from.
    """
    queries = examples.queries
    train = trained_questions(examples.corpus, options.n_train, options.seed, queries)
    translators = fit_translators(model, states(model, train.tokens), options)
    here = states(model, queries.tokens)
    layers, n, pos, d_model = here.shape
    translated = translators(here[:-1].reshape(layers - 1, n * pos, d_model))
    tuned = model.logits_of(torch.cat([translated.view(layers - 1, n, pos, d_model), here[-1:]]))
    plain = model.logits_of(here)
    final = plain[-1].log_softmax(-1)
    names, tokens = lens_targets(queries)
    targets = dict(zip(names, tokens.T, strict=True))
    variables = lens_variables(tuned, targets)
    for name, logits in (("kl", tuned), ("kl_logit_lens", plain)):
        kl = divergence(final, logits).transpose(0, 1).cpu().numpy()
        variables |= estimated(
            name, kl, ("layer", "position"), "KL from the final output", units="nat", keep=False
        )
    seen = first_hops_seen(train, queries).astype(float)
    variables |= estimated("lens_seen", seen, (), SEEN, shares=True, keep=False)
    coords = {
        "target": list(targets),
        "layer": np.arange(layers),
        "position": list(queries.positions),
    }
    return xr.Dataset(variables, coords)


def fit_translators(
    model: HookedTransformer,
    train: Float[Tensor, "layer n pos d_model"],
    options: Options,
) -> Translators:
    """Fit the translators of all layers at once: ridge solution, then Adam on the KL divergence."""
    x = train[:-1].flatten(1, 2)
    last = train[-1].flatten(0, 1)
    start = _ridge(x, last, options.penalty)
    final = model.logits_of(last).log_softmax(-1)
    with torch.enable_grad():
        moving = [part.clone().requires_grad_() for part in (start.matrix, start.shift)]
        optimizer = torch.optim.Adam(moving, lr=options.learning_rate)
        draw = torch.Generator().manual_seed(options.seed)
        size = min(options.batch, len(last))
        for _ in range(options.adam_steps):
            rows = torch.randperm(len(last), generator=draw)[:size].to(last.device)
            logits = model.logits_of(Translators(*moving)(x[:, rows]))
            loss = divergence(final[rows], logits).mean(1).sum()
            moving[0].grad, moving[1].grad = torch.autograd.grad(loss, moving)
            optimizer.step()
    return Translators(*(part.detach() for part in moving))


def divergence(
    final: Float[Tensor, "... d_vocab"], logits: Float[Tensor, "layer ... d_vocab"]
) -> Float[Tensor, "layer ..."]:
    """KL(final || lens) in nats; `final` are log-probabilities."""
    return (final.exp() * (final - logits.log_softmax(-1))).sum(-1)


def _ridge(
    x: Float[Tensor, "layer n d_model"], last: Float[Tensor, "n d_model"], penalty: float
) -> Translators:
    """Predict the last state from each layer's state; the penalty pulls the matrix to identity."""
    mean, centred = x.mean(1, keepdim=True), x - x.mean(1, keepdim=True)
    scale = centred.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-12)
    eye = torch.eye(x.shape[-1], device=x.device)
    gram = centred.mT @ centred + penalty * scale**2 * eye
    residual = (last - last.mean(0)) - centred
    matrix = eye + torch.linalg.solve(gram, centred.mT @ residual)
    return Translators(matrix, last.mean(0) - mean @ matrix)
