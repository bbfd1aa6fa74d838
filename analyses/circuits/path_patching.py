"""Path patching: what each component tells each other one, and what that does to the answer.

For every edge sender -> receiver of `analyses.circuits.nodes_and_edges` and every corrupted token,
the sender's corrupted output reaches this receiver only (`analyses.circuits.path_engine`). Senders
are embeddings, attention (layers or heads) and MLPs at a position; receivers are the q, k and v
inputs of later attention, later MLPs and the output. Measures as in
`analyses.interventions.component_patching`; the placebo is a token that leads to the same answer
(`analyses.questions.contrasts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analyses.catalog import AnalysisOptions
from analyses.circuits.nodes_and_edges import Edge, candidate_edges, named_edges
from analyses.circuits.path_engine import PathPatch, PathPatcher, edges_in_use
from analyses.estimates import Variables, half_precision, with_interval
from analyses.questions.contrasts import Contrast, draw_contrasts
from analyses.questions.examples import Examples
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace

MEASURES = ("effect", "probability", "flipped")


class Options(AnalysisOptions):
    """Options of path patching."""

    heads: bool = True
    """Tell attention heads apart."""
    parts: bool = True
    """Tell the inputs q, k and v of attention apart."""
    edges: tuple[str, ...] = ()
    """Only these edges, e.g. "mlp.0[relation_1]>head.1.2[relation_2].v"; none: all."""


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Effect of every edge of one checkpoint."""
    engine = PatchEngine(model)
    positions = examples.queries.positions
    heads = model.cfg.n_heads if options.heads else None
    edges = candidate_edges(model.depth, len(positions), heads, parts=options.parts)
    if options.edges:
        edges = named_edges(options.edges, edges, positions)
    contrasts = draw_contrasts(examples, options.seed)
    clean, sources = contrast_traces(engine, examples, contrasts)
    outcomes, placebo = path_outcomes(engine, examples, contrasts, clean, sources, edges)
    dims = ("corrupted", "edge")
    about = (
        ("effect", "fall of the logit difference between t and t'", "nats", False),
        ("probability", "probability of the answer after patching", "1", False),
        ("flipped", "share whose top token is no longer the clean run's", "share", True),
    )
    variables: Variables = {}
    for i, (name, text, units, shares) in enumerate(about):
        attrs = {"long_name": text, "units": units}
        variables |= with_interval(name, dims, outcomes[..., i], attrs, shares=shares)
    attrs = {"long_name": "effect of a token with the same answer", "units": "nats"}
    variables |= with_interval("placebo", dims, placebo[..., 0], attrs)
    for name, rows in (
        ("n_valid", [c.valid for c in contrasts]),
        ("n_placebo", [c.valid & c.placebo_valid for c in contrasts]),
    ):
        counted = {"long_name": "examples with a value", "units": "1", "per_step": False}
        variables[name] = (("corrupted",), np.sum(rows, 1).astype(np.int32), counted)
    coords = {"corrupted": list(positions), "edge": [edge.name(positions) for edge in edges]}
    return half_precision(xr.Dataset(variables, coords))


def contrast_traces(
    engine: PatchEngine, examples: Examples, contrasts: tuple[Contrast, ...]
) -> tuple[Trace, list[Trace]]:
    """The clean run; the corrupted ones, then the placebos."""
    clean = engine.trace(examples.queries.tokens.to(engine.device))
    tokens = [c.tokens for c in contrasts] + [c.placebo for c in contrasts]
    return clean, [engine.trace(torch.from_numpy(t).to(engine.device)) for t in tokens]


def path_outcomes(
    engine: PatchEngine,
    examples: Examples,
    contrasts: tuple[Contrast, ...],
    clean: Trace,
    sources: list[Trace],
    edges: Sequence[Edge],
    *,
    effect_only: bool = False,
) -> tuple[
    Float[np.ndarray, "n corrupted edge measure"], Float[np.ndarray, "n corrupted edge measure"]
]:
    """`MEASURES` (or the first) of every edge, for corrupted questions and for placebos.

    NaN for questions without such a token, and for edges whose sender it does not reach.
    """
    valid = [c.valid for c in contrasts] + [c.valid & c.placebo_valid for c in contrasts]
    measures = 1 if effect_only else len(MEASURES)
    table = np.full((len(sources), len(edges), clean.n, measures), np.nan, np.float32)
    read = _Reader(engine, examples, contrasts, clean.resid[-1][:, -1], effect_only)
    for rows, group in _groups(valid):
        patches, where = [], []
        for place, source in enumerate(group):
            for i in edges_in_use(edges, contrasts[source % len(contrasts)].position):
                patches.append(PathPatch(edges[i], place))
                where.append((source, i))
        asked = torch.from_numpy(rows).to(engine.device)
        patcher = PathPatcher(engine, clean.rows(asked), [sources[s].rows(asked) for s in group])
        which = [source % len(contrasts) for source, _ in where]
        found = patcher.scores(patches, partial(read, asked, which))
        for (source, i), values in zip(where, found.cpu().numpy(), strict=True):
            table[source, i, rows] = values
    table = table.transpose(2, 0, 1, 3)
    return table[:, : len(contrasts)], table[:, len(contrasts) :]


def _groups(valid: Sequence[Bool[np.ndarray, " n"]]) -> list[tuple[np.ndarray, list[int]]]:
    """Runs that have the same questions, which are patched together, with these questions.

    Few questions have a placebo, and nothing is run for the others.
    """
    found: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for source, rows in enumerate(valid):
        if rows.any():
            found.setdefault(rows.tobytes(), (np.flatnonzero(rows), []))[1].append(source)
    return list(found.values())


class _Reader:
    """From logits to `MEASURES`, each cell with the t' of its own corruption."""

    def __init__(
        self,
        engine: PatchEngine,
        examples: Examples,
        contrasts: tuple[Contrast, ...],
        end: Float[Tensor, "n d_model"],
        effect_only: bool,
    ) -> None:
        self.effect_only = effect_only
        logits = engine.logits(end)
        self.answer = examples.queries.answer.to(engine.device)
        tokens = np.stack([c.other for c in contrasts]).astype(np.int64)
        self.other = torch.from_numpy(tokens).to(engine.device)
        self.before = torch.stack([c.logit_difference(logits, self.answer) for c in contrasts])
        self.top = logits.argmax(-1)

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
        fall = self.before[which][:, rows] - (good - bad)
        if self.effect_only:
            return fall[..., None]
        flipped = (logits.argmax(-1) != self.top[rows]).float()
        return torch.stack([fall, (good - logits.logsumexp(-1)).exp(), flipped], -1)
