"""Options of the analysis in `analyses.certificate`."""

from __future__ import annotations

from pydantic import Field

from analyses.options.common import AnalysisOptions


class EvidenceOptions(AnalysisOptions):
    """Options of the evidence."""

    examples: int = Field(default=1000, ge=5)
    """Questions per split: enough for intervals of three hundredths to either side."""
