"""The effect of every edge on every prompt, by path patching.

For each edge and each contrast, the sender's corrupted output reaches this receiver only
(`circuits.circuit.path_engine`); the same is done with the placebo. `effect` is how far the metric
falls, `probability` is that of the answer after patching, and `flipped` says whether the top token
differs from that of the clean run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuits.circuit.contrast_runs import ContrastRuns
from circuits.circuit.nodes_and_edges import Edge
from circuits.circuit.path_engine import PathPatch, PathPatcher, edges_in_use

MEASURES = ("effect", "probability", "flipped")

Outcomes = Float[np.ndarray, "n corrupted edge measure"]


def path_outcomes(
    runs: ContrastRuns, edges: Sequence[Edge], *, effect_only: bool = False
) -> tuple[Outcomes, Outcomes]:
    """`MEASURES` (or the first) of every edge, for corrupted prompts and for placebos.

    NaN for prompts without such a token, and for edges whose sender it does not reach.
    """
    contrasts = runs.contrasts
    valid = [c.valid for c in contrasts] + [c.valid & c.placebo_valid for c in contrasts]
    measures = 1 if effect_only else len(MEASURES)
    table = np.full((len(valid), len(edges), len(runs), measures), np.nan, np.float32)
    read = _Reader(runs, effect_only)
    for rows, group in _groups(valid):
        patches, where = [], []
        for place, source in enumerate(group):
            for i in edges_in_use(edges, contrasts[source % len(contrasts)].changed):
                patches.append(PathPatch(edges[i], place))
                where.append((source, i))
        asked = torch.from_numpy(rows).to(runs.engine.device)
        sources = [runs.sources[source].rows(asked) for source in group]
        patcher = PathPatcher(runs.engine, runs.clean.rows(asked), sources)
        which = [source % len(contrasts) for source, _ in where]
        found = patcher.scores(patches, partial(read, asked, which))
        for (source, i), values in zip(where, found.cpu().numpy(), strict=True):
            table[source, i, rows] = values
    table = table.transpose(2, 0, 1, 3)
    return table[:, : len(contrasts)], table[:, len(contrasts) :]


def _groups(valid: Sequence[Bool[np.ndarray, " n"]]) -> list[tuple[np.ndarray, list[int]]]:
    """Runs with the same prompts, which are patched together, and these prompts.

    Few prompts have a placebo, and nothing is run for the others.
    """
    found: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for source, rows in enumerate(valid):
        if rows.any():
            found.setdefault(rows.tobytes(), (np.flatnonzero(rows), []))[1].append(source)
    return list(found.values())


class _Reader:
    """From logits to `MEASURES`, each cell with the t' of its own contrast."""

    def __init__(self, runs: ContrastRuns, effect_only: bool) -> None:
        self.effect_only, self.metric, self.answer = effect_only, runs.metric, runs.answer
        tokens = np.stack([c.other for c in runs.contrasts]).astype(np.int64)
        self.other = torch.from_numpy(tokens).to(runs.engine.device)
        clean = runs.clean_logits
        self.before = torch.stack([runs.score(i, clean) for i in range(len(runs.contrasts))])
        self.top = clean.argmax(-1)

    def __call__(
        self,
        rows: Int[Tensor, " n"],
        contrast: Sequence[int],
        logits: Float[Tensor, "cells n d_vocab"],
        cells: list[int],
    ) -> Float[Tensor, "cells n measure"]:
        which = [contrast[i] for i in cells]
        answer = self.answer[rows].expand(len(cells), -1)
        pair = torch.stack([answer, self.other[which][:, rows]], -1)
        good, bad = logits.gather(-1, pair).unbind(-1)
        if self.metric == "log_probability":
            bad = logits.logsumexp(-1)
        fall = self.before[which][:, rows] - (good - bad)
        if self.effect_only:
            return fall[..., None]
        flipped = (logits.argmax(-1) != self.top[rows]).float()
        return torch.stack([fall, (good - logits.logsumexp(-1)).exp(), flipped], -1)
