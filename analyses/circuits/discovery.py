"""The circuit of a checkpoint: edges found by path patching against a placebo, and put to the test.

1. Candidate edges join every component to every later one that sees it; `circuits.circuit.find`
   measures what runs along them for each token of the question in turn: the corrupted question has
   another answer t', and `effect` is how far the logit difference between t and t' falls.
2. The same is done with a placebo, a token that leads to the same answer
   (`analyses.questions.contrasts`). Edges that do more than their placebos, by
   `circuits.circuit.edge_choice`, are the circuit.
3. The model is run with only the circuit (restricted) and without it (excluded), everything else
   being ablated to its mean or to another question's (`analyses.circuits.ablations`). A circuit is
   faithful if the restricted model answers as the whole one does, and complete if the excluded one
   cannot.
   (The questions are those the edges were found on; the circuit has one decision per edge and
   hundreds of questions. On 700 others the demo's fell .02 short of the model, as on its own.)
4. `stability` is the mean Jaccard index between the circuit and those found in the same way on
   bootstrap resamples of the questions. What each resample kept is stored, so that a change over
   training can be dated with an interval (`analyses.over_training.formation`).
5. Right answers, losses and the effects of kept edges are stored per question as well, so that a
   number can be drilled down to the questions behind it (`analyses.circuits.edge_questions`).
6. Edges grow with the square of the depth. All are screened by their effect to first order
   (`circuits.circuit.screen`), and at most `per_component` times as many as there are components
   are measured exactly: those of largest predicted effect and a random sample of the others. The
   rest is left out of the circuit (`measured` = 0). `screen_correlation` says how well the screen
   predicts what is measured, `screen_missed` how many of the sample belong to the circuit. The
   demo's 30 edges are all measured.

`strength` of an edge: the largest share of a corrupted token's whole effect that runs along it;
negative where patching the edge speaks for the answer. Shares of edges in parallel add up to about
one, those of edges in series are each about one. A share says how an effect is *divided*, not how
large it is: it can have its final value at the first checkpoint at which a token has any effect
beyond its placebo, long before the model answers. The size is `effect`, in nats. The last block's
attention and MLP before the last position have no edges, for nothing reads them.

How to read: Arrows are edges that do more than their placebos, as thick as their `strength`;
letters in a box are the tokens whose information leaves it. Read the subtitle first: what the
circuit alone answers, beside the whole model. h and r1 that meet at relation_1, and travel together
to the last position, are the two-hop route.

What misleads: A circuit that answers less than the model is not the whole circuit, and how much it
answers depends on the ablation: read both. Thickness is a share, not a size. Without
heads an edge joins whole layers, which may do several things. That an edge is missing can also mean
that too few questions were asked.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.circuits.ablations import ablated_runs, ablation_variables
from analyses.circuits.edge_questions import example_variables
from analyses.estimates import (
    Variables,
    correlation,
    half_precision,
    resampled_means,
    with_interval,
)
from analyses.options.circuits import DiscoveryOptions as Options
from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import Examples
from circuits.circuit.ablated_run import ABLATIONS, VARIANTS
from circuits.circuit.contrast_runs import Contrast
from circuits.circuit.edge_choice import Choice, Effects, Rules
from circuits.circuit.edge_choice import jaccard as jaccard_index
from circuits.circuit.find import find_edges
from circuits.circuit.nodes_and_edges import Edge, candidate_edges
from circuits.circuit.screen import Screen
from circuits.model.transformer import HookedTransformer
from circuits.statistics import resample_weights


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """The circuit of one checkpoint."""
    positions, n_heads = examples.queries.positions, model.cfg.n_heads
    edges = candidate_edges(model.depth, len(positions), n_heads if options.heads else None)
    runs = contrast_runs(model, examples, options.seed)
    rules = Rules.for_edges(edges, n_heads, options.rate, options.correction, options.least_share)
    finding = find_edges(
        runs,
        edges,
        rules,
        per_component=options.per_component,
        resamples=options.resamples,
        seed=options.seed,
    )
    effects, found, resampled = finding.effects, finding.choice, finding.resampled
    parts: tuple[list[Edge], list[Edge]] = ([], [])
    for edge, kept in zip(edges, found.in_circuit, strict=True):
        parts[0 if kept else 1].append(edge)
    ablated = ablated_runs(runs.engine, examples, runs.clean, edges, *parts, options.seed)
    variables = {
        **edge_variables(effects, found, resampled),
        **example_variables(effects, found),
        **_stability(found, resampled),
        **screen_variables(finding.screen, effects, found, options.resamples, options.seed),
        **ablation_variables(ablated),
        **_counts(runs.contrasts),
    }
    coords = {
        "corrupted": list(positions),
        "edge": [edge.name(positions) for edge in edges],
        "ablation": list(ABLATIONS),
        "variant": list(VARIANTS),
    }
    return half_precision(xr.Dataset(variables, coords))


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


def screen_variables(
    screen: Screen, effects: Effects, found: Choice, resamples: int, seed: int
) -> Variables:
    """What was predicted, what was measured, and how far the one can stand for the other."""
    weights = resample_weights(len(screen.total), resamples, seed)
    weights = np.concatenate([np.ones((1, len(screen.total)), weights.dtype), weights])
    exact, guess = (resampled_means(t, weights) for t in (effects.real, screen.predicted))
    here = np.isfinite(exact).all(0) & np.isfinite(guess).all(0)
    index = correlation(exact[:, here], guess[:, here])
    low, high = np.percentile(index[1:], [2.5, 97.5])
    text = "correlation of predicted and measured effects over edges and tokens"
    missed = np.where(screen.sampled, found.in_circuit, np.nan)
    about = {"long_name": "share of the sampled edges that belong to the circuit", "units": "share"}
    predicted = guess[0].reshape(screen.predicted.shape[1:])
    return {
        "predicted": (
            ("corrupted", "edge"),
            predicted,
            {"long_name": "fall of the logit difference, to first order", "units": "nats"},
        ),
        "measured": (
            ("edge",),
            screen.measured.astype(np.int8),
            {"long_name": "1: measured exactly, 0: screened out"},
        ),
        "screen_correlation": ((), index[0], {"long_name": text, "units": "1"}),
        "screen_correlation_low": ((), low, {"long_name": f"{text}, 95% interval", "units": "1"}),
        "screen_correlation_high": ((), high, {"long_name": f"{text}, 95% interval", "units": "1"}),
        "screen_sampled": ((), np.int16(screen.sampled.sum()), {"long_name": "sampled edges"}),
        **with_interval("screen_missed", (), missed, about, shares=True),
    }


def _counts(contrasts: tuple[Contrast, ...]) -> Variables:
    valid = np.array([c.valid.sum() for c in contrasts], np.int32)
    both = np.array([(c.valid & c.placebo_valid).sum() for c in contrasts], np.int32)
    once = {"units": "1", "per_step": False}
    return {
        "n_valid": (("corrupted",), valid, {"long_name": "examples with a corruption", **once}),
        "n_placebo": (("corrupted",), both, {"long_name": "of these, with a placebo", **once}),
    }
