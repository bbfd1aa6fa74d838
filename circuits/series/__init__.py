"""A series of checkpoints that others trained: found on disk, read, and checked.

>>> from circuits.series import find_series
>>> find_series("assets/demo").layout
'hopscope run'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from circuits.series.folders import FoundSeries, find_series
from circuits.series.record import Finding, SeriesCheck
from circuits.series.step_files import StepFiles

if TYPE_CHECKING:
    from circuits.series.checking.check import check_series

__all__ = ["Finding", "FoundSeries", "SeriesCheck", "StepFiles", "check_series", "find_series"]


def __getattr__(name: str) -> Any:  # imported on first use, as in `circuits`
    if name != "check_series":
        raise AttributeError(f"module 'circuits.series' has no attribute {name!r}")
    return getattr(import_module("circuits.series.checking.check"), name)
