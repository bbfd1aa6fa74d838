"""Options that every analysis has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AnalysisOptions(BaseModel):
    """Options that every analysis has; an unknown option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    examples: int = Field(default=300, ge=5)
    """Examples per split; they are drawn once and are the same at every checkpoint."""
    seed: int = 0
    """Seed of the draw of examples and of everything else that is random."""
