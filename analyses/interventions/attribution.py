"""Attribution patching: the cheap screen for component patching, and how far it can be trusted.

1. `gradient`: to first order, writing a corrupted activation a' over the clean a changes the logit
   difference by gradient . (a' - a). One backward pass gives this for all components at once (Nanda
   2023, "Attribution Patching"; Syed et al., arXiv 2310.10348). `attribution` is its negative, the
   predicted fall.
2. `integrated`: the gradient is averaged over points between the clean and the corrupted question.
   The points are the midpoints of `steps` equal steps between their embeddings (Hanna et al., arXiv
   2403.17806). This helps where the clean gradient is flat.
3. Both estimates are compared with real patching (`analyses.interventions.component_patching`) over
   all places that the corrupted token reaches: Pearson and Spearman correlation of the mean
   effects, with intervals from resampled questions.

How to read: Points on the diagonal are places whose effect the gradient predicts. Rank correlation
says whether the screen would have found the right places, Pearson's whether sizes can be trusted
too.

What misleads: Many places have almost no effect, which makes a correlation high even if the few
large effects are off: look at the points. Where the answer is certain the gradient is flat, and the
plain gradient understates large effects, as the demo's left panel shows. Good agreement at the last
step says nothing about earlier ones.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor

from analyses.estimates import (
    Variables,
    correlation,
    half_precision,
    resampled_means,
    with_interval,
)
from analyses.interventions.component_patching import patched_components
from analyses.options.interventions import AttributionOptions as Options
from analyses.questions.contrasts import contrast_runs
from analyses.questions.examples import Examples
from circuits.circuit.contrast_runs import ContrastRuns
from circuits.model.transformer import HookedTransformer
from circuits.patching import Component, activation
from circuits.statistics import resample_weights

ESTIMATES = ("gradient", "integrated")
COMPONENTS: tuple[Component, ...] = ("resid_pre", "attn_out", "mlp_out")
"""Components without heads; z is attributed head by head."""


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """Attributions of one checkpoint, beside the effects of real patching."""
    runs = contrast_runs(model, examples, options.seed)
    real = patched_components(runs, (*COMPONENTS, "z"))
    guessed = {
        estimate: attributions(runs, steps)
        for estimate, steps in zip(ESTIMATES, (0, options.steps), strict=True)
    }
    measured = {**real.states, **real.heads}
    cells = {c: measured[c][..., 0] for c in (*COMPONENTS, "z")}
    variables = _values(cells, guessed)
    variables |= _agreement(cells, guessed, options)
    valid = np.array([contrast.valid.sum() for contrast in runs.contrasts], np.int32)
    words = {"long_name": "examples with a corruption", "units": "1", "per_step": False}
    variables["n_valid"] = (("corrupted",), valid, words)
    positions = list(examples.queries.positions)
    coords = {
        "estimate": list(ESTIMATES),
        "component": list(COMPONENTS),
        "corrupted": positions,
        "layer": np.arange(model.depth),
        "position": positions,
        "head": np.arange(model.cfg.n_heads),
        "of": ["all", *COMPONENTS, "z"],
    }
    return half_precision(xr.Dataset(variables, coords))


def attributions(
    runs: ContrastRuns, steps: int
) -> dict[str, Float[np.ndarray, "n corrupted layer position *head"]]:
    """Predicted fall of the logit difference; steps = 0 takes the gradient at the clean question.

    Values are NaN where a question has no corruption, and before the corrupted position.
    """
    components: tuple[Component, ...] = (*COMPONENTS, "z")
    engine, clean = runs.engine, runs.clean
    found: dict[str, list[np.ndarray]] = {c: [] for c in components}
    for index, (contrast, source) in enumerate(zip(runs.contrasts, runs.corrupted, strict=True)):
        gradients = _gradients(runs, index, steps)
        for component in components:
            by_layer = []
            for layer in range(engine.depth):
                ours, theirs = (activation(engine, t, component, layer) for t in (clean, source))
                by_layer.append((gradients[component][layer] * (ours - theirs)).sum(-1))
            values = torch.stack(by_layer, 1).cpu().numpy()
            values[~contrast.valid] = np.nan
            values[:, :, : contrast.position] = np.nan
            found[component].append(values)
    return {component: np.stack(parts, 1) for component, parts in found.items()}


def _gradients(runs: ContrastRuns, contrast: int, steps: int) -> dict[str, list[Tensor]]:
    """Gradient of the logit difference at every activation, averaged over the points."""
    model = runs.model
    clean, corrupted = runs.clean.resid[0], runs.corrupted[contrast].resid[0]
    names = {c: [_hook_name(c, i) for i in range(model.depth)] for c in (*COMPONENTS, "z")}
    places = [0.0] if steps == 0 else [(k + 0.5) / steps for k in range(steps)]
    total: dict[str, Tensor] = {}
    for place in places:
        kept: dict[str, Tensor] = {}

        def keep(value: Tensor, hook, kept: dict[str, Tensor] = kept) -> None:  # type: ignore[no-untyped-def]
            kept[hook.name] = value

        start = (clean + place * (corrupted - clean)).detach().requires_grad_()
        wanted = [name for part in names.values() for name in part]
        with torch.enable_grad(), model.hooks([(name, keep) for name in wanted]):
            logits = model(start, start_at_layer=0)[:, -1]
            metric = runs.score(contrast, logits).sum()
            # an activation that nothing reads has no gradient
            found = torch.autograd.grad(metric, [kept[n] for n in wanted], allow_unused=True)
        for name, gradient in zip(wanted, found, strict=True):
            if gradient is None:
                gradient = torch.zeros_like(kept[name])
            total[name] = total.get(name, 0) + gradient / len(places)
    return {component: [total[n] for n in part] for component, part in names.items()}


def _hook_name(component: str, layer: int) -> str:
    inside = "attn." if component == "z" else ""
    return f"blocks.{layer}.{inside}hook_{component}"


def _values(cells: dict, guessed: dict) -> Variables:
    """Means of predicted and measured effects, with their intervals."""
    fall = "fall of the logit difference between t and t'"
    dims = ("corrupted", "layer", "position")
    found: Variables = {}
    for prefix, members, axes in (
        ("", COMPONENTS, ("component", *dims)),
        ("head_", ("z",), (*dims, "head")),
    ):

        def table(values: dict, members: tuple = members) -> np.ndarray:
            return values["z"] if members == ("z",) else np.stack([values[c] for c in members], 1)

        attributed = np.stack([table(guessed[estimate]) for estimate in ESTIMATES], 1)
        attrs = {"long_name": f"{fall}, predicted from gradients", "units": "nats"}
        found |= with_interval(f"{prefix}attribution", ("estimate", *axes), attributed, attrs)
        attrs = {"long_name": f"{fall}, measured", "units": "nats"}
        found |= with_interval(f"{prefix}patched", axes, table(cells), attrs)
    return found


def _agreement(cells: dict, guessed: dict, options: Options) -> Variables:
    """Correlations over places between predicted and measured mean effects."""
    every: tuple[Component, ...] = (*COMPONENTS, "z")
    groups: dict[str, tuple[Component, ...]] = {"all": every, **{c: (c,) for c in every}}
    n = len(cells["z"])
    drawn = resample_weights(n, options.resamples, options.seed)
    weights = np.concatenate([np.ones((1, n)), drawn])
    table = np.empty((2, len(ESTIMATES), len(groups), len(weights)))
    for m, estimate in enumerate(ESTIMATES):
        for g, members in enumerate(groups.values()):
            one, other = (
                np.concatenate([resampled_means(values[c], weights) for c in members], 1)
                for values in (cells, guessed[estimate])
            )
            here = np.isfinite(one).all(0) & np.isfinite(other).all(0)
            one, other = one[:, here], other[:, here]
            table[0, m, g] = correlation(one, other)
            table[1, m, g] = correlation(rankdata(one, axis=1), rankdata(other, axis=1))
    found: Variables = {}
    for name, values in zip(("pearson", "spearman"), table, strict=True):
        # NaN if all effects of a kind are equal in some resample
        low, high = np.percentile(values[..., 1:], [2.5, 97.5], axis=-1)
        text = f"{name.capitalize()} correlation of predicted and measured effects over places"
        for suffix, part in (("", values[..., 0]), ("_low", low), ("_high", high)):
            interval = " (95% bootstrap interval over examples)" if suffix else ""
            attrs = {"long_name": text + interval, "units": "1"}
            found[name + suffix] = (("estimate", "of"), part, attrs)
    return found
