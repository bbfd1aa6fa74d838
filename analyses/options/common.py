"""Options that every analysis has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from circuits.corpus.role_names import Span


class AnalysisOptions(BaseModel):
    """Options that every analysis has; an unknown option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: int = Field(default=300, ge=5)
    """Examples per split; they are drawn once and are the same at every checkpoint."""
    seed: int = 0
    """Seed of the draw of examples and of everything else that is random."""


class SpanOptions(AnalysisOptions):
    """Options of analyses that can read or replace more than the last token of each role."""

    span: Span = Field(default="last", exclude_if=lambda span: span == "last")
    """Tokens of each role, where names are several tokens or words stand between them: its `last`
    one, `all` of its own, those `after` it up to the next role, or `through`, which is both."""
