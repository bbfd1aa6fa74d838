"""What an evaluation measures: every split, on the same queries each time, weights and gradients.

What is evaluated is the model that a checkpoint of this step gives back: weights rounded as they
are on disk, computed in single precision. So `metrics.jsonl` says what `Run.model` will do, also
where training computes in bf16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.corpus.corpus import Corpus
from circuits.corpus.names import TRAIN
from circuits.model.config import ModelConfig
from circuits.model.hook_free import fast_logits
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe
from circuits.runs.checkpoints import STORED
from train.batches import Batch
from train.step import SampleLoss

CHUNK = 8192
"""Queries per forward pass; small enough for the memory of any device."""


class Evaluator:
    """Queries of all splits in one right-padded table, because one large batch is fastest."""

    def __init__(
        self, recipe: Recipe, corpus: Corpus, cfg: ModelConfig, device: torch.device
    ) -> None:
        """Choose the queries.

        Args:
            recipe: Recipe with the number of queries per split, the seed of the choice if a split
                has more, and the dtype of checkpoints.
            corpus: Corpus whose splits are evaluated; empty ones are left out.
            cfg: Config of the models to evaluate.
            device: Device on which the queries and a copy of the weights are kept.
        """
        self._stored = PlainTransformer(cfg).to(device).eval()
        self._dtype = STORED[recipe.checkpoints.dtype]
        self.splits = [name for name, queries in corpus.splits.items() if len(queries)]
        width = max(corpus.splits[name].token_ids.shape[1] for name in self.splits)
        generator = torch.Generator().manual_seed(recipe.seed)
        parts: list[Batch] = []
        self._bridges: dict[str, Tensor] = {}
        for name in self.splits:
            queries = corpus.splits[name]
            chosen = (
                torch.randperm(len(queries), generator=generator)[: recipe.evaluation.items]
                .sort()
                .values
            )
            tokens = queries.tokens[chosen]
            missing = width - tokens.shape[1]
            last = torch.full((len(chosen),), tokens.shape[1] - 1)
            padded = torch.nn.functional.pad(tokens, (0, missing))
            parts.append(Batch(padded, last, queries.answer[chosen]))
            if queries.kind == "composition":
                bridge = queries.bridge[chosen]
                self._bridges[name] = torch.unique(bridge, return_inverse=True)[1]
        self.counts = [len(part.answer) for part in parts]
        self.data = Batch(
            *(torch.cat(c).to(device) for c in zip(*(p[:3] for p in parts), strict=True))
        )

    @torch.no_grad()
    def __call__(self, model: PlainTransformer, sample_loss: SampleLoss) -> dict[str, float]:
        """Loss in nats and accuracy of every split, and the share of zero losses.

        Keys: "loss/<split>", "accuracy/<split>", for compositions "macro_accuracy/<split>" (the
        mean over bridges of the accuracy on each one's questions, which a few frequent bridges
        cannot carry), and "zero_loss_share" of the trained questions.
        """
        weights = model.state_dict()
        for name, stored in self._stored.state_dict().items():
            stored.copy_(weights[name].to(self._dtype))
        losses: list[Tensor] = []
        correct: list[Tensor] = []
        for chunk in zip(*(column.split(CHUNK) for column in self.data[:3]), strict=True):
            tokens, predict_at, answer = chunk
            logits = fast_logits(self._stored, tokens, predict_at)
            losses.append(sample_loss(logits, answer))
            correct.append(logits.argmax(-1) == answer)
        row: dict[str, float] = {}
        split_losses = torch.cat(losses).cpu().split(self.counts)
        split_correct = torch.cat(correct).cpu().split(self.counts)
        for name, loss, right in zip(self.splits, split_losses, split_correct, strict=True):
            row[f"loss/{name}"] = float(loss.double().mean())
            row[f"accuracy/{name}"] = float(right.double().mean())
            if name in self._bridges:
                row[f"macro_accuracy/{name}"] = macro_average(right, self._bridges[name])
            if name == TRAIN:
                row["zero_loss_share"] = zero_loss_share(loss)
        return row


def macro_average(right: Bool[Tensor, " n"], group: Int[Tensor, " n"]) -> float:
    """Mean over groups 0, 1, ... of the share of right answers within each.

    >>> macro_average(torch.tensor([True, True, True, False]), torch.tensor([0, 0, 0, 1]))
    0.5
    """
    return float((torch.bincount(group, right.double()) / torch.bincount(group)).mean())


def zero_loss_share(losses: Float[Tensor, " n"]) -> float:
    """Share of samples whose loss is exactly 0, which then give no gradient.

    Softmax collapse, Prieto et al., arXiv 2501.04697, section 3.
    """
    return float((losses == 0).float().mean())


def component_of(parameter: str) -> str:
    """Component that a parameter belongs to: embed, attn, mlp, unembed or norm."""
    for part, component in (
        ("unembed.", "unembed"),
        ("embed.", "embed"),
        (".attn.", "attn"),
        (".mlp.", "mlp"),
    ):
        if part in parameter:
            return component
    return "norm"


def weight_norms(parameters: Mapping[str, Tensor]) -> dict[str, float]:
    """L2 norm of all weights ("norm/weights") and of those of each component."""
    squares: dict[str, Tensor] = {}
    for name, weight in parameters.items():
        square = weight.detach().float().square().sum()
        component = component_of(name)
        squares[component] = squares.get(component, torch.zeros_like(square)) + square
    sums = zip(squares, torch.stack(list(squares.values())).tolist(), strict=True)
    norms = {f"norm/{c}": s**0.5 for c, s in sorted(sums)}
    return {"norm/weights": sum(n**2 for n in norms.values()) ** 0.5, **norms}


def gradient_weight_cosine(parameters: Sequence[Tensor]) -> float | None:
    """Cosine between minus the gradient and the weights, over all parameters that have both.

    Positive: the step enlarges the weights along themselves (naive loss minimization, arXiv
    2501.04697, section 4). None before the first step or when either vanishes.
    """
    pairs = [(p.detach().float(), p.grad.float()) for p in parameters if p.grad is not None]
    if not pairs:
        return None
    sums = [torch.stack([(w * g).sum(), w.square().sum(), g.square().sum()]) for w, g in pairs]
    inner, *sizes = map(sum, zip(*torch.stack(sums).tolist(), strict=True))  # one wait for a GPU
    norm = (sizes[0] * sizes[1]) ** 0.5
    return -inner / norm if norm > 0 else None
