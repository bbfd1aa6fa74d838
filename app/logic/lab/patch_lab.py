"""What the patching lab computes: before and after, the grid, a batch, and a script to repeat
it.

In a run on text a position is a role. Before and after are whole names; all else is judged by the
first token of a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.logic.lab.metrics import METRICS
from app.logic.model_tokens import ModelTokens
from app.logic.question_book import QuestionBook
from circuits.corpus.queries import Queries
from circuits.model.protocol import Model
from circuits.patching import HEAD_COMPONENTS, Component, Patch, patch_grid, run_patched
from circuits.patching.engines import answer_logits, last_logits
from circuits.patching.prompts import RolePrompts
from circuits.statistics import wilson
from circuits.text.trie import NextLogits

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
    """Probabilities of all answers."""

    before: Float[Tensor, " names"]
    after: Float[Tensor, " names"]


def outcome(
    model: Model, pair: Queries, operation: Operation, tokens: ModelTokens | None = None
) -> Outcome:
    """The receiver's answer without and with the operation.

    Args:
        model: The model.
        pair: The receiver and the donor.
        operation: What is written.
        tokens: Of a run on text, whose answers are whole names; None: every name is a token.
    """
    patches = operation.patches()
    receiver, donor = pair[:1], pair[1:]
    with torch.no_grad():
        if tokens is not None:
            before = tokens.whole_names(partial(last_logits, model), receiver)
            after = tokens.whole_names(_patched(model, pair, patches), receiver)
            return Outcome(before, after if patches else before)
        before = answer_logits(model, receiver)[0].softmax(-1)
        if not patches:
            return Outcome(before, before)
        return Outcome(before, run_patched(model, receiver, patches, donor)[0].softmax(-1))


def _patched(model: Model, pair: Queries, patches: Sequence[Patch]) -> NextLogits:
    """The patched model on the receiver with the beginning of a name after it."""
    ours, theirs = torch.from_numpy(pair.role_columns.astype(np.int64))

    def logits(prompts: Tensor, at: Tensor) -> Tensor:
        n = len(at)
        columns = torch.cat([ours.expand(n, -1), at[:, None]], 1)
        given = torch.cat([theirs, theirs[-1:]]).expand(n, -1)
        source = RolePrompts(pair.tokens[1:].expand(n, -1), given)
        return run_patched(model, RolePrompts(prompts, columns), patches, source)

    return logits


@dataclass(frozen=True)
class DonorLens:
    """What the logit lens reads in each of a donor's states: the first token, its probability."""

    token: Int[np.ndarray, "layer position"]
    share: Float[np.ndarray, "layer position"]


def donor_lens(model: Model, donor: Queries) -> DonorLens:
    """The logit lens on the states before each block, at each role of one question."""
    columns = torch.from_numpy(donor.role_columns[0].astype(np.int64))
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(model.depth)]
    with torch.no_grad():
        _, cache = model.run_with_cache(donor.tokens, names_filter=names.__contains__)
        states = torch.stack([cache[name][0] for name in names])[:, columns]
        best = model.logits_of(states).softmax(-1).max(-1)
    return DonorLens(best.indices.numpy(), best.values.numpy())


def grid(
    model: Model,
    pair: Queries,
    operation: Operation,
    target: int,
    own: int | None = None,
    metric: str = "p_swapped",
) -> Float[np.ndarray, "layer position"]:
    """A measure with the donor's activation written into one cell at a time.

    With chosen heads, the mean over their single-head patches.

    Args:
        model: The model.
        pair: The receiver and the donor.
        operation: Component and heads; its cells do not matter.
        target: (First) token of the answer that the swapped bridge gives.
        own: That of the question's own answer; None: what the model answers without a patch.
        metric: One of `app.logic.lab.metrics.METRICS`.
    """
    with torch.no_grad():
        before = answer_logits(model, pair[:1])[0]
    own = int(before.argmax()) if own is None else own
    heads = operation.heads if operation.component in HEAD_COMPONENTS else None
    with torch.no_grad():
        cells = patch_grid(
            model,
            pair[1:],
            pair[:1],
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
        before = answer_logits(model, receivers).argmax(-1)
    after = run_patched(model, receivers, operation.patches(), donors).argmax(-1)
    wanted = _swapped_answers(book, receivers.asked_ids.tolist(), donors.asked_ids.tolist())
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
    """(First) tokens of the answers that the donors' bridges give."""
    names = (
        book.swapped_answer(book.asked(receiver), book.asked(donor))
        for receiver, donor in zip(receivers, donors, strict=True)
    )
    return [None if name is None else book.first_token(name) for name in names]


def _share(successes: int, n: int) -> tuple[float, float, float]:
    low, high = wilson(np.array(successes), np.array(n))
    return successes / n, float(low), float(high)


def prompt_code(book: QuestionBook, receiver: Tokens, donor: Tokens) -> str:
    """Python lines that make `receiver` and `donor` of a `run`."""
    if book.text_tokens is None:
        return (
            f"receiver, donor = torch.tensor([{list(receiver)}]), torch.tensor([{list(donor)}])\n"
        )
    split, row = book.wording_of(receiver)
    return f"""like = run.queries({split!r})[{row}:{row + 1}]  # worded as this question
receiver = like.asking(np.array([{list(receiver)}]))
donor = like.asking(np.array([{list(donor)}]))
"""


def script(
    run_path: Path,
    step: int,
    book: QuestionBook,
    receiver: Tokens,
    donor: Tokens,
    operation: Operation,
    target: int,
) -> str:
    """A Python script that prints the probability of `target` after the operation.

    In a run on text it is that of the target's first token.
    """
    patches = "".join(f"    Patch.from_json('{p.to_json()}'),\n" for p in operation.patches())
    text = book.text_tokens is not None
    return f"""import {"numpy as np" if text else "torch"}

from circuits import Patch, open_run, run_patched

run = open_run({str(run_path)!r})
model = run.model(step={step})
# {_spoken(book.text(receiver))}
{prompt_code(book, receiver, donor)}patches = [
{patches}]
logits = run_patched(model, receiver, patches, donor)
print({book.begun(target)!r}, float(logits[0].softmax(-1)[{book.first_token(target)}]))
"""


def _spoken(text: str) -> str:
    """The name on one line, safe inside a comment."""
    return " ".join(text.split())
