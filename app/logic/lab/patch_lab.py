"""What the patching lab computes: before and after, the grid, a batch, and a script to repeat
it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.logic.lab.metrics import METRICS
from app.logic.question_book import QuestionBook
from circuits.model.protocol import Model
from circuits.patching import HEAD_COMPONENTS, Component, Patch, patch_grid, run_patched
from circuits.patching.engines import last_logits
from circuits.statistics import wilson

Cell = tuple[int, int]
"""(layer, position)."""

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """What is written into the receiver's run."""

    component: Component
    cells: tuple[Cell, ...]
    heads: tuple[int, ...] | None
    source: str

    def patches(self) -> list[Patch]:
        """One patch per layer, with that layer's positions."""
        rows: dict[int, list[int]] = defaultdict(list)
        for layer, position in sorted(self.cells):
            rows[layer].append(position)
        heads = self.heads if self.component in HEAD_COMPONENTS else None
        return [
            Patch(self.component, (layer,), tuple(positions), heads, self.source)  # type: ignore[arg-type]
            for layer, positions in rows.items()
        ]


@dataclass(frozen=True)
class Outcome:
    """Probabilities of all tokens at the last position."""

    before: Float[Tensor, " d_vocab"]
    after: Float[Tensor, " d_vocab"]


def outcome(model: Model, receiver: Tokens, donor: Tokens, operation: Operation) -> Outcome:
    """The receiver's answer without and with the operation."""
    tokens, source = torch.tensor([receiver]), torch.tensor([donor])
    with torch.no_grad():
        before = last_logits(model, tokens)[0].softmax(-1)
    if not operation.cells:
        return Outcome(before, before)
    after = run_patched(model, tokens, operation.patches(), source)[0].softmax(-1)
    return Outcome(before, after)


@dataclass(frozen=True)
class DonorLens:
    """What the logit lens reads in each of a donor's states: the first name, its probability."""

    token: Int[np.ndarray, "layer position"]
    share: Float[np.ndarray, "layer position"]


def donor_lens(model: Model, donor: Tokens) -> DonorLens:
    """The logit lens on the states before each block."""
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(model.depth)]
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([donor]), names_filter=names.__contains__)
        states = torch.stack([cache[name][0] for name in names])
        best = model.logits_of(states).softmax(-1).max(-1)
    return DonorLens(best.indices.numpy(), best.values.numpy())


def grid(
    model: Model,
    receiver: Tokens,
    donor: Tokens,
    operation: Operation,
    target: int,
    own: int | None = None,
    metric: str = "p_swapped",
) -> Float[np.ndarray, "layer position"]:
    """A measure with the donor's activation written into one cell at a time.

    With chosen heads, the mean over their single-head patches.

    Args:
        model: The model.
        receiver: The question.
        donor: Whose activations are written.
        operation: Component and heads; its cells do not matter.
        target: The answer that the swapped bridge gives.
        own: The question's own answer; None: what the model answers without a patch.
        metric: One of `lab_metrics.METRICS`.
    """
    with torch.no_grad():
        before = last_logits(model, torch.tensor([receiver]))[0]
    own = int(before.argmax()) if own is None else own
    heads = operation.heads if operation.component in HEAD_COMPONENTS else None
    with torch.no_grad():
        cells = patch_grid(
            model,
            torch.tensor([donor]),
            torch.tensor([receiver]),
            operation.component,
            METRICS[metric].of(before, target, own),
            heads=heads or None,
        )
    return (cells.mean("head") if "head" in cells.dims else cells).values


@dataclass(frozen=True)
class BatchOutcome:
    """Shares over a split, with 95% Wilson intervals."""

    n: int
    changed: tuple[float, float, float]
    """Top answer differs from the one before: share, low, high."""
    n_swappable: int
    swapped: tuple[float, float, float] | None
    """Top answer is the one that the question's relations give for the donor's bridge."""


def batch(
    model: Model,
    book: QuestionBook,
    split: str,
    operation: Operation,
    n: int,
    seed: int,
) -> BatchOutcome:
    """The operation on `n` questions of a split, each with another question as its donor."""
    queries = book.corpus.queries(split)
    order = np.random.default_rng(seed).permutation(len(queries))[:n]
    receivers = queries.take(order)
    donors = queries.take(np.roll(order, 1))
    with torch.no_grad():
        before = last_logits(model, receivers.tokens).argmax(-1)
    after = run_patched(model, receivers, operation.patches(), donors).argmax(-1)
    wanted = _swapped_answers(book, receivers.token_ids.tolist(), donors.token_ids.tolist())
    answers = receivers.answer.tolist()
    usable = [w is not None and w != a for w, a in zip(wanted, answers, strict=True)]
    hits = [a == w for a, w, use in zip(after.tolist(), wanted, usable, strict=True) if use]
    return BatchOutcome(
        n=len(order),
        changed=_share(int((before != after).sum()), len(order)),
        n_swappable=len(hits),
        swapped=_share(sum(hits), len(hits)) if hits else None,
    )


def _swapped_answers(
    book: QuestionBook, receivers: Sequence[Sequence[int]], donors: Sequence[Sequence[int]]
) -> list[int | None]:
    return [
        book.swapped_answer(book.asked(receiver), book.asked(donor))
        for receiver, donor in zip(receivers, donors, strict=True)
    ]


def _share(successes: int, n: int) -> tuple[float, float, float]:
    low, high = wilson(np.array(successes), np.array(n))
    return successes / n, float(low), float(high)


def script(
    run_path: Path,
    step: int,
    receiver: Tokens,
    donor: Tokens,
    operation: Operation,
    target: int,
    name: str,
) -> str:
    """A Python script that prints the probability of `target` after the operation."""
    patches = "".join(f"    Patch.from_json('{p.to_json()}'),\n" for p in operation.patches())
    return f"""import torch

from circuits import Patch, open_run, run_patched

run = open_run({str(run_path)!r})
model = run.model(step={step})
receiver = torch.tensor([{list(receiver)}])  # {_spoken(name)}
donor = torch.tensor([{list(donor)}])
patches = [
{patches}]
logits = run_patched(model, receiver, patches, donor)
print(run.vocab.name({target}), float(logits[0].softmax(-1)[{target}]))
"""


def _spoken(text: str) -> str:
    """The name on one line, safe inside a comment."""
    return " ".join(text.split())
