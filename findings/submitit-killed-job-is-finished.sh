#!/usr/bin/env bash
# A local submitit job that was killed counts as FINISHED, and its result keeps the caller waiting.
#
# Versions: submitit 1.5.4.
#
# Behaviour: the job's function ends by SIGKILL, as it does when memory runs out. Within a second `job.done()` is
# True and `job.state` is "FINISHED", the same as after success. `job.result()` then waits about fifteen
# seconds for a result file that cannot come, and only after them raises UncompletedJobError. `job.exception()` does
# the same, job after job.
#
# Why it surprises: submitit has a state for it ("INTERRUPTED"), but it looks at the process that watches the
# job and not at the job. A loop that collects "all that is done" or counts FINISHED takes dead runs for
# good ones, and a sweep whose forty runs ran out of memory needs ten minutes to say so.
#
# Seen on 2026-11-28: done() and "FINISHED" after 1 s; UncompletedJobError after a further 15 s; for a job
# that succeeded result() took less than 1 s.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq submitit==1.5.4
cd "$work"
cat > try.py <<'PY'
import os
import signal
import sys
import time

import submitit


def good():
    return "result"


def out_of_memory():
    os.kill(os.getpid(), signal.SIGKILL)  # the job ends itself the way the kernel would end it


def run(function):
    job = executor.submit(function)
    while not job.done():
        time.sleep(0.1)
    state, start = job.state, time.monotonic()
    try:
        outcome = job.result()
    except submitit.core.utils.UncompletedJobError:
        outcome = "UncompletedJobError"
    waited = time.monotonic() - start
    print(f"{function.__name__}: done, state {state}; after {waited:.1f} s more: {outcome}")
    return state, outcome, waited


if __name__ == "__main__":
    executor = submitit.AutoExecutor(folder="logs", cluster="local")
    executor.update_parameters(timeout_min=2)
    state, outcome, waited = run(good)
    assert (state, outcome) == ("FINISHED", "result") and waited < 5
    state, outcome, waited = run(out_of_memory)
    holds = state == "FINISHED" and outcome == "UncompletedJobError" and waited > 8
    sys.exit(0 if holds else "the behaviour has changed")
PY
"$work/venv/bin/python" try.py
