"""The evidence behind a certificate: what each question shows, for one checkpoint and split.

Nothing is judged here, and no state is chosen: the criteria (`analyses.certificate.criteria`) do
so, on trained questions, from the table of single questions that this analysis stores.

1. `right`: the model's answer is right; `shortcut_right`, `shortcut_same`: a shortcut's answer to
   the same question (`circuits.corpus.shortcuts`) is right, or is the model's.
2. `decoded`, `placebo_decoded`: the lens's top token at S[layer, position] is the bridge, or
   another bridge (`analyses.certificate.decoding`).
3. `swap`: what the answer becomes when S[layer, position] is taken from a donor with another
   bridge, from one with the same, or from a random one. Donors are questions
   (`analyses.interventions.bridge_patching`) or atomic prompts
   (`analyses.interventions.atomic_donors`).
4. `route`: the answer with only the two-hop route, and without the bridge, everything else being
   ablated in two ways (`analyses.circuits.route_ablation`).

Runs on text are measured by role and by whole answers (`analyses.certificate.in_text`).

How to read: The certificate lists what each criterion asks, whether it passed, and the share with
its interval. “Answers follow the bridge” and “second hop computed there” are the two that a
memorizing model cannot pass; the others are conditions.

What misleads: “Fail” says that the evidence for composition was not found, not that something else
was shown; “in part” says that some questions compose. OOD questions are reported and do not count.
Thresholds are choices (`analyses.certificate.criteria`): read the shares too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from analyses.certificate.decoding import decoded
from analyses.certificate.donors import all_donors
from analyses.certificate.in_text import ABLATIONS as TEXT_ABLATIONS
from analyses.certificate.in_text import text_evidence
from analyses.circuits.ablations import AblatedRuns
from analyses.circuits.route_ablation import route_runs
from analyses.interventions.bridge_patching import swap_outcomes
from analyses.options.certificate import EvidenceOptions as Options
from analyses.options.circuits import RouteAblationOptions
from analyses.options.interventions import CONTROLS
from analyses.questions.examples import Examples
from circuits.circuit.ablated_run import ABLATIONS, VARIANTS
from circuits.corpus.shortcuts import shortcut_answers
from circuits.errors import HopscopeError
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer
from circuits.patching.engine import PatchEngine

DONORS = ("question", "atomic")


def run(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """What each question shows; 0 or 1, or -1 where it has no donor or placebo."""
    hops = examples.queries.asked_ids.shape[1] - 1
    if hops != 2:
        raise HopscopeError(
            f"a certificate is about two-hop questions, but those of {examples.split!r} have "
            f"{hops} hop{'' if hops == 1 else 's'}; use a run with splits.hops = 2."
        )
    if examples.queries.ragged:
        return _of_text(model, examples, options)
    names, behaviour = _behaviour(model, examples)
    real, placebo, has_placebo = decoded(model, examples, options.seed)
    places = ("example", "layer", "position")
    engine = PatchEngine(model)
    variables: dict[str, Any] = {
        **behaviour,
        "decoded_example": _flags(places, real, "the bridge is the lens's top token"),
        "placebo_decoded_example": _flags(
            places,
            np.where(has_placebo[:, None, None], placebo, -1),
            "another bridge is the lens's top token, -1: there is none",
        ),
        "swap_example": _flags(
            ("example", "donor", "control", "layer", "position"),
            _swaps(engine, examples, options.seed),
            "0 other answer, 1 the donor bridge's, 2 kept, -1 no donor",
        ),
        "route_example": _flags(
            ("example", "ablation", "variant"),
            _routes(engine, examples, options.seed).right,
            "answered rightly with the ablated model",
        ),
    }
    coords = {
        "shortcut": names,
        "donor": list(DONORS),
        "control": list(CONTROLS),
        "ablation": list(ABLATIONS),
        "variant": list(VARIANTS),
        "layer": np.arange(model.depth + 1),
        "position": list(examples.queries.positions),
    }
    return xr.Dataset(variables, coords)


def _of_text(model: HookedTransformer, examples: Examples, options: Options) -> xr.Dataset:
    """The same of sentences (`analyses.certificate.in_text`), and where the hop is complete."""
    queries = examples.queries
    given = examples.once("shortcuts", lambda: shortcut_answers(examples.corpus, queries))
    answers = np.stack(list(given.values()), 1)
    found = text_evidence(model, examples, answers, options.seed)
    places, asked = ("example", "layer", "position"), ("example", "shortcut")
    right = answers == queries.answer_ids[:, None]
    variables = {
        "right_example": _flags(("example",), found.right, "the model is right"),
        "shortcut_right_example": _flags(asked, right, "the shortcut is right"),
        "shortcut_same_example": _flags(
            asked, found.shortcut_same, "the shortcut answers as the model does"
        ),
        "decoded_example": _flags(
            places, found.decoded, "the bridge's first token is the lens's top token"
        ),
        "placebo_decoded_example": _flags(
            places, found.placebo, "that of another bridge is, -1: there is none"
        ),
        "swap_example": _flags(
            ("example", "donor", "control", "layer", "position"), found.swaps,
            "0 other answer, 1 the donor bridge's, 2 kept, -1 no donor",
        ),
        "route_example": _flags(
            ("example", "ablation", "variant"), found.routes, "answered rightly after the knockout"
        ),
        "complete": (
            ("position",), found.complete.astype(np.int8),
            {"long_name": "the first hop is complete where the role is read", "per_step": False},
        ),
    }  # fmt: skip
    coords = {
        "shortcut": list(given),
        "donor": list(DONORS),
        "control": list(CONTROLS),
        "ablation": list(TEXT_ABLATIONS),
        "variant": list(VARIANTS),
        "layer": np.arange(model.depth + 1),
        "position": list(queries.positions),
    }
    return xr.Dataset(variables, coords)


def _flags(dims: tuple[str, ...], values: np.ndarray, text: str) -> tuple[Any, ...]:
    return (dims, values.astype(np.int8), {"long_name": text})


@torch.no_grad()
def _behaviour(model: HookedTransformer, examples: Examples) -> tuple[list[str], dict[str, Any]]:
    """Names of the shortcuts; what the model and they answer."""
    queries = examples.queries
    given = examples.once("shortcuts", lambda: shortcut_answers(examples.corpus, queries))
    answers = np.stack(list(given.values()), 1)
    top = fast_logits(model, queries.tokens.to(model.device)).argmax(-1).cpu().numpy()
    answer = queries.answer_ids
    dims = ("example", "shortcut")
    same = answers == top[:, None]
    return list(given), {
        "right_example": _flags(("example",), top == answer, "the model is right"),
        "shortcut_right_example": _flags(dims, answers == answer[:, None], "the shortcut is right"),
        "shortcut_same_example": _flags(dims, same, "the shortcut answers as the model does"),
    }


def _swaps(engine: PatchEngine, examples: Examples, seed: int) -> np.ndarray:
    """Outcomes [n, donor, control, layer, position]."""
    found = []
    for donors in all_donors(examples, seed):
        outcome = swap_outcomes(engine, examples, donors)
        found.append(np.where((donors.rows >= 0).T[..., None, None], outcome, -1))
    found[1][..., [0, 2]] = -1  # an atomic prompt has a state of its own at relation_1 only
    return np.stack(found, 1)


def _routes(engine: PatchEngine, examples: Examples, seed: int) -> AblatedRuns:
    return route_runs(engine, examples, RouteAblationOptions(seed=seed))
