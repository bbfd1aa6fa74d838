"""One optimizer step of several runs: their batches in one table, their models in one pass.

The loss that is differentiated is the sum of the runs' mean losses, so that each run gets exactly
its own gradients. Each run's own optimizer then updates its rows of the stacked weights: moments,
rates and decay are those of the run alone, in the same calls of PyTorch's fused kernels.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import compress

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils._triton import has_triton

from circuits.model.stacked import stacked_logits
from train.batches import Batch
from train.cuda_graph import CudaGraph
from train.packs.stack import ModelStack
from train.trainer import Trainer


class PackedStep:
    """Does a step for all of some trainers, whose models it stacks."""

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        """Stack the models.

        Args:
            trainers: Of equal model shape, batch size, loss, precision and device.
        """
        self.trainers = list(trainers)
        first = self.trainers[0]
        on_gpu = first.group.device.type == "cuda"
        self._stack = ModelStack([trainer.model for trainer in trainers])
        self._sample_loss, self._precision = first.sample_loss, first.precision
        self._table = torch.cat([trainer.batches.table for trainer in trainers])
        lengths = [len(trainer.batches.table) for trainer in trainers]
        starts = torch.tensor([0, *lengths[:-1]]).cumsum(0)
        self._starts = starts[:, None].to(self._table.device)
        compiles = on_gpu and has_triton()
        self._objective = torch.compile(self._losses, dynamic=False) if compiles else self._losses
        plain_rates = any(trainer.training.optimizer != "adamw" for trainer in trainers)
        graphs = on_gpu and not plain_rates  # see TrainingStep
        self._do = CudaGraph(self._compute, self._stack.zero_grad) if graphs else self._compute

    def advance(self, going: Container[Trainer]) -> None:
        """Do a step of every run; those that are not `going` are computed along for nothing."""
        live = [trainer in going for trainer in self.trainers]
        for trainer in compress(self.trainers, live):
            trainer.begin_step()
        losses = self._do(self._batch(torch.stack([t.batches.draw() for t in self.trainers])))
        for trainer, loss in compress(zip(self.trainers, losses, strict=True), live):
            trainer.keep_loss(loss)

    def _batch(self, chosen: Int[Tensor, "runs batch"]) -> Batch:
        rows = self._table[chosen + self._starts]
        return Batch(rows[..., :-2], rows[..., -2], rows[..., -1])

    def _compute(self, batch: Batch) -> Tensor:
        losses = self._gradients(batch)
        for trainer in self.trainers:
            trainer.optimizer.step()
        return losses

    def _gradients(self, batch: Batch) -> Float[Tensor, " runs"]:
        self._stack.zero_grad()
        losses = self._objective(*batch[:3])
        losses.sum().backward()
        self._stack.hand_out_gradients()
        return losses.detach()

    def _losses(
        self,
        tokens: Int[Tensor, "runs batch pos"],
        predict_at: Int[Tensor, "runs batch"],
        answer: Int[Tensor, "runs batch"],
    ) -> Float[Tensor, " runs"]:
        stack = self._stack
        logits = stacked_logits(stack.weights, stack.cfg, tokens, predict_at, self._precision)
        return self._sample_loss(logits.flatten(0, 1), answer.flatten()).view(answer.shape).mean(1)
