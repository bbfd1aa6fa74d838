"""The subspace that carries the bridge, learned a second time
(`analyses.interventions.bridge_subspace`)."""

from __future__ import annotations

import numpy as np
import torch
from slow_headlines import SlowRun
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch_model import Tensors, after, block, tensors_of

from circuits.corpus.names import ID_TEST, TRAIN

RANK, STEPS, RATE, BATCH, LEARNED_FROM = 32, 150, 0.02, 128, 1000


class Swaps:
    """S[1] of questions and of their donors, and the answers that the donors' bridges lead to."""

    def __init__(self, run: SlowRun, w: Tensors, split: str, n: int) -> None:
        rows = list(run.with_donors(split, n))
        questions, donors = (torch.tensor(np.array([row[i] for row in rows])) for i in (0, 1))
        self.own, self.donor = (_after_one_block(w, tokens) for tokens in (questions, donors))
        self.target = torch.tensor([row[2] for row in rows])


def successes(run: SlowRun, n: int) -> dict[str, float]:
    """Share of answers that become the donor bridge's, by what is swapped at S[1, relation 1]."""
    w = tensors_of(run.path, run.last)
    learn, test = Swaps(run, w, TRAIN, LEARNED_FROM), Swaps(run, w, ID_TEST, n)
    torch.manual_seed(11)
    start = torch.randn(w["embed.W_E"].shape[1], RANK)
    order = torch.randperm(len(learn.target))
    learned = _learned(w, learn, learn.target, start)
    parts = {
        "subspace": learned,
        "random": _projection(start),
        "shuffled": _learned(w, learn, learn.target[order], start),
        "rest": torch.eye(len(start)) - learned,
        "whole": torch.eye(len(start)),
    }
    found = {}
    for name, part in parts.items():
        top = _swapped(w, test.own, test.donor, part).argmax(-1)
        found[name] = float((top == test.target).float().mean())
    return found


def _learned(w: Tensors, learn: Swaps, target: Tensor, start: Tensor) -> Tensor:
    free = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], RATE)
    for _ in range(STEPS):
        some = torch.randperm(len(target))[:BATCH]
        given = _swapped(w, learn.own[some], learn.donor[some], _projection(free))
        optimizer.zero_grad()
        cross_entropy(given, target[some]).backward()
        optimizer.step()
    return _projection(free.detach())


def _projection(free: Tensor) -> Tensor:
    basis = torch.linalg.qr(free).Q
    return basis @ basis.T


def _after_one_block(w: Tensors, tokens: Tensor) -> Tensor:
    return block(w, 0, w["embed.W_E"][tokens] + w["pos_embed.W_pos"])


def _swapped(w: Tensors, own: Tensor, donor: Tensor, part: Tensor) -> Tensor:
    """Logits when that part of S[1, relation 1] is the donor's."""
    mixed = own[:, 1] + (donor[:, 1] - own[:, 1]) @ part
    return after(w, torch.stack([own[:, 0], mixed, own[:, 2]], 1), [1])
