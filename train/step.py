"""One optimizer step: forward, loss on the answers, backward, gradient filters, optimizer.

On a GPU the objective is compiled, and after a few ordinary steps the whole step is captured into
one CUDA graph and replayed. [Neither has run on a GPU yet. The same code is tested on a CPU as far
as possible: compiled, without any wait of the host, and on PyTorch's meta device.]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils._triton import has_triton

from circuits.model.hook_free import Precision, fast_logits
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import TrainingSection
from train.batches import Batch
from train.cuda_graph import CudaGraph
from train.distributed import Group
from train.optimizers import Optimizer
from train.text_batches import parts_by_length

LossName = Literal["cross_entropy", "stablemax"]
SampleLoss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(
    logits: Float[Tensor, "n d_vocab"], answer: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Minus the log-probability of the answer, in nats, computed in fp32."""
    return F.cross_entropy(logits.float(), answer, reduction="none")


def stablemax(logits: Float[Tensor, "n d_vocab"], answer: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Cross entropy with StableMax in place of softmax (Prieto et al., 2501.04697, section 3.2).

    Probabilities are s(x) / sum s(x), with s(x) = x + 1 for x >= 0 and 1 / (1 - x) below. Growth is
    linear instead of exponential, so that large logits do not end in rounding errors.
    """
    x = logits.float()
    # `where` evaluates both branches; clamping keeps the unused one finite in the backward pass
    scores = torch.where(x >= 0, x.clamp(min=0) + 1, 1 / (1 - x.clamp(max=0)))
    picked = scores.gather(-1, answer[:, None])[:, 0]
    return scores.sum(-1).log() - picked.log()


LOSSES: dict[LossName, SampleLoss] = {"cross_entropy": cross_entropy, "stablemax": stablemax}


class Objective(nn.Module):
    """The mean loss of a batch, as one module that DDP and the compiler can wrap."""

    def __init__(
        self, model: PlainTransformer, sample_loss: SampleLoss, precision: Precision
    ) -> None:
        super().__init__()
        self.model = model
        self.sample_loss = sample_loss
        self.precision: Precision = precision

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        predict_at: Int[Tensor, " predictions"],
        answer: Int[Tensor, " predictions"],
        of_row: Int[Tensor, " predictions"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean loss of the batch's predictions, in nats."""
        batch = Batch(tokens, predict_at, answer, of_row)
        if of_row is None or self._shares_prefixes(tokens):
            return self._losses(batch).mean()
        return torch.cat([self._losses(part) for part in parts_by_length(batch)]).mean()

    def _shares_prefixes(self, tokens: Tensor) -> bool:
        """Whether padding costs nothing."""
        return tokens.is_cpu and not (self.model.training and self.model.cfg.dropout > 0)

    def _losses(self, batch: Batch) -> Float[Tensor, " predictions"]:
        logits = fast_logits(
            self.model,
            batch.tokens,
            batch.predict_at,
            precision=self.precision,
            of_row=batch.of_row,
        )
        return self.sample_loss(logits, batch.answer)


class TrainingStep:
    """Updates the weights of a model, batch by batch."""

    def __init__(
        self,
        model: PlainTransformer,
        training: TrainingSection,
        precision: Precision,
        group: Group,
        ragged: bool = False,
    ) -> None:
        """Set up the optimizer; batches of texts are `ragged`: their shapes differ."""
        on_gpu = group.device.type == "cuda"
        self.optimizer = Optimizer(model.named_parameters(), training, capturable=on_gpu)
        self._plain = Objective(model, LOSSES[training.loss], precision)
        compiles = on_gpu and has_triton() and not ragged  # with Triton; anew for every shape
        inner = torch.compile(self._plain, dynamic=False) if compiles else self._plain
        self._objective = group.wrap(cast(nn.Module, inner))
        # a graph would freeze Muon's learning rate, which is a plain number, at its captured value
        graphs = on_gpu and group.world == 1 and training.optimizer == "adamw" and not ragged
        self._do = CudaGraph(self._compute, self.optimizer.zero_grad) if graphs else self._compute

    def __call__(self, batch: Batch) -> Float[Tensor, ""]:
        """Do a step; returns the mean loss before it, which the next step may overwrite."""
        return self._do(batch)

    def attempt(self, batch: Batch) -> None:
        """Run forward and backward in this process alone, to see whether a batch fits."""
        self.optimizer.zero_grad()
        loss: Tensor = self._plain(*batch)
        loss.backward()
        self.optimizer.zero_grad()

    def _compute(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad()
        loss: Tensor = self._objective(*batch)
        loss.backward()
        self.optimizer.step()
        return loss.detach()
