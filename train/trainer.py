"""A run between two steps, with little Python per step and no wait for the device."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.cpu.compiled_ops import CompiledOps, ops_for
from circuits.model.hook_free import DTYPES, Precision
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe, TrainingSection
from circuits.text.corpus import TextCorpus
from train.batches import Batch, Batches
from train.distributed import Group
from train.step import LOSSES, TrainingStep
from train.text_batches import TextBatches

CHECK_EVERY = 25
"""Steps between checks that the losses are finite; each check waits for the device."""


class Trainer:
    """Model, data order and optimizer of a run between two steps."""

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        model: PlainTransformer,
        precision: Precision | None,
        group: Group,
        text: TextCorpus | None = None,
    ) -> None:
        """Set up data order and optimizer; the precision is the recipe's if None is given."""
        self.training = recipe.training
        self.model = model.to(group.device).train()
        self.group = group
        self._seed = recipe.seed + group.rank
        self.sample_loss = LOSSES[recipe.training.loss]
        wanted = recipe.training.precision
        self.precision: Precision = precision or resolve_precision(wanted, group.device)
        self.batches = _batches(recipe, corpus, text, group)
        self._step = TrainingStep(
            model, recipe.training, self.precision, group, ragged=text is not None
        )
        self.optimizer = self._step.optimizer
        self._losses = torch.zeros(recipe.evaluation.every, device=group.device)
        self._count = 0
        self.step = 0
        """Number of optimizer steps done."""

    def advance(self) -> None:
        """Do one optimizer step."""
        self.begin_step()
        self.keep_loss(self._step(self.batches.next()))

    def begin_step(self) -> None:
        """Count the next step and set its learning rate; whoever calls this does the step."""
        self.step += 1
        self.optimizer.set_learning_rate(learning_rate(self.training, self.step))

    def keep_loss(self, loss: Float[Tensor, ""]) -> None:
        """Take the mean loss of the step that was done."""
        self._losses[self._count].copy_(loss)
        self._count += 1

    def attempt(self, size: int | None = None) -> None:
        """Run forward and backward on the first `size` training examples, and change nothing.

        Shows whether they fit into memory, or how long it takes; None: as many as in a step.
        """
        self._step.attempt(self.batches.first(size or self.training.batch_size))

    def check_finite(self) -> None:
        """Raise if a loss since the last evaluation is not finite; waits for the device.

        Every process must call this: one that stopped alone would leave the others waiting.
        """
        self._finite_losses()

    def _finite_losses(self) -> Tensor:
        seen = self.group.mean(self._losses[: self._count])
        bad = (~seen.isfinite()).nonzero()
        if len(bad):
            row = int(bad[0, 0])
            raise NonFiniteLoss(self.step - self._count + 1 + row, float(seen[row]), self.training)
        return seen

    def take_mean_loss(self) -> float | None:
        """Mean loss of the steps since the last call, all finite; None if there were none."""
        if not self._count:
            return None
        seen = self._finite_losses()
        self._count = 0
        return float(seen.double().mean())

    def forget_losses(self) -> None:
        """Take back the losses since the last evaluation, so that more steps can be tried."""
        self._count = 0

    def share_losses(self) -> None:
        """Replace losses by their mean over processes, for `state`; every process must call it."""
        seen = self._losses[: self._count]
        seen.copy_(self.group.mean(seen))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the coming steps depend on: tensors, and JSON values."""
        tensors = {f"model/{n}": w for n, w in self.model.state_dict().items()}
        tensors |= {f"optimizer/{n}": t for n, t in self.optimizer.state().items()}
        tensors |= {f"batches/{n}": t for n, t in self.batches.state().items()}
        tensors["losses"] = self._losses
        tensors["random/cpu"] = torch.get_rng_state()  # dropout draws from these two
        if self.group.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.group.device)
        return tensors, {"step": self.step, "losses_count": self._count}

    def circumstances(self) -> dict[str, Any]:
        """What rounding depends on besides the recipe, as kept in the manifest."""
        device = self.group.device
        return {
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "device": device.type,
            "precision": self.precision,
            "kernels": kernels_in_use(self.model.cfg, self.precision, device),
            "threads": torch.get_num_threads(),
            "processes": self.group.world,
        }

    def load_state(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "batches": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        self.optimizer.load_state(parts["optimizer"])
        self.batches.load_state(parts["batches"])
        self._losses.copy_(tensors["losses"])
        self.step, self._count = numbers["step"], numbers["losses_count"]
        if not self.group.is_first:  # with the first process's state it would draw the same masks
            torch.manual_seed(self._seed + self.step)
            return
        torch.set_rng_state(tensors["random/cpu"])
        if self.group.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.group.device)


def _batches(recipe: Recipe, corpus: Corpus, text: TextCorpus | None, group: Group) -> Batches:
    """The training data, on the device and in random order."""
    size, seed, shares = recipe.training.batch_size, recipe.seed, (group.rank, group.world)
    if text is not None:
        return TextBatches(
            text.training_texts(),
            size,
            seed,
            device=group.device,
            rank=shares[0],
            world=shares[1],
        )
    data = corpus.training_set()
    columns = (c.to(group.device) for c in (data.tokens, data.predict_at, data.answer))
    return Batches(Batch(*columns), size, seed, rank=shares[0], world=shares[1])


class NonFiniteLoss(HopscopeError):
    """The loss became infinite or NaN."""

    def __init__(self, step: int, loss: float, training: Any) -> None:
        self.step = step
        remedies = [f"lower training.lr (now {training.lr:g})"]
        remedies.append(f"raise training.warmup (now {training.warmup})")
        if training.grokfast:
            remedies.append("switch training.grokfast off")
        if training.precision != "fp32":
            remedies.append('set training.precision = "fp32"')
        super().__init__(f"the loss became {loss} at step {step}; {', or '.join(remedies)}.")


def learning_rate(training: TrainingSection, step: int) -> float:
    """Learning rate of optimizer step `step`, counted from 1.

    The warm-up rises linearly and reaches `lr` at step `warmup`. The cosine and linear schedules
    then fall to 0, which they would reach one step after the last, so that the last step still
    changes the weights. Over the last `cooldown` steps every schedule is also multiplied by a
    factor that falls linearly in the same way.
    """
    left = (training.steps + 1 - step) / training.cooldown if training.cooldown else 1.0
    return _scheduled(training, step) * min(1.0, left)


def _scheduled(training: TrainingSection, step: int) -> float:
    if step <= training.warmup:
        return training.lr * step / training.warmup
    if training.schedule == "constant":
        return training.lr
    rest = (step - training.warmup) / max(1, training.steps + 1 - training.warmup)
    if training.schedule == "cosine":
        return training.lr * 0.5 * (1 + math.cos(math.pi * rest))
    return training.lr * (1 - rest)


def resolve_precision(wanted: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """`auto` means bf16 if the device has instructions for it, and fp32 otherwise."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def kernels_in_use(
    cfg: ModelConfig, precision: Precision, device: torch.device
) -> Literal["compiled", "pytorch"]:
    """What computes everything but the matrix products of a step; the two round differently."""
    by_hand = device.type == "cpu" and cfg.dropout == 0
    compiled = by_hand and isinstance(ops_for(cfg, DTYPES[precision]), CompiledOps)
    return "compiled" if compiled else "pytorch"
