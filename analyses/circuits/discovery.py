"""The circuit of a checkpoint: edges found by path patching against a placebo, and put to the test.

1. Candidate edges join every component to every later one that sees it
   (`analyses.circuits.nodes_and_edges`); their effects are measured by path patching
   (`analyses.circuits.path_engine`) for each token of the question in turn: the corrupted question
   has another answer t', and `effect` is how far the logit difference between t and t' falls.
2. The same is done with a placebo, a token that leads to the same answer
   (`analyses.questions.contrasts`). Edges that do more than their placebos, by
   `analyses.circuits.edge_choice`, are the circuit.
3. The model is run with only the circuit (restricted) and without it (excluded), everything else
   being ablated to its mean or to another question's
   (`analyses.circuits.ablated_run`). A circuit is faithful if the restricted model answers as the
   whole one does, and complete if the excluded
   one cannot.
   (The questions are those the edges were found on; the circuit has one decision per edge and
   hundreds of questions. On 700 others the demo's fell .02 short of the model, as on its own.)
4. `stability` is the mean Jaccard index between the circuit and those found in the same way on
   bootstrap resamples of the questions. What each resample kept is stored, so that a change over
   training can be dated with an interval (`analyses.over_training.formation`).
5. Right answers, losses and the effects of kept edges are stored per question as well, so that a
   number can be drilled down to the questions behind it (`analyses.circuits.edge_questions`).
6. Edges grow with the square of the depth. All are screened by their effect to first order
   (`analyses.circuits.screen`), and at most `per_component` times as many as there are components
   are measured exactly: those of largest predicted effect and a random sample of the others. The
   rest is left out of the circuit (`measured` = 0). `screen_correlation` says how well the screen
   predicts what is measured, `screen_missed` how many of the sample belong to the circuit. The
   demo's 30 edges are all measured.

`strength` of an edge: the largest share of a corrupted token's whole effect that runs along it;
negative where patching the edge speaks for the answer. Shares of edges in parallel add up to about
one, those of edges in series are each about one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from pydantic import Field

from analyses.catalog import AnalysisOptions
from analyses.circuits.ablated_run import ABLATIONS, VARIANTS, AblatedRuns, ablated_runs
from analyses.circuits.edge_choice import (
    Choice,
    Correction,
    Effects,
    Rules,
    choose,
    choose_resampled,
)
from analyses.circuits.edge_choice import jaccard as jaccard_index
from analyses.circuits.edge_questions import example_variables
from analyses.circuits.nodes_and_edges import Edge, candidate_edges
from analyses.circuits.path_patching import contrast_traces, path_outcomes
from analyses.circuits.screen import (
    Screen,
    predicted_effects,
    screen_variables,
    screened,
    total_effects,
)
from analyses.estimates import Variables, coarse, half_precision, with_interval
from analyses.questions.contrasts import Contrast, draw_contrasts
from analyses.questions.examples import Examples
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine, Trace

LEAST_SHARE = 0.05
"""With .1 the demo's circuit (16 edges) alone is right on .93 of 700 held-out questions, with this
(20) on .95; without any bound (25) on .97, as is the whole model."""


class Options(AnalysisOptions):
    """Options of circuit discovery."""

    heads: bool = False
    """Tell attention heads apart: more and weaker edges, which take more examples to tell from
    their placebos (`analyses.circuits.faithfulness` says what the demo's answer, and warns)."""
    rate: float = Field(default=0.01, gt=0, lt=1)
    """False discovery rate of edges (family-wise error rate with Holm's correction)."""
    correction: Correction = "benjamini_hochberg"
    """Correction for testing all edges at once."""
    least_share: float | None = Field(default=None, ge=0, lt=1)
    """Edges with less than this share of a corrupted token's effect are left out. None: 0.05; for
    heads, among which a layer's work is divided, over their number, at either end of the edge."""
    per_component: int = Field(default=4, ge=1)
    """Most edges measured exactly, as a multiple of the number of components."""
    resamples: int = Field(default=200, ge=20, le=5000)
    """Bootstrap resamples of the questions, for stability and the intervals of strength."""

    def rules(self, edges: Sequence[Edge], n_heads: int) -> Rules:
        """When one of these edges is kept, in a model with so many heads."""
        share: float | np.ndarray | None = self.least_share
        if share is None:
            ends = [(e.sender.kind == "head") + (e.receiver.kind == "head") for e in edges]
            share = LEAST_SHARE / float(n_heads) ** np.array(ends)
        return Rules(self.rate, share, self.correction)


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """The circuit of one checkpoint."""
    engine = PatchEngine(model)
    positions = examples.queries.positions
    heads = model.cfg.n_heads if options.heads else None
    edges = candidate_edges(model.depth, len(positions), heads)
    contrasts = draw_contrasts(examples, options.seed)
    clean, sources = contrast_traces(engine, examples, contrasts)
    screen = screened(
        predicted_effects(model, engine, examples, contrasts, clean, sources, edges),
        total_effects(engine, examples, contrasts, clean, sources[: len(contrasts)]),
        options.per_component * len({edge.sender for edge in edges}),
        options.seed,
    )
    effects = edge_effects(engine, examples, contrasts, clean, sources, edges, screen)
    rules = options.rules(edges, model.cfg.n_heads)
    found = choose(effects, rules)
    resampled = choose_resampled(effects, rules, options.resamples, options.seed)
    parts: tuple[list[Edge], list[Edge]] = ([], [])
    for edge, kept in zip(edges, found.in_circuit, strict=True):
        parts[0 if kept else 1].append(edge)
    ablated = ablated_runs(engine, examples, clean, edges, *parts, options.seed)
    variables = {
        **edge_variables(effects, found, resampled),
        **example_variables(effects, found),
        **_stability(found, resampled),
        **screen_variables(screen, effects, found, options.resamples, options.seed),
        **ablation_variables(ablated),
        **_counts(contrasts),
    }
    coords = {
        "corrupted": list(positions),
        "edge": [edge.name(positions) for edge in edges],
        "ablation": list(ABLATIONS),
        "variant": list(VARIANTS),
    }
    return half_precision(xr.Dataset(variables, coords))


def edge_effects(
    engine: PatchEngine,
    examples: Examples,
    contrasts: tuple[Contrast, ...],
    clean: Trace,
    sources: list[Trace],
    edges: Sequence[Edge],
    screen: Screen,
) -> Effects:
    """Fall of the logit difference along every edge that the screen passes, per question."""
    passed = [edge for edge, measured in zip(edges, screen.measured, strict=True) if measured]
    real, placebo = (
        _among_all(found[..., 0], screen.measured)
        for found in path_outcomes(
            engine, examples, contrasts, clean, sources, passed, effect_only=True
        )
    )
    untested = np.isfinite(screen.predicted[:, :, ~screen.measured]).any(0).sum()
    return Effects(real, placebo, screen.total, int(untested))


def _among_all(
    values: Float[np.ndarray, "n corrupted passed"], measured: Bool[np.ndarray, " edge"]
) -> Float[np.ndarray, "n corrupted edge"]:
    """NaN for edges that were not measured."""
    table = np.full((*values.shape[:2], len(measured)), np.nan, np.float32)
    table[:, :, measured] = values
    return table


def edge_variables(effects: Effects, found: Choice, resampled: Choice) -> Variables:
    """Effects by token and edge, and of each edge whether it is kept, how strong and how surely."""
    dims = ("corrupted", "edge")
    about = {"long_name": "fall of the logit difference when the edge is patched", "units": "nats"}
    whole = {"long_name": "fall when the token itself is corrupted", "units": "nats"}
    share, at = found.share, np.arange(found.share.shape[-1])
    # A share of an effect that may be zero is no number: only tokens whose corruption lowers the
    # answer for certain count, and an edge of none of them has strength 0.
    certain = found.kept.any(-1) | (np.percentile(resampled.total, 2.5, axis=0) > 0)
    size = np.where(certain[:, None], np.abs(np.nan_to_num(share)), 0.0)
    token = size.argmax(0)
    bounds = np.percentile(resampled.share[:, token, at], [2.5, 97.5], axis=0)
    strength, low, high = np.where(size.max(0) > 0, [share[token, at], *bounds], 0.0)
    text = "largest share of a corrupted token's effect that runs along the edge"
    variables: Variables = {
        **with_interval("effect", dims, effects.real, about),
        **with_interval("total", ("corrupted",), effects.total, whole),
        "placebo": (dims, found.placebo, {"long_name": "the same for a placebo", "units": "nats"}),
        "p_value": (dims, found.p_value, {"long_name": "effect against placebo, corrected"}),
        "kept": (dims, found.kept.astype(np.int8), {"long_name": "1: carries this token"}),
        "in_circuit": (("edge",), found.in_circuit.astype(np.int8), {"long_name": "1: kept"}),
    }
    for name, values in (("", strength), ("_low", low), ("_high", high)):
        interval = " (95% bootstrap interval over examples)" if name else ""
        attrs = {"long_name": text + interval, "units": "share"}
        variables[f"strength{name}"] = (("edge",), values, attrs)
    # 128ths, since these are most of what a result takes on disk; a kept edge is never 0
    again = np.where(certain[token], np.nan_to_num(resampled.share[:, token, at]), 0.0)
    rounded = np.copysign(np.maximum(np.round(np.abs(again) * 128), 1) / 128, again)
    kept = np.where(resampled.in_circuit, rounded, 0.0)
    about = {"long_name": "strength in the circuit of a resample, 0: not kept", "units": "share"}
    variables["strength_resample"] = (("resample", "edge"), kept, about)
    return variables


def _stability(found: Choice, resampled: Choice) -> Variables:
    index = jaccard_index(resampled.in_circuit, found.in_circuit)
    if not found.in_circuit.any():
        index = np.full(index.shape, np.nan)
    low, high = np.percentile(index, [2.5, 97.5])
    text = "Jaccard index of the circuits of resampled questions"
    often = {"long_name": "share of resamples whose circuit has the edge", "units": "share"}
    return {
        "stability": ((), index.mean(), {"long_name": text, "units": "1"}),
        "stability_low": ((), low, {"long_name": f"{text}, 2.5th percentile", "units": "1"}),
        "stability_high": ((), high, {"long_name": f"{text}, 97.5th percentile", "units": "1"}),
        "edge_frequency": (("edge",), resampled.in_circuit.mean(0), often),
        "n_edges": ((), found.in_circuit.sum().astype(np.int16), {"long_name": "kept edges"}),
    }


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


def _counts(contrasts: tuple[Contrast, ...]) -> Variables:
    valid = np.array([c.valid.sum() for c in contrasts], np.int32)
    both = np.array([(c.valid & c.placebo_valid).sum() for c in contrasts], np.int32)
    once = {"units": "1", "per_step": False}
    return {
        "n_valid": (("corrupted",), valid, {"long_name": "examples with a corruption", **once}),
        "n_placebo": (("corrupted",), both, {"long_name": "of these, with a placebo", **once}),
    }
