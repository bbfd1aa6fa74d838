#!/usr/bin/env bash
# A copied, pickled or saved plotly figure still draws, but its numbers are two strings in a dict.
#
# Versions: plotly 7.1.0, numpy 2.4.6, pandas 3.0.2.
#
# Behaviour: a trace that was given a numpy array or a pandas column gives an array back. After
# `copy.deepcopy`, `pickle`, `to_dict` or `from_json` the same attribute is a dict with the keys `dtype` and
# `bdata` (base64 of the bytes). Drawing is unchanged. Lists and float16 arrays stay
# numbers, so whether a figure survives depends on what it was made from. `go.Figure(figure)` is the one
# copy that keeps arrays.
#
# Why it surprises: a deep copy is expected to equal what was copied, and Figure says that it does (`==` is
# true). `len(y)` is 2 and a loop over y gives "dtype" and "bdata" without an error; a mean raises one. What
# comes back from a worker process, from a cache that pickles (Streamlit's, joblib's) or from a JSON file
# written for a paper is such a figure.
#
# Seen on 2026-11-28, four numbers (.1, .5, .3, .4) as y:
#   given as           read as given   deepcopy   pickle   from_json   length then
#   list               tuple           tuple      tuple    tuple       4
#   float64 array      ndarray         dict       dict     dict        2
#   float32 array      ndarray         dict       dict     dict        2
#   float16 array      ndarray         ndarray    ndarray  tuple       4
#   column of pandas   ndarray         dict       dict     dict        2
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq plotly==7.1.0 numpy==2.4.6 pandas==3.0.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
import copy
import pickle
import sys

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio

numbers = [0.1, 0.5, 0.3, 0.4]
given = {
    "list": numbers,
    "float64 array": np.array(numbers),
    "float32 array": np.array(numbers, dtype=np.float32),
    "float16 array": np.array(numbers, dtype=np.float16),
    "column of pandas": pd.DataFrame({"y": numbers})["y"],
}
copies = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda figure: pickle.loads(pickle.dumps(figure)),
    "from_json": lambda figure: pio.from_json(figure.to_json()),
}
lost = {}
for name, y in given.items():
    figure = go.Figure(go.Scatter(y=y))
    read = {"read as given": figure} | {way: make(figure) for way, make in copies.items()}
    kinds = [type(made.data[0].y).__name__ for made in read.values()]
    length = len(read["deepcopy"].data[0].y)
    equal = copy.deepcopy(figure) == figure
    lost[name] = kinds[1:] == ["dict"] * 3 and length == 2 and equal
    print(f"{name:18s} {'  '.join(f'{k:8s}' for k in kinds)} length {length}  copy == figure: {equal}")
expected = {name: name not in ("list", "float16 array") for name in given}
sys.exit(0 if lost == expected else "the behaviour has changed")
PY
