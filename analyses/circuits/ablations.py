"""The model with only some edges, and without them, on the questions of a split.

Everything else is ablated (`circuits.circuit.ablated_run`) to its mean over the questions, or to
what stands in another question with none of its tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analyses.estimates import Variables, coarse, with_interval
from analyses.questions.corruptions import hashed
from analyses.questions.examples import Examples
from circuits.circuit.ablated_run import ABLATIONS, VARIANTS, AblatedRun, kept_logits
from circuits.circuit.nodes_and_edges import Edge
from circuits.corpus.queries import Queries
from circuits.patching.engine import PatchEngine, Trace


@dataclass(frozen=True)
class AblatedRuns:
    """Predictions of the model with only the circuit, and without it."""

    right: Float[np.ndarray, "n ablation variant"]
    """1 where the top token is the answer."""
    loss: Float[np.ndarray, "n ablation variant"]
    """Cross-entropy of the answer, nats."""
    full_right: Float[np.ndarray, " n"]
    full_loss: Float[np.ndarray, " n"]


@torch.no_grad()
def ablated_runs(
    engine: PatchEngine,
    examples: Examples,
    clean: Trace,
    edges: Sequence[Edge],
    restricted: Collection[Edge],
    excluded: Collection[Edge],
    seed: int,
) -> AblatedRuns:
    """Predictions with these edges kept, by both kinds of ablation.

    Args:
        engine: Of the model.
        examples: The questions, and where their donors are kept.
        clean: Their run.
        edges: All candidates.
        restricted: Edges kept in the restricted model.
        excluded: Edges kept in the model without the circuit.
        seed: Of the draw of donors.
    """
    answer = examples.queries.answer.to(engine.device)
    donors = examples.once(("circuit donors", seed), lambda: draw_donors(examples.queries, seed))
    reference = {
        "mean": clean,
        "interchange": clean.rows(torch.from_numpy(donors).to(engine.device)),
    }
    kept = {"restricted": restricted, "excluded": excluded}
    logits = []
    for ablation in ABLATIONS:
        ablated = AblatedRun(engine, reference[ablation], ablation, clean.n)
        runs = [kept_logits(engine, clean, ablated, edges, kept[v]) for v in VARIANTS]
        logits.append(torch.stack(runs))
    right, loss = _judged(torch.stack(logits), answer)
    full_right, full_loss = _judged(engine.logits(clean.resid[-1][:, -1]), answer)
    return AblatedRuns(
        right.permute(2, 0, 1).cpu().numpy(), loss.permute(2, 0, 1).cpu().numpy(),
        full_right.cpu().numpy(), full_loss.cpu().numpy(),
    )  # fmt: skip


def ablation_variables(runs: AblatedRuns) -> Variables:
    """Accuracy and loss of the ablated models and of the whole one."""
    dims = ("ablation", "variant")
    right = {"long_name": "share of right answers", "units": "share"}
    loss = {"long_name": "cross-entropy of the answer", "units": "nats"}
    single = "cross-entropy of single questions, rounded to at most half their standard deviation"
    return {
        **with_interval("accuracy", dims, runs.right, right, shares=True),
        **with_interval("loss", dims, runs.loss, loss),
        **with_interval("full_accuracy", (), runs.full_right, right, shares=True),
        **with_interval("full_loss", (), runs.full_loss, loss),
        "right_example": (
            ("example", *dims),
            runs.right.astype(np.int8),
            {"long_name": "1: answered rightly with the ablated model"},
        ),
        "full_right_example": (
            ("example",),
            runs.full_right.astype(np.int8),
            {"long_name": "1: answered rightly with the whole model"},
        ),
        "loss_example": (("example", *dims), coarse(runs.loss), {**loss, "long_name": single}),
        "full_loss_example": (("example",), coarse(runs.full_loss), {**loss, "long_name": single}),
    }


def draw_donors(queries: Queries, seed: int) -> Int[np.ndarray, " n"]:
    """Another of these questions for each: with none of its tokens, and another answer and bridge.

    Where there is no such question, the one that shares least.
    """
    table = np.column_stack([queries.asked_ids, queries.bridge_ids, queries.answer_ids])
    shared = (table[:, None] == table[None]).sum(-1)
    rows = np.arange(len(table))
    shared[rows, rows] = table.shape[1] + 1
    question = hashed(seed, 7, *queries.asked_ids.T)
    priority = hashed(question[:, None], question[None])
    least = shared == shared.min(1, keepdims=True)
    return np.where(least, priority, np.iinfo(np.uint64).max).argmin(1)


def other_answers(answer: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """An order of the questions in which each stands in the place of one with another answer.

    That has the mean of the questions themselves. There is such an order unless more than half of
    them have one answer; then some of those are in places of their own answer.

    >>> other_answers(np.array([5, 5, 7, 8])).tolist()
    [2, 3, 0, 1]
    """
    order = np.argsort(answer, kind="stable")
    partner = np.empty_like(order)
    partner[order] = np.roll(order, -int(np.unique(answer, return_counts=True)[1].max()))
    return partner


def _judged(
    logits: Float[Tensor, "*shape n d_vocab"], answer: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "*shape n"], Float[Tensor, "*shape n"]]:
    target = answer.expand(logits.shape[:-1])
    loss = logits.logsumexp(-1) - logits.gather(-1, target[..., None])[..., 0]
    return (logits.argmax(-1) == target).float(), loss
