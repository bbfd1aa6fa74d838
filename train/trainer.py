"""The optimizer steps themselves: as little Python per step as can be, no host synchronization.

On a GPU the whole step (forward, backward, gradient filters, optimizer) is captured into one CUDA
graph after a few ordinary steps and replayed.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from circuits.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.fast_path import Precision
from circuits.model import HookedTransformer
from circuits.recipe import Recipe
from train.batches import Batch, Batches
from train.distributed import Group
from train.learning_rates import learning_rate
from train.losses import LOSSES, SampleLoss
from train.optimizers import Optimizer

EAGER_STEPS = 3
"""Ordinary steps before a CUDA graph is captured, so that all buffers exist."""

CHECK_EVERY = 25
"""Steps between looks at whether the losses are finite; each look waits for the device."""


class Objective(nn.Module):
    """The mean loss of a batch, as one module: what DDP and graphs wrap."""

    def __init__(
        self, model: HookedTransformer, sample_loss: SampleLoss, precision: Precision
    ) -> None:
        super().__init__()
        self.model = model
        self.sample_loss = sample_loss
        self.precision: Precision = precision

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        predict_at: Int[Tensor, " batch"],
        answer: Int[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """Mean loss in nats."""
        logits = self.model.fast_logits(tokens, predict_at, precision=self.precision)
        return self.sample_loss(logits, answer).mean()


class Trainer:
    """Model, data order and optimizer of a run between two steps."""

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        model: HookedTransformer,
        precision: Precision,
        group: Group,
    ) -> None:
        self.training = recipe.training
        self.model = model.to(group.device).train()
        self.group = group
        self.sample_loss = LOSSES[recipe.training.loss]
        self.precision: Precision = precision
        on_gpu = group.device.type == "cuda"
        data = corpus.training_set()
        columns = (c.to(group.device) for c in (data.tokens, data.predict_at, data.answer))
        self.batches = Batches(
            Batch(*columns),
            recipe.training.batch_size,
            recipe.seed,
            rank=group.rank,
            world=group.world,
        )
        self.optimizer = Optimizer(model.named_parameters(), recipe.training, capturable=on_gpu)
        self._objective = group.wrap(Objective(model, self.sample_loss, precision))
        self._losses = torch.zeros(recipe.evaluation.every, device=group.device)
        self._count = 0
        # Muon's learning rate is a number that a graph would keep as it was when captured
        graphs = on_gpu and group.world == 1 and recipe.training.optimizer == "adamw"
        self._eager_left = EAGER_STEPS if graphs else -1
        self._graph: Any = None
        self.step = 0
        """Optimizer steps done."""

    def advance(self) -> None:
        """One optimizer step."""
        self.step += 1
        self.optimizer.set_learning_rate(learning_rate(self.training, self.step))
        batch = self.batches.next()
        loss = self._compute(batch) if self._eager_left < 0 else self._compute_graphed(batch)
        self._losses[self._count].copy_(loss.detach())
        self._count += 1

    def _compute(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad()
        loss: Tensor = self._objective(*batch)
        loss.backward()
        self.optimizer.step()
        return loss

    def _compute_graphed(self, batch: Batch) -> Tensor:
        if self._eager_left:
            self._eager_left -= 1
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # as capturing demands of the steps before it
                loss = self._compute(batch)
            torch.cuda.current_stream().wait_stream(side)
            return loss
        if self._graph is None:
            self._input = Batch(*(column.clone() for column in batch))
            self._graph = torch.cuda.CUDAGraph()
            self.optimizer.zero_grad()
            with torch.cuda.graph(self._graph):
                self._output = self._compute(self._input)
        for buffer, column in zip(self._input, batch, strict=True):
            buffer.copy_(column)
        self._graph.replay()
        return self._output

    def attempt(self, size: int) -> None:
        """Forward and backward of the first `size` training examples, to see if they fit."""
        self.optimizer.zero_grad()
        loss: Tensor = self._objective(*self.batches.first(size))
        loss.backward()
        self.optimizer.zero_grad()

    def check_finite(self) -> None:
        """Raise if a loss since the last evaluation is not finite; waits for the device."""
        seen = self._losses[: self._count]
        bad = (~seen.isfinite()).nonzero()
        if len(bad):
            row = int(bad[0, 0])
            raise NonFiniteLoss(self.step - self._count + 1 + row, float(seen[row]), self.training)

    def take_mean_loss(self) -> float | None:
        """Mean loss of the steps since this was last asked; None if there were none."""
        if not self._count:
            return None
        mean = self.group.mean(self._losses[: self._count])
        self._count = 0
        return float(mean.double().mean())

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the coming steps depend on: tensors, and JSON values."""
        tensors = {f"model/{n}": w for n, w in self.model.state_dict().items()}
        tensors |= {f"optimizer/{n}": t for n, t in self.optimizer.state().items()}
        tensors |= {f"batches/{n}": t for n, t in self.batches.state().items()}
        tensors["losses"] = self._losses
        tensors["random/cpu"] = torch.get_rng_state()  # dropout draws from these two
        if self.group.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.group.device)
        return tensors, {"step": self.step, "losses_count": self._count}

    def load_state(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "batches": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        self.optimizer.load_state(parts["optimizer"])
        self.batches.load_state(parts["batches"])
        self._losses.copy_(tensors["losses"])
        torch.set_rng_state(tensors["random/cpu"])
        if self.group.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.group.device)
        self.step, self._count = numbers["step"], numbers["losses_count"]


class NonFiniteLoss(HopscopeError):
    """Training diverged."""

    def __init__(self, step: int, loss: float, training: Any) -> None:
        self.step = step
        remedies = [f"lower training.lr (now {training.lr:g})"]
        remedies.append(f"raise training.warmup (now {training.warmup})")
        if training.grokfast:
            remedies.append("switch training.grokfast off")
        if training.precision != "fp32":
            remedies.append('set training.precision = "fp32"')
        super().__init__(f"the loss became {loss} at step {step}; {', or '.join(remedies)}.")
