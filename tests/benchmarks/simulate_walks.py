"""100,000 checkpoints on 100 workers, simulated from costs measured on this machine.

    python tests/benchmarks/simulate_walks.py

1. Measured here, in seconds of CPU: computing one checkpoint of the demo (logit lens, causal
   tracing and bridge patching) and appending a block to a stored result; in seconds of the clock,
   starting a process that can do so.
2. Simulated: workers take the next task as soon as they are free; whoever appends to a store waits
   for its lock. Orders of tasks: run after run, and turn by turn over the runs.
"""

from __future__ import annotations

import heapq
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from analyses.stored import stored_result
from analyses.walk import analyze
from circuits.runs.results import ResultStore
from circuits.runs.run import open_run

DEMO = Path("assets/demo")
NAMES = ("logit_lens", "causal_tracing", "bridge_patching")
RUNS, CHECKPOINTS, WORKERS, BLOCK = 100, 1000, 100, 8


def compute_seconds(steps: int = 6) -> float:
    """One checkpoint under the three analyses, without what is read once per run."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(
            DEMO, Path(folder) / "demo", ignore=shutil.ignore_patterns("results")
        )
        run = open_run(copy)
        for name in NAMES:  # the first reads the corpus and draws the examples
            analyze(run, name, steps=run.steps[:1], n_jobs=1, progress=False)
        begun = time.process_time()
        for name in NAMES:
            analyze(run, name, steps=run.steps[1 : 1 + steps], n_jobs=1, progress=False)
        return (time.process_time() - begun) / steps


def append_seconds(stored: int) -> float:
    """Appending a block to a store that holds so many steps already (three stores a block)."""
    block = stored_result(open_run(DEMO), NAMES[0])
    assert block is not None
    block = block.isel(step=slice(0, BLOCK)).load()
    block = block.drop_vars([name for name in block.variables if str(name).startswith("usable")])
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(Path(folder) / "results", NAMES[0], {"version": 1})
        for first in range(0, stored, 128):
            many = block.isel(step=np.arange(128) % BLOCK)
            store.append(many.assign_coords(step=np.arange(first, first + 128)))
        begun = time.process_time()
        store.append(block.assign_coords(step=np.arange(stored, stored + BLOCK)))
        return (time.process_time() - begun) * len(NAMES)


def start_seconds() -> float:
    """A process that has imported what a walk needs."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import analyses.walk, torch"], check=True)
    return time.perf_counter() - begun


def simulated(order: list[int], compute: float, append: float, start: float) -> float:
    """Seconds until all blocks, given by the number of their run, are stored."""
    free = [start] * WORKERS
    heapq.heapify(free)
    unlocked = [0.0] * RUNS
    for run in order:
        computed = heapq.heappop(free) + BLOCK * compute
        unlocked[run] = max(computed, unlocked[run]) + append
        heapq.heappush(free, unlocked[run])
    return max(free)


def main() -> None:
    """Print what was measured and what follows."""
    compute, start = compute_seconds(), start_seconds()
    append, late = append_seconds(0), append_seconds(896)
    print(
        f"measured: {compute:.3f} s a checkpoint, {append:.3f} s to append {BLOCK} to an empty "
        f"store, {late:.3f} s to one of 896, {start:.1f} s to start"
    )
    blocks = CHECKPOINTS // BLOCK
    orders = {
        "run after run": [run for run in range(RUNS) for _ in range(blocks)],
        "turn by turn": [run for _ in range(blocks) for run in range(RUNS)],
    }
    ideal = RUNS * CHECKPOINTS * compute / WORKERS
    for name, order in orders.items():
        took = simulated(order, compute, late, start)
        print(f"{name}: {took:,.0f} s, {ideal / took:.0%} of the {ideal:,.0f} s without overhead")


if __name__ == "__main__":
    main()
