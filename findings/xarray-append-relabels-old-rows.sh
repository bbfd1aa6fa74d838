#!/usr/bin/env bash
# Appending to a Zarr store with xarray relabels the rows that are already there.
#
# Versions: xarray 2026.9.0, zarr 3.1.6, numpy 2.4.6, pandas 3.1.1.
#
# Behaviour: `to_zarr(store, append_dim="step")` lines up nothing along the other dimensions. When the
# new rows have the same labels of `component` in another order, the values are appended by position
# and the label array is overwritten: every old value then stands under another name, and only the new
# rows are right. With `mode="a-"` it is the other way round: the old rows keep their names and the new
# row is filed under wrong ones. Labels never seen before ("bias" for "mlp") are taken just as quietly.
#
# Why it surprises: everywhere else (arithmetic, concat, merge) xarray aligns by label, which is what one
# has it for. Append does refuse labels whose *string length* differs ("<U3" against "<U5"), so it
# looks as if labels were compared. An analysis that builds its rows from a set or a dict in another order
# spoils a month of results with one call.
#
# Seen on 2026-11-28: stored attn=1, mlp=10; appended mlp=20, attn=2; read back at step 0: attn=10,
# mlp=1, with no warning about labels.
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


def rows(step, **effects):
    names = np.array(list(effects), dtype="<U4")
    return xr.Dataset(
        {"effect": (("step", "component"), [list(effects.values())])},
        coords={"step": [step], "component": names},
    )


def read(store, step, component):
    with xr.open_zarr(store, consolidated=False) as found:
        return float(found.effect.sel(step=step, component=component))


def append(store, mode, **effects):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows(0, attn=1.0, mlp=10.0).to_zarr(store, mode="w", consolidated=False)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        rows(1, **effects).to_zarr(store, append_dim="step", mode=mode, consolidated=False)
    return [str(w.message) for w in heard if "specification" not in str(w.message)]


said = append("a.zarr", "a", mlp=20.0, attn=2.0)
old = read("a.zarr", 0, "attn"), read("a.zarr", 0, "mlp")
new = read("a.zarr", 1, "attn"), read("a.zarr", 1, "mlp")
print("mode 'a' :  step 0 was attn=1 mlp=10 and is now", old, "| step 1", new, "| warnings:", said)

said_minus = append("b.zarr", "a-", mlp=20.0, attn=2.0)
old_minus = read("b.zarr", 0, "attn"), read("b.zarr", 0, "mlp")
new_minus = read("b.zarr", 1, "attn"), read("b.zarr", 1, "mlp")
print("mode 'a-':  step 0", old_minus, "| step 1 was attn=2 mlp=20 and is", new_minus)

append("c.zarr", "a", attn=2.0, bias=7.0)
with xr.open_zarr("c.zarr", consolidated=False) as found:
    names = found.component.values.tolist()
    renamed = float(found.effect.sel(step=0, component="bias"))
print("a label never measured at step 0:", names, "-> bias at step 0 =", renamed)

try:
    append("d.zarr", "a", attn=2.0, mlp=20.0)
    rows(2, attn=1.0, mlp=2.0).assign_coords(component=["attn0", "mlp00"]).to_zarr(
        "d.zarr", append_dim="step", consolidated=False
    )
    refused = False
except ValueError as error:
    refused = True
    print("longer strings are refused:", str(error)[:78])

holds = (
    old == (10.0, 1.0)
    and new == (2.0, 20.0)
    and old_minus == (1.0, 10.0)
    and new_minus == (20.0, 2.0)
    and names == ["attn", "bias"]
    and renamed == 10.0
    and refused
    and not said
    and not said_minus
)
sys.exit(0 if holds else "the behaviour has changed")
PY
