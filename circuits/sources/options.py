"""Base of every source's options."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SourceOptions(BaseModel):
    """Options of one source; unknown keys are refused, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
