"""Analyses that live outside this package: installed with another one, or added by a script.

A package declares entries of the catalog in its `pyproject.toml`; they are then known to the
command line and to every worker:

    [project.entry-points."hopscope.analyses"]
    my_analysis = "my_package.entry:ENTRY"      # an `Analysis`

The module with the entry should import little, for it is imported whenever the catalog is. A script
or notebook calls `analyses.add_analysis`.
"""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, entry_points

from analyses.analysis import Analysis

GROUP = "hopscope.analyses"


def installed() -> dict[str, Analysis]:
    """Entries that installed packages declare, by name; one that fails is left out with a warning.

    >>> isinstance(installed(), dict)
    True
    """
    found = filter(None, map(_entry, entry_points(group=GROUP)))
    return {entry.name: entry for entry in found}


def _entry(point: EntryPoint) -> Analysis | None:
    """What an entry point names, if it is an analysis."""
    try:
        entry = point.load()
    except Exception as error:  # another package's fault must not take the catalog with it
        why = f"{type(error).__name__}: {error}"
    else:
        if isinstance(entry, Analysis):
            return entry
        why = f"it is a {type(entry).__name__}, not an Analysis"
    whose = point.dist.name if point.dist else "an installed package"
    warnings.warn(f"the analysis {point.value} of {whose} is left out ({why}).", stacklevel=2)
    return None
