"""The numbers of one finished run, by name, as the tables and the CSV have them.

Accuracy, decoding, swaps and routes are those of the certificate: on up to 1,000 questions of the
split at the last step, at the state that is best on trained questions. Dates are those of the
evaluations during training. Comparisons have no certificate, and a split may have too few
questions for one: accuracies are then those of the last evaluation, beside the best shortcut of
the whole split.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analyses.certificate.certify import Certificate, certify, stored_certificate
from app.results.beyond import beyond_shortcuts
from app.results.mixing import mixed_in
from circuits.corpus.names import ID_TEST, IO_TEST, OI_TEST, OOD_TEST
from circuits.corpus.shortcuts import best_shortcut
from circuits.runs.run import Run

NONE = float("nan")

MEASURES: dict[str, str] = {
    "bridges": "bridges of ID test, effective number",
    "memorized_step": "memorized at step",
    "id_at_memorization": "ID there",
    "generalized_step": "ID >= .95 at step",
    "id": "ID",
    "id_shortcut": "best shortcut",
    "id_beyond": "ID, of those that no shortcut answers",
    "id_beyond_n": "ID questions that no shortcut answers",
    "ood": "OOD",
    "ood_shortcut": "best shortcut on OOD",
    "ood_n": "OOD questions",
    "io": "first hop ID, second OOD",
    "oi": "first hop OOD, second ID",
    "decoded": "bridge decoded",
    "swap": "answers that follow a swapped bridge",
    "swap_placebo": "placebo donors",
    "route_mean": "route alone, mean",
    "route_interchange": "route alone, interchange",
    "ood_decoded": "OOD: bridge decoded",
    "ood_swap": "OOD: follow a swapped bridge",
    "ood_route": "OOD: route alone, mean",
    "ood_mixed": "OOD: decoded bridge mixed in",
    "ood_mixed_random": "OOD: random entity mixed in",
    "verdict": "verdict",
}
"""Every measure in words."""

STEPS = ("memorized_step", "generalized_step", "bridges", "id_beyond_n", "ood_n")
"""Measures that are not shares."""


def measured(run: Run) -> dict[str, Any]:
    """All measures of a finished run; NaN for what it does not have (an event, a split)."""
    rows = run.rows()
    found = _certified(run) if run.corpus.task == "composition" else _evaluated(run)
    return {
        **dates(run.grok, rows),
        **found,
        **beyond_shortcuts(run),
        "ood_n": float(len(run.queries(OOD_TEST))),
        "io": rows[-1].get(f"accuracy/{IO_TEST}", NONE),
        "oi": rows[-1].get(f"accuracy/{OI_TEST}", NONE),
    }


def _certified(run: Run) -> dict[str, Any]:
    found = certify(run, progress=False)
    return {
        "bridges": run.diversity[ID_TEST]["bridges"]["effective"],
        **_behaviour(found, "id"),
        **_inside(found, ""),
        **_ood(run),
        "verdict": found.verdict,
    }


def _evaluated(run: Run) -> dict[str, Any]:
    return {**_last_accuracy(run, "id", ID_TEST), **_last_accuracy(run, "ood", OOD_TEST)}


def _last_accuracy(run: Run, name: str, split: str) -> dict[str, float]:
    best = best_shortcut(run.baselines.get(split, {}))
    return {
        name: run.rows()[-1].get(f"accuracy/{split}", NONE),
        f"{name}_shortcut": NONE if best is None else best[1],
    }


def dates(grok: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, float]:
    """When the run memorized and generalized, and how much it had generalized by then.

    >>> rows = [{"step": 0, "accuracy/id_test": 0.0}, {"step": 100, "accuracy/id_test": 0.25}]
    >>> dates({"memorization_step": 100, "grok_step": None}, rows)
    {'memorized_step': 100.0, 'id_at_memorization': 0.25, 'generalized_step': nan}
    """
    memorized, generalized = grok.get("memorization_step"), grok.get("grok_step")
    there = [row[f"accuracy/{ID_TEST}"] for row in rows if row["step"] == memorized]
    return {
        "memorized_step": NONE if memorized is None else float(memorized),
        "id_at_memorization": there[0] if there else NONE,
        "generalized_step": NONE if generalized is None else float(generalized),
    }


def _ood(run: Run) -> dict[str, Any]:
    found = stored_certificate(run, split=OOD_TEST)  # its evidence came with that of ID questions
    if found is None:
        return _last_accuracy(run, "ood", OOD_TEST)
    inside = _inside(found, "ood_")
    return {
        **_behaviour(found, "ood"),
        **mixed_in(run),
        "ood_decoded": inside["ood_decoded"],
        "ood_swap": inside["ood_swap"],
        "ood_route": inside["ood_route_mean"],
    }


def _behaviour(found: Certificate, name: str) -> dict[str, Any]:
    numbers = found["generalizes"].numbers
    return {
        name: numbers.get("accuracy", NONE),
        f"{name}_shortcut": numbers.get("shortcut_accuracy", NONE),
    }


def _inside(found: Certificate, prefix: str) -> dict[str, Any]:
    swap, route = found["used"].numbers, found["second_hop"].numbers
    return {
        f"{prefix}decoded": found["decoded"].value,
        f"{prefix}swap": swap.get("question_donors", NONE),
        f"{prefix}swap_placebo": swap.get("placebo", NONE),
        f"{prefix}route_mean": route.get("alone_mean", NONE),
        f"{prefix}route_interchange": route.get("alone_interchange", NONE),
    }
