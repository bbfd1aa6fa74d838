"""Options of the analyses in `analyses.latent`."""

from __future__ import annotations

from pydantic import Field

from analyses.options.common import AnalysisOptions


class PatchscopesOptions(AnalysisOptions):
    """Into what a state is written."""

    prompt: str = "king king\n1135 1135\nhello hello\n?"
    """The target prompt; the state is written over the last placeholder in it."""
    placeholder: str = Field(default="?", min_length=1)
    """What is written over."""
    into: int | None = Field(default=None, ge=0)
    """Layer into which a state is written; None: the layer that it is from."""
    generate: int = Field(default=0, ge=0, le=50)
    """Tokens that are decoded to look for whole names; 0: only the next token is looked at."""
