"""The base of all figure specifications."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

_picture: Callable[[Spec], bytes] | None = None


def show_in_notebooks(picture: Callable[[Spec], bytes]) -> None:
    """Let notebooks show figures as the PNG that `picture` gives.

    Specs do not import renderers; the package registers one on import.
    """
    global _picture
    _picture = picture


@dataclass(frozen=True, kw_only=True, eq=False)
class Spec:
    """The fields and methods of every figure."""

    name: str
    """Name within its analysis, also the stem of exported files."""
    title: str
    subtitle: str = ""
    """Questions, step and n, which must accompany the numbers."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Analysis, options, run, seed, step, versions."""

    def frame(self) -> pd.DataFrame:
        """The numbers shown, one observation per row."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data with a "type"; what is not a finite number becomes null."""
        return _plain(self)

    def _repr_png_(self) -> bytes | None:
        """A notebook's view of the figure: the exported picture at page width."""
        return None if _picture is None else _picture(self)


def apart(names: Sequence[str]) -> list[str]:
    """Names for a table, in which equal ones are numbered, so that no two things become one.

    >>> apart(["Paris", "Lyon", "Paris"])
    ['Paris (1)', 'Lyon', 'Paris (2)']
    """
    counts = Counter(names)
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if counts[name] > 1 else name)
    return found


def _plain(value: Any) -> Any:
    """`value` as JSON data; specs and their parts become objects, NaN and infinities null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields} if isinstance(value, Spec) else fields
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
