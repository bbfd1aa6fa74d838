#!/usr/bin/env bash
# safetensors writes a transposed or strided numpy array with its values in other places.
#
# Versions: safetensors 0.8.0, numpy 2.4.6, torch 2.13.0.
#
# Behaviour: `safetensors.numpy.save` takes the raw memory of the array and ignores its strides. A transposed
# matrix is read back with the right shape and the values of the untransposed one, laid out anew; every second
# element of a vector is read back as the first half of the vector. Nothing is raised. The torch side
# of the same library refuses a tensor that is not contiguous and says what to do.
#
# Why it surprises: transposing is how one goes between the [in, out] and [out, in] conventions for
# weights, which is just what people do when they write a checkpoint. Shape, dtype, mean, norm and
# histogram of the file are all right; only the model is not.
#
# Seen on 2026-11-28: [[0,1,2],[3,4,5]].T came back as [[0,1],[2,3],[4,5]]; arange(6)[::2] as [0,1,2];
# torch raised ValueError for the same tensor.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq safetensors==0.8.0 numpy==2.4.6 torch==2.13.0
cd "$work"
OMP_NUM_THREADS=1 "$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

transposed = np.arange(6.0).reshape(2, 3).T
strided = np.arange(6.0)[::2]
fortran = np.asfortranarray(np.arange(4.0).reshape(2, 2))
read = safetensors.numpy.load(
    safetensors.numpy.save({"transposed": transposed, "strided": strided, "fortran": fortran})
)
for name, given in (("transposed", transposed), ("strided", strided), ("fortran", fortran)):
    print(f"{name}: saved {given.tolist()}, read {read[name].tolist()}")

try:
    safetensors.torch.save({"transposed": torch.from_numpy(transposed)})
    refused = False
except ValueError as error:
    refused = True
    print("torch:", str(error).split(".")[0][:70], "...")

copied = safetensors.numpy.load(safetensors.numpy.save({"w": np.ascontiguousarray(transposed)}))
holds = (
    read["transposed"].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    and read["strided"].tolist() == [0.0, 1.0, 2.0]
    and read["fortran"].tolist() == [[0.0, 2.0], [1.0, 3.0]]
    and np.array_equal(copied["w"], transposed)
    and refused
)
sys.exit(0 if holds else "the behaviour has changed")
PY
