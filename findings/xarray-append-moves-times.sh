#!/usr/bin/env bash
# A time appended to a Zarr store is read back as another time, years away.
#
# Versions: xarray 2026.9.0, zarr 3.1.6, numpy 2.4.6, pandas 3.1.1.
#
# Behaviour: a store whose times were whole days holds "days since ..." as integers. Append half past six in the
# morning and xarray sees that whole days cannot express it, so it encodes the new value in minutes. The
# unit in the store stays "days", and 1,830 minutes are read as 1,830 days. Durations go the same way:
# ninety minutes appended to hours come back as ninety hours.
#
# Why it surprises: the only word about it is a UserWarning which says that the times are serialized
# "with units minutes instead", so a reader concludes that all is well. That sentence is true for a
# fresh store and false for an append. The older values and the new one alone are each plausible.
#
# Seen on 2026-11-28: 2000-01-02T06:30 was appended and 2005-01-04T00:00 was read; 90 minutes were
# appended and 90 hours were read.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq xarray==2026.9.0 zarr==3.1.6 numpy==2.4.6 pandas==3.1.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
import warnings

import numpy as np
import xarray as xr


def log(*times):
    stamps = np.array(times, dtype="datetime64[ns]")
    return xr.Dataset({"loss": ("time", np.zeros(len(times)))}, coords={"time": stamps})


def durations(step, value, unit):
    took = np.array([value], dtype=f"timedelta64[{unit}]").astype("timedelta64[ns]")
    return xr.Dataset({"took": ("step", took)}, coords={"step": [step]})


log("2000-01-01", "2000-01-02").to_zarr("log.zarr", mode="w", consolidated=False)
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    log("2000-01-02T06:30").to_zarr("log.zarr", append_dim="time", consolidated=False)
for warning in heard:
    print("warning:", str(warning.message)[:150], "...")
with xr.open_zarr("log.zarr", consolidated=False) as found:
    last = found.time.values[-1].astype("datetime64[m]")
print("appended 2000-01-02T06:30, read", last)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    durations(0, 2, "h").to_zarr("took.zarr", mode="w", consolidated=False)
    durations(1, 90, "m").to_zarr("took.zarr", append_dim="step", consolidated=False)
    with xr.open_zarr("took.zarr", consolidated=False, decode_timedelta=True) as found:
        minutes = found.took.values.astype("timedelta64[m]").astype(int).tolist()
print("appended 90 minutes to 120 minutes, read", minutes, "minutes")

holds = last == np.datetime64("2005-01-04T00:00") and minutes == [120, 5400]
sys.exit(0 if holds else "the behaviour has changed")
PY
