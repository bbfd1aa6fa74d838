#!/usr/bin/env bash
# submitit's local executor hides all GPUs, or gives a job a GPU that its user was not given.
#
# Versions: submitit 1.5.4.
#
# Behaviour: a job of the local executor gets its own CUDA_VISIBLE_DEVICES, whatever the caller's was. Without
# `gpus_per_node` it is the empty string, so no GPU is seen; with `gpus_per_node=1` it is "0". The caller's
# "3" (the one GPU reserved on a shared machine) is overwritten in both cases.
# The debug executor, which runs the same function in the caller's process, keeps "3".
#
# Why it surprises: the local executor passes on the rest of the environment and is meant for trying out what later
# goes to a cluster. A job written with "cuda if available, else cpu" trains on the CPU and says nothing; one
# that asks for a GPU lands on card 0, beside somebody else's job. The remedy, `visible_gpus`, exists only on
# `LocalExecutor`; `AutoExecutor`, which everyone uses, refuses `local_visible_gpus`.
#
# Seen on 2026-11-28: caller "3": debug "3", local "", local with gpus_per_node=1 "0", LocalExecutor with
# visible_gpus=(3,) "3".
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq submitit==1.5.4
cd "$work"
cat > try.py <<'PY'
import os
import sys

import submitit


def devices():
    return os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("MY_OWN")


def seen(executor, **parameters):
    executor.update_parameters(timeout_min=2, **parameters)
    return executor.submit(devices).result()


if __name__ == "__main__":
    found = {
        "debug": seen(submitit.AutoExecutor("logs", cluster="debug")),
        "local": seen(submitit.AutoExecutor("logs", cluster="local")),
        "local, one GPU": seen(submitit.AutoExecutor("logs", cluster="local"), gpus_per_node=1),
        "LocalExecutor, visible_gpus": seen(
            submitit.LocalExecutor("logs"), gpus_per_node=1, visible_gpus=(3,)
        ),
    }
    try:
        submitit.AutoExecutor("logs", cluster="local").update_parameters(local_visible_gpus=(3,))
        refused = False
    except NameError as error:
        refused = True
        print("AutoExecutor:", str(error).splitlines()[0])
    print("caller:", devices())
    for name, value in found.items():
        print(f"{name}: {value}")
    holds = [value for value, _ in found.values()] == ["3", "", "0", "3"]
    kept = all(own == "yes" for _, own in found.values())
    sys.exit(0 if holds and kept and refused else "the behaviour has changed")
PY
CUDA_VISIBLE_DEVICES=3 MY_OWN=yes "$work/venv/bin/python" try.py
