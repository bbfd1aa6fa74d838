"""Variables of a result that carry their n: mean, 95% interval, number of examples, the values."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Num

from analyses.questions.examples import with_interval

Variables = dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]
"""Variables of an xarray dataset: (dims, values, attrs) by name."""


def estimated(
    name: str,
    per_example: Num[np.ndarray, "example ..."],
    dims: tuple[str, ...],
    long_name: str,
    *,
    units: str = "1",
    shares: bool = False,
    keep: bool = True,
    over: str = "example",
) -> Variables:
    """`name`, `name_low`, `name_high`, `name_n` and `name_example` (or `name_<over>`).

    Args:
        name: Of the variable.
        per_example: One row per example; NaN where an example has no value.
        dims: Names of the axes after the first.
        long_name: What the number is, in words.
        units: "1" where it has none.
        shares: Values are 0 or 1, so the mean is a share (see `circuits.statistics.bootstrap`).
        keep: Also keep the values of single examples, as single precision.
        over: What an example is called: the name of the first axis.
    """
    attrs = {"long_name": long_name, "units": "share" if shares else units}
    variables: Variables = dict(with_interval(name, dims, per_example, attrs, shares=shares))
    n = np.isfinite(per_example).sum(0)
    variables[f"{name}_n"] = (dims, n, {"long_name": f"{long_name}: {over}s with a value"})
    if keep:
        rows = per_example.astype(np.float32)
        variables[f"{name}_{over}"] = ((over, *dims), rows, attrs)
    return variables
