"""Component patching: which part of which block carries which token of the question.

1. The corrupted questions are those of causal tracing (`analyses.questions.contrasts`): one token
   is replaced so that the question has another answer t'.
2. In the clean run, one activation is overwritten by its value in the corrupted run (Wang et al.,
   arXiv 2211.00593, section 3; names as in TransformerLens). It may be at the corrupted position or
   at any later one: attention at relation_1 carries the subject, for example.
3. `effect` is the fall of the logit difference between t and t', `probability` the probability of t
   after the patch, `flipped` the share of questions whose top token is no longer that of the clean
   run. `total` is the effect of replacing the token itself.

True by construction: what the last block writes before the last position has no effect, and what
depends on the corrupted token alone has all of it (S[0] at its position: `total`).

A model whose attention and MLP run in parallel has no resid_mid; it is left out there.

Components with heads are patched head by head. All layers and heads of one component at one
position are one batch of `circuits.patching.batched_runs`.

How to read: Each row of maps replaces one token of the question, each map patches one kind of
component; a cell is the fall of the logit difference in nats. Read it against `total`: a component
with most of the total carries that token at that position.

What misleads: Components in series each show the whole effect, so cells do not add up. A component
may carry the token only by passing it on, and a later one may make up for what was patched. The
effect is that of an exchange for one other token, not of removal, and there is no placebo here:
`path_patching` and `circuit_discovery` have one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from analyses.estimates import Variables, half_precision, with_interval
from analyses.options.interventions import ComponentPatchingOptions as Options
from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import Examples
from circuits.circuit.contrast_runs import ContrastRuns
from circuits.circuit.path_patching import MEASURES
from circuits.model.protocol import Model
from circuits.patching import HEAD_COMPONENTS, Component, Patch, patched_logits
from circuits.patching.engines import AnyTrace, Engine
from circuits.patching.role_trace import RoleTrace


@dataclass(frozen=True)
class PatchedComponents:
    """Outcomes of each question; NaN before the corrupted position and without a corruption.

    The last axis of `states` and `heads` is `MEASURES`; `total` is an effect.
    """

    states: dict[Component, Float[np.ndarray, "n corrupted layer position measure"]]
    heads: dict[Component, Float[np.ndarray, "n corrupted layer position head measure"]]
    total: Float[np.ndarray, "n corrupted"]


def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Effects of patching the chosen components of one checkpoint."""
    options = _existing(model, options)
    runs = contrast_runs(model, examples, options.seed)
    found = patched_components(runs, options.components)
    coords: dict = {
        "corrupted": list(examples.queries.named_roles),
        "layer": np.arange(model.depth),
        "position": list(examples.queries.positions),
    }
    variables: Variables = {}
    if options.of_states:
        coords["component"] = list(options.of_states)
        dims: tuple[str, ...] = ("component", "corrupted", "layer", "position")
        variables |= _measured("", dims, np.stack([found.states[c] for c in options.of_states], 1))
    if options.of_heads:
        coords |= {"head_component": list(options.of_heads), "head": np.arange(model.cfg.n_heads)}
        dims = ("head_component", "corrupted", "layer", "position", "head")
        table = np.stack([found.heads[c] for c in options.of_heads], 1)
        variables |= _measured("head_", dims, table)
    about = {"long_name": "fall when the token itself is corrupted", "units": "nats"}
    variables |= with_interval("total", ("corrupted",), found.total, about)
    valid = np.array([c.valid.sum() for c in runs.contrasts], np.int32)
    counted = {"long_name": "examples with a corruption", "units": "1", "per_step": False}
    variables["n_valid"] = (("corrupted",), valid, counted)
    return half_precision(xr.Dataset(variables, coords))


def _existing(model: Model, options: Options) -> Options:
    """Without resid_mid where attention and MLP run in parallel, unless it is all that is asked."""
    kept = tuple(c for c in options.components if c != "resid_mid")
    if not (model.cfg.parallel_attn_mlp and kept):
        return options
    return options.model_copy(update={"components": kept})


@torch.no_grad()
def patched_components(runs: ContrastRuns, components: tuple[Component, ...]) -> PatchedComponents:
    """Patch every component at every place that a corrupted token can reach."""
    engine, n_pos, n_heads = runs.engine, runs.clean.pos, runs.engine.cfg.n_heads
    shape = (len(runs), len(runs.contrasts), engine.depth, n_pos)
    with_heads = {c: c in HEAD_COMPONENTS for c in components}
    tables = {
        c: np.full((*shape, *((n_heads,) if heads else ()), len(MEASURES)), np.nan, np.float32)
        for c, heads in with_heads.items()
    }
    for index, (contrast, source) in enumerate(zip(runs.contrasts, runs.corrupted, strict=True)):
        judge = _Judge(runs, index)
        # roles stand in any order in a sentence; those before the corrupted name have no effect
        first = 0 if isinstance(runs.clean, RoleTrace) else contrast.position
        for p in range(first, n_pos):
            for (component, layer), found in _cells(
                engine, source, runs.clean, components, p, judge
            ):
                table = tables[component]
                values = found.movedim(0, 1).cpu().numpy()  # n cell measure
                table[:, index, layer, p] = values if with_heads[component] else values[:, 0]
        for table in tables.values():
            table[~contrast.valid, index] = np.nan
    return PatchedComponents(
        {c: table for c, table in tables.items() if not with_heads[c]},
        {c: table for c, table in tables.items() if with_heads[c]},
        runs.totals().astype(np.float32),
    )


class _Judge:
    """Computes `MEASURES` from the logits of patched runs."""

    def __init__(self, runs: ContrastRuns, contrast: int) -> None:
        self.runs, self.contrast, self.answer = runs, contrast, runs.answer
        self.before = runs.score(contrast, runs.clean_logits)
        self.top = runs.clean_logits.argmax(-1)

    def __call__(
        self, logits: Float[Tensor, "cells n d_vocab"]
    ) -> Float[Tensor, "cells n measure"]:
        fall = self.before - self.runs.score(self.contrast, logits)
        good = logits.gather(-1, self.answer.expand(logits.shape[:-1])[..., None])[..., 0]
        flipped = (logits.argmax(-1) != self.top).float()
        return torch.stack([fall, (good - logits.logsumexp(-1)).exp(), flipped], -1)


def _cells(
    engine: Engine,
    source: AnyTrace,
    base: AnyTrace,
    components: tuple[Component, ...],
    position: int,
    judge: _Judge,
) -> list[tuple[tuple[Component, int], Float[Tensor, "cells n measure"]]]:
    """Patch all components in all layers at one position."""
    layers = tuple(range(engine.depth))
    all_heads = tuple(range(engine.cfg.n_heads))
    measured = []
    for component in components:
        heads = all_heads if component in HEAD_COMPONENTS else None
        patch = Patch(component, layers, (position,), heads)
        found = patched_logits(engine, source, base, patch)
        measured += [((component, layer), judge(found[layer, position])) for layer in layers]
    return measured


def _measured(prefix: str, dims: tuple[str, ...], table: np.ndarray) -> Variables:
    about = {
        "effect": ("fall of the logit difference between t and t'", "nats"),
        "probability": ("probability of the answer after patching", "1"),
        "flipped": ("share whose top token is no longer the clean run's", "share"),
    }
    found: Variables = {}
    for i, name in enumerate(MEASURES):
        text, units = about[name]
        attrs = {"long_name": text, "units": units}
        shares = name == "flipped"
        found |= with_interval(prefix + name, dims, table[..., i], attrs, shares=shares)
    return found
