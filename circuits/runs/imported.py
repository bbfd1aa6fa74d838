"""What the manifest of an imported run says about where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Imported:
    """A run that others trained, and what is not known of it.

    >>> entry = {"source": "out", "model": "ours", "link": None, "unknown": ["training"]}
    >>> Imported.of({"imported": entry}).words
    'Imported from out: optimizer and settings of training are unknown; accuracies were measured at
    import.'
    """

    source: str
    """Name of the folder."""
    model: str
    """ "ours", or "bridge" for one that TransformerLens runs."""
    link: str | None
    """Folder of the weights if they were left there."""
    unknown: tuple[str, ...]
    """Sections of the recipe, and "seed", that say nothing about the run."""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Imported | None:
        """The entry of a manifest; None for a run that was trained here."""
        entry = manifest.get("imported")
        if not isinstance(entry, dict):
            return None
        link = entry.get("link")
        return cls(
            source=str(entry.get("source")),
            model=str(entry.get("model", "ours")),
            link=None if link is None else str(link),
            unknown=tuple(map(str, entry.get("unknown", ()))),
        )

    @property
    def words(self) -> str:
        """Where it is from and what is unknown, in a sentence."""
        return (
            f"Imported from {self.source}: optimizer and settings of training are unknown; "
            "accuracies were measured at import."
        )
