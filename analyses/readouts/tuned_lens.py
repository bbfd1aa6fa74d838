"""Tuned lens: the logit lens after an affine translator per layer (Belrose et al., 2303.08112).

The logit lens takes for granted that a middle state is in the final state's basis. The tuned lens
learns, at this checkpoint, what each state would become:

1. States of trained questions, at all positions; none has the first hop of an example, whose state
   at relation_1 would be the very same. A tiny run may have too few other first hops: then any are
   learned from, and `lens_seen` says for how many examples that makes the lens a recollection.
2. One translator per layer, S[l] -> A_l S[l] + c_l, shared by all positions: first the ridge
   solution that predicts the last state S[depth], then a few Adam steps that lower the KL
   divergence of the lens's distribution from the model's final one at that position.
3. Rank, MRR and probability of the targets as in the logit lens, and the KL divergence of both
   lenses on the examples.

What it reads at a position is what the model goes on to predict *there*: at relation_1 the bridge.
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
    """How the translators are trained."""

    n_train: int = Field(default=512, ge=20)
    """Trained questions whose states they learn from."""
    penalty: float = Field(default=1.0, gt=0)
    """Ridge penalty of the first solution, for states scaled to unit variance."""
    adam_steps: int = Field(default=60, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    batch: int = Field(default=512, ge=1)
    """States per Adam step."""


@dataclass(frozen=True)
class Translators:
    """One affine map per layer 0 to depth - 1; the last state needs none."""

    matrix: Float[Tensor, "layer d_model d_model"]
    shift: Float[Tensor, "layer 1 d_model"]

    def __call__(self, x: Float[Tensor, "layer n d_model"]) -> Float[Tensor, "layer n d_model"]:
        """Translate states of every layer."""
        return x @ self.matrix + self.shift


@torch.no_grad()
def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of bridge, relation 2 and answer through a tuned lens.

    Returns:
        mrr, probability (target, layer, position) and rank_example as in logit_lens; kl and
        kl_logit_lens (layer, position) in nats: divergence of the lens from the final output;
        lens_seen, the share of examples whose first hop the lens has learned from.
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
    """Ridge solution, then Adam on the KL divergence; all layers at once."""
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
    """KL(final || lens) in nats, given final log-probabilities."""
    return (final.exp() * (final - logits.log_softmax(-1))).sum(-1)


def _ridge(
    x: Float[Tensor, "layer n d_model"], last: Float[Tensor, "n d_model"], penalty: float
) -> Translators:
    """Predict the last state from each layer's, penalizing the change from the identity."""
    mean, centred = x.mean(1, keepdim=True), x - x.mean(1, keepdim=True)
    scale = centred.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-12)
    eye = torch.eye(x.shape[-1], device=x.device)
    gram = centred.mT @ centred + penalty * scale**2 * eye
    residual = (last - last.mean(0)) - centred
    matrix = eye + torch.linalg.solve(gram, centred.mT @ residual)
    return Translators(matrix, last.mean(0) - mean @ matrix)
