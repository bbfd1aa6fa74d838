"""Crosscoder: one sparse code for the states of several checkpoints (arXiv 2509.17196, section 3).

A feature has a decoder direction at every checkpoint, and the norm of that direction says how
strongly the checkpoint's states use it: features are born, grow and fade along one common code.

1. States are centred, and scaled to unit variance per checkpoint, so that all weigh the same.
2. Code: f = relu(sum_k x_k E_k + e), of which a batch keeps the active * batch entries with the
   largest f_i sum_k |D_ik| and sets all others to 0 (BatchTopK, arXiv 2412.06410; weighted by the
   decoder norms as in crosscoders). Afterwards entries above a threshold are kept, the mean of the
   smallest kept ones of the second half of the fit, so that a state's code depends on it alone.
3. Reconstruction: x_k = sum_i f_i D_ik + d_k. The loss is the squared error, summed over
   checkpoints.
4. Encoders start as transposed decoders, and decoders as states of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from circuits.errors import HopscopeError

States = Float[Tensor, "checkpoint n d_model"]


@dataclass(frozen=True, eq=False)
class Crosscoder:
    """A fitted code; `fit` makes it.

    >>> states = torch.randn(2, 60, 8, generator=torch.manual_seed(0))
    >>> coder = Crosscoder.fit(states, n_features=16, active=2, steps=20)
    >>> coder.codes(states).shape, coder.decoder_norm.shape
    (torch.Size([60, 16]), torch.Size([2, 16]))
    """

    encoder: Float[Tensor, "feature checkpoint d_model"]
    encoder_bias: Float[Tensor, " feature"]
    decoder: Float[Tensor, "feature checkpoint d_model"]
    decoder_bias: Float[Tensor, "checkpoint d_model"]
    mean: Float[Tensor, "checkpoint 1 d_model"]
    scale: Float[Tensor, "checkpoint 1 1"]
    threshold: float

    @classmethod
    def fit(
        cls,
        states: States,
        n_features: int,
        active: int,
        *,
        steps: int = 1000,
        batch: int = 256,
        learning_rate: float = 3e-3,
        seed: int = 0,
    ) -> Crosscoder:
        """Learn from the states of the same prompts at several checkpoints.

        Args:
            states: Row i of every checkpoint is prompt i.
            n_features: Size of the code.
            active: Entries of the code that a prompt uses on average.
            steps: Adam steps, with the learning rate falling to 0 along a cosine.
            batch: Prompts per step.
            learning_rate: Learning rate at the start.
            seed: Seed of the first features and of the batches.

        Raises:
            HopscopeError: if there are fewer than 2 prompts, or `active` exceeds the features.
        """
        if states.shape[1] < 2 or not 1 <= active <= n_features:
            raise HopscopeError(
                f"a crosscoder of {n_features} features with {active} active cannot be fitted to "
                f"{states.shape[1]} prompts; it needs 2 prompts and 1 <= active <= features."
            )
        generator = torch.Generator().manual_seed(seed)
        mean = states.mean(1, keepdim=True)
        scale = (states - mean).square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-8)
        x = ((states - mean) / scale).swapaxes(0, 1).flatten(1)  # the checkpoints side by side
        fitting = _Fitting(x, len(states), n_features, generator)
        with torch.enable_grad():
            threshold = fitting.run(x, active, steps, batch, learning_rate, generator)
        shape = (len(states), states.shape[-1])
        encoder, decoder = (p.detach().unflatten(1, shape) for p in (fitting.E, fitting.D))
        decoder_bias = fitting.d.detach().unflatten(0, shape)
        bias = fitting.e.detach()
        return cls(encoder, bias, decoder, decoder_bias, mean, scale, threshold)

    @torch.no_grad()
    def codes(self, states: States) -> Float[Tensor, "n feature"]:
        """The sparse code of each prompt."""
        x = ((states - self.mean) / self.scale).swapaxes(0, 1).flatten(1)
        pre = (x @ self.encoder.flatten(1).T + self.encoder_bias).relu()
        return pre * (pre * self.decoder_norm.sum(0) > self.threshold)

    @torch.no_grad()
    def reconstructed(self, codes: Float[Tensor, "n feature"]) -> States:
        """States of each checkpoint from the codes."""
        found = torch.einsum("nf,fkd->knd", codes, self.decoder) + self.decoder_bias[:, None]
        return found * self.scale + self.mean

    @property
    def decoder_norm(self) -> Float[Tensor, "checkpoint feature"]:
        """Length of each feature's direction, in standard deviations of a checkpoint's states."""
        return self.decoder.norm(dim=-1).T


class _Fitting(nn.Module):
    """The parameters while they are fitted; the checkpoints of a direction are side by side."""

    def __init__(
        self,
        x: Float[Tensor, "n width"],
        checkpoints: int,
        n_features: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        rows = torch.randint(len(x), (n_features,), generator=generator)
        start = x[rows] + 0.1 * torch.randn(n_features, x.shape[1], generator=generator).to(x)
        start = start / start.norm(dim=1, keepdim=True)
        self.checkpoints = checkpoints
        self.D = nn.Parameter(start.clone())
        self.E = nn.Parameter(start.clone())
        self.e = nn.Parameter(x.new_zeros(n_features))
        self.d = nn.Parameter(x.new_zeros(x.shape[1]))

    def run(
        self,
        x: Float[Tensor, "n width"],
        active: int,
        steps: int,
        batch: int,
        learning_rate: float,
        generator: torch.Generator,
    ) -> float:
        """Adam steps; returns the threshold."""
        optimizer = torch.optim.Adam(self.parameters(), learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        least = []
        for step in range(steps):
            some = x[torch.randperm(len(x), generator=generator)[:batch]]
            pre = torch.addmm(self.e, some, self.E.T).relu()
            norms = self.D.unflatten(1, (self.checkpoints, -1)).norm(dim=-1).sum(1)
            score = (pre * norms).detach()
            kept = _largest(score, active * len(some))
            loss = (torch.addmm(self.d, pre * kept, self.D) - some).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step >= steps // 2 and kept.any():
                least.append(score[kept].min().item())
        return sum(least) / max(len(least), 1)


def _largest(score: Float[Tensor, "n feature"], k: int) -> Bool[Tensor, "n feature"]:
    """The k largest entries of a batch, without those that are 0."""
    if k >= score.numel():
        return score > 0
    least = score.flatten().topk(k, sorted=False).values.min()
    return (score >= least) & (score > 0)
