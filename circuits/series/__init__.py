"""A series of checkpoints that others trained: found on disk, read, and checked.

>>> from circuits.series import find_series
>>> find_series("assets/demo").layout
'hopscope run'
"""

from __future__ import annotations

from circuits.series.folders import FoundSeries, find_series
from circuits.series.step_files import StepFiles

__all__ = ["FoundSeries", "StepFiles", "find_series"]
