"""Options of the analyses in `analyses.over_training`."""

from __future__ import annotations

from pydantic import Field

from analyses.options.common import AnalysisOptions


class CrosscoderOptions(AnalysisOptions):
    """What is coded, and how."""

    examples: int = Field(default=4000, ge=40)
    """Trained questions that are drawn; equal beginnings of questions are one prompt."""
    checkpoints: int = Field(default=10, ge=2)
    """About so many checkpoints, half of them evenly spread and the others early ones, unless
    steps are given."""
    layer: int | None = None
    """Layer of the state; None: depth - 1."""
    position: str = "relation_1"
    """Position of the state."""
    features: int = Field(default=512, ge=2)
    """Features of the code."""
    active: int = Field(default=8, ge=1)
    """Features that a prompt uses on average."""
    fit_steps: int = Field(default=1000, ge=1)
    """Adam steps of the fit."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Learning rate of the fit."""
    held_out: float = Field(default=1 / 3, gt=0, lt=1)
    """Share of the prompts that are set aside."""
    penalty: float = Field(default=100.0, gt=0)
    """L2 penalty of the probe, for states scaled to unit variance."""
