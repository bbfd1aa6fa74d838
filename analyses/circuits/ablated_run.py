"""A run in which only some edges of the model carry what the question says.

Every component is computed in order from an input of its own: the ablated residual stream plus, for
each kept edge, what its sender writes in this run minus what it writes in the ablated one. With all
edges kept that is the clean run; with none, the ablated one. (The circuit's edges kept: the model
*restricted* to it; all others kept: the circuit *excluded*; Nanda et al., arXiv 2301.05217,
section 5.1, for edges as in Conmy et al., arXiv 2304.14997.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analyses.circuits.nodes_and_edges import Edge, Node
from analyses.circuits.path_engine import PathPatcher, written
from analyses.questions.corruptions import hashed
from analyses.questions.examples import Examples
from circuits.corpus.queries import Queries
from circuits.patching.engine import PatchEngine, Trace
from circuits.patching.short_attention import attend

Ablation = Literal["mean", "interchange"]
ABLATIONS: tuple[Ablation, ...] = get_args(Ablation)
Variant = Literal["restricted", "excluded"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

Ablate = Callable[[Tensor], Tensor]
"""From what stands in the clean run, [k, n, ...], to what stands there instead."""


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
    """Predictions with these edges kept, by both kinds of ablation."""
    answer = examples.queries.answer.to(engine.device)
    donors = examples.once(("circuit donors", seed), lambda: draw_donors(examples.queries, seed))
    ablate = {"mean": over_questions, "interchange": of_others(donors)}
    kept = {"restricted": set(restricted), "excluded": set(excluded)}
    logits = torch.stack(
        [
            torch.stack([kept_logits(engine, clean, ablate[a], edges, kept[v]) for v in VARIANTS])
            for a in ABLATIONS
        ]
    )
    right, loss = _judged(logits, answer)
    full_right, full_loss = _judged(engine.logits(clean.resid[-1][:, -1]), answer)
    return AblatedRuns(
        right.permute(2, 0, 1).cpu().numpy(), loss.permute(2, 0, 1).cpu().numpy(),
        full_right.cpu().numpy(), full_loss.cpu().numpy(),
    )  # fmt: skip


@torch.no_grad()
def kept_logits(
    engine: PatchEngine, clean: Trace, ablate: Ablate, edges: Sequence[Edge], kept: set[Edge]
) -> Float[Tensor, "n d_vocab"]:
    """Logits at the last position when only the edges in `kept` carry the clean run.

    A component none of whose inputs is kept writes what it writes in the ablated run: its clean
    outputs, ablated. (Heads do not write what attention with ablated queries, keys and values
    would: these would not add up to the ablated residual stream.)
    """
    outputs = PathPatcher(engine, clean, ())
    resid, mid = ablate(clean.resid), ablate(clean.mid)
    incoming: dict[Node, list[Node]] = {}
    change: dict[Node, Tensor] = {}
    for edge in edges:
        assert edge.part is None, "circuits are made of whole edges"
        told = incoming.setdefault(edge.receiver, [])
        if edge in kept:
            told.append(edge.sender)
        if edge.sender.kind == "embed" and edge.sender not in change:
            own = written(clean, edge.sender)
            change[edge.sender] = own - ablate(own[None])[0]
    for receiver in sorted(incoming, key=lambda node: node.order):
        told = [sender for sender in incoming[receiver] if sender in change]
        if receiver.kind == "output":
            return engine.logits(sum((change[s] for s in told), start=resid[-1][:, -1]))
        if told:
            new = _computed(engine, resid, mid, receiver, told, change)
            change[receiver] = new - ablate(outputs.sent(receiver, -1)[None])[0]
    raise AssertionError("no edge leads to the output")


def _computed(
    engine: PatchEngine,
    resid: Float[Tensor, "layer n pos d_model"],
    mid: Float[Tensor, "layer n pos d_model"],
    receiver: Node,
    told: list[Node],
    change: dict[Node, Tensor],
) -> Float[Tensor, "n d_model"]:
    i, p = receiver.layer, receiver.position
    if receiver.kind == "mlp":
        return engine.mlp_output(i, sum((change[s] for s in told), start=mid[i][:, p]))
    x = resid[i][:, : p + 1].clone()
    for sender in told:
        x[:, sender.position] += change[sender]
    q, k, v = engine.qkv(i, x)
    z = attend(q[:, -1:], k.unbind(1), v.unbind(1))
    if receiver.head is None:
        return engine.attention_output(i, z)[:, 0]
    return z[:, 0, receiver.head] @ engine.head_output(i)[receiver.head]


def over_questions(values: Float[Tensor, "k n *rest"]) -> Float[Tensor, "k n *rest"]:
    """Mean ablation: every value replaced by its mean over the questions."""
    return values.mean(1, keepdim=True).expand_as(values)


def of_others(donors: Int[np.ndarray, " n"]) -> Ablate:
    """Interchange ablation: every value replaced by that of the donor."""
    return lambda values: values[:, torch.from_numpy(donors).to(values.device)]


def draw_donors(queries: Queries, seed: int) -> Int[np.ndarray, " n"]:
    """Another of these questions for each: with none of its tokens, and another answer and bridge.

    Where there is no such question, the one that shares least.
    """
    table = np.column_stack([queries.token_ids, queries.bridge_ids, queries.answer_ids])
    shared = (table[:, None] == table[None]).sum(-1)
    rows = np.arange(len(table))
    shared[rows, rows] = table.shape[1] + 1
    question = hashed(seed, 7, *queries.token_ids.T)
    priority = hashed(question[:, None], question[None])
    least = shared == shared.min(1, keepdims=True)
    return np.where(least, priority, np.iinfo(np.uint64).max).argmin(1)


def _judged(
    logits: Float[Tensor, "*shape n d_vocab"], answer: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "*shape n"], Float[Tensor, "*shape n"]]:
    target = answer.expand(logits.shape[:-1])
    loss = logits.logsumexp(-1) - logits.gather(-1, target[..., None])[..., 0]
    return (logits.argmax(-1) == target).float(), loss
