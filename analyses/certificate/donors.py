"""Whose states the certificate swaps in: other questions, and atomic prompts."""

from __future__ import annotations

from analyses.interventions.atomic_donors import draw_atomic_donors
from analyses.interventions.bridge_patching import Donors, draw_donors
from analyses.options.interventions import BridgePatchingOptions
from analyses.questions.examples import Examples


def all_donors(examples: Examples, seed: int) -> tuple[Donors, Donors]:
    """Donors that are questions and donors that are atomic prompts, drawn once for all steps."""
    found: tuple[Donors, Donors] = examples.once(
        ("all donors", seed),
        lambda: (
            draw_donors(examples, BridgePatchingOptions(seed=seed)),
            draw_atomic_donors(examples, seed),
        ),
    )
    return found
