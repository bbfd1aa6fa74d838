"""Options that all question files share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from circuits.graph.sources.options import SourceOptions


class QuestionFileOptions(SourceOptions):
    """How a question file is read.

    >>> QuestionFileOptions(limit=100).limit
    100
    """

    merge: Literal["auto", "exact", "normalised", "ids"] = "auto"
    """What makes two mentions one entity: the same text; the same text up to case, spaces and the
    form of dates; or the same Wikidata id (one name of two ids then becomes two entities, "name
    (Q1)"). auto: ids where the file has them, else the same text."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first records."""
    skip_broken: bool = False
    """Leave records out that cannot be read, and count them, in place of refusing the file."""
