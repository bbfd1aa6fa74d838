#!/usr/bin/env bash
# xarray's mean of half-precision numbers is off by percents, or infinite, where numpy's is exact.
#
# Versions: xarray 2026.9.0, numpy 2.4.6, pandas 3.1.1.
#
# Behaviour: `np.mean` sums float16 in float32, as its manual promises. xarray's `.mean()` skips missing
# values by default, so it goes through `nanmean`, which sums in float16, whether or not a value is
# missing. With `skipna=False` the same call is exact. How wrong it is depends on the memory layout: along
# a contiguous axis numpy sums in pairs and the error is small; along any other it adds one by one, and a
# sum of numbers below 1 never gets past 2,048, so 16,000 values have the "mean" 2048 / 16000. `.var()` is
# built on that mean.
#
# Why it surprises: float16 is a usual choice for storing per-question effects or activations, and
# "average over the questions" is the first thing done to them. Nothing is missing, nothing warns
# (except when the sum overflows), and the result is of the right size.
#
# Seen on 2026-11-28: 4,000 uniform numbers of mean 0.4985: numpy 0.4985, xarray 0.4961; 16,000 of mean
# 0.5013: numpy 0.5015, xarray 0.1281; their variance 0.0834: xarray 0.1281. 200,000 times 0.5: numpy 0.5,
# xarray inf.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq xarray==2026.9.0 numpy==2.4.6 pandas==3.1.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import numpy as np
import xarray as xr

worst = {}
for questions in (4_000, 16_000):
    stored = np.random.default_rng(0).random((questions, 3)).astype(np.float16)
    effects = xr.DataArray(stored, dims=("question", "head"))
    true = stored.astype(np.float64).mean(0)
    by_numpy = stored.mean(0)
    by_xarray = effects.mean("question").values
    no_skip = effects.mean("question", skipna=False).values
    print(f"{questions:6d} questions, second head: true {true[1]:.4f}, numpy {by_numpy[1]:.4f}, "
          f"xarray {by_xarray[1]:.4f}, xarray skipna=False {no_skip[1]:.4f}")
    worst[questions] = np.abs(by_xarray - true).max() / true.max()
    assert np.allclose(by_numpy, true, atol=5e-4) and np.allclose(no_skip, true, atol=5e-4)
variance = float(effects.var("question")[1]), float(stored[:, 1].astype(np.float64).var())
print(f"variance: true {variance[1]:.4f}, xarray {variance[0]:.4f}")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    halves = xr.DataArray(np.full(200_000, 0.5, np.float16), dims="question")
    infinite = float(halves.mean())
print("200,000 times 0.5: numpy", halves.values.mean(), "xarray", infinite)

holds = (
    worst[4_000] > 0.003
    and worst[16_000] > 0.3
    and abs(variance[0] / variance[1] - 1) > 0.02
    and np.isinf(infinite)
)
sys.exit(0 if holds else "the behaviour has changed")
PY
