"""Estimates on values whose means are known, and what becomes of them on disk."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analyses.estimates import coarse, half_precision


def test_numbers_beyond_the_range_of_halves_stay_finite() -> None:
    values = np.array([1.0, 70_000.0, np.nan])
    found = half_precision(xr.Dataset({"loss": ("x", values), "share": ("x", values / 1e5)}))
    assert found.loss.dtype == np.float32
    assert found.share.dtype == np.float16
    np.testing.assert_array_equal(found.loss, values)
    large = np.array([1e5, 2e5, 4e5])
    np.testing.assert_allclose(coarse(large), large, atol=large.std() / 2)
