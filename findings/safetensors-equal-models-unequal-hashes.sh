#!/usr/bin/env bash
# The same tensors with the same metadata give a different safetensors file at each save.
#
# Versions: safetensors 0.8.0, torch 2.13.0.
#
# Behaviour: tensors are written in a fixed order, but the metadata strings in the header come out of a
# hash map that is seeded anew on every call. With one key there is one file; with four keys there are up to
# 24, even inside one process and with one and the same dictionary. PYTHONHASHSEED changes nothing.
#
# Why it surprises: the format is known for being plain and deterministic, and a single key
# ({"format": "pt"}, what most tools write) never shows it. As soon as a step or a seed is noted beside the
# weights, SHA-256 manifests, "has anything changed" checks, content-addressed stores and resume-is-bit-for-bit
# tests fail for no reason that a comparison of the tensors would show.
#
# Seen on 2026-11-28: 200 saves, one file with one key, 24 different files with four keys, all of one size.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq safetensors==0.8.0 torch==2.13.0 numpy==2.4.6
cd "$work"
OMP_NUM_THREADS=1 PYTHONHASHSEED=0 "$work/venv/bin/python" - <<'PY'
import hashlib
import sys

import torch
from safetensors.torch import load, save

weights = {"b": torch.arange(4.0), "a": torch.ones(2, 2)}
notes = {"format": "pt", "step": "800", "seed": "0", "run": "demo"}


def files(metadata, times=200):
    return [save(weights, metadata=metadata) for _ in range(times)]


def hashes(contents):
    return {hashlib.sha256(content).hexdigest() for content in contents}


one = hashes(files({"format": "pt"}))
several = files(notes)
print("one metadata key:  ", len(one), "different file(s) of 200")
print("four metadata keys:", len(hashes(several)), "different files of 200,",
      "sizes", {len(content) for content in several})
for header in sorted({content[8:80] for content in several})[:2]:
    print("  ", header)
same = all(torch.equal(load(content)["b"], weights["b"]) for content in several)
sys.exit(0 if len(one) == 1 and len(hashes(several)) > 1 and same else "the behaviour has changed")
PY
