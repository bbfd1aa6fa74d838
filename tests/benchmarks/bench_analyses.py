"""Lens, tracing and bridge patching over many checkpoints, and how their cost grows.

Run as `python tests/benchmarks/bench_analyses.py [--checkpoints 100] [--jobs 2] [--growth]`. The
model is a little larger than the demo's; weights are random, which costs the same as trained ones.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

WALKED = ("logit_lens", "causal_tracing", "bridge_patching")
GROWING: dict[str, dict[str, Any]] = {
    **{name: {} for name in WALKED},
    "component_patching": {},
    "path_patching": {"heads": False, "parts": False},
    "circuit_discovery": {},
}
"""Analyses whose cost by layers is measured, and their options."""
ALL_EDGES_TO = 8
"""Layers up to which all edges are patched: they grow with the square of the depth."""
SHAPE = {"d_model": 128, "n_heads": 4, "init_range": 0.02}


def main() -> None:
    """Print the walk's seconds and the growth in checkpoints and in layers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoints", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--growth", action="store_true", help="the growth in layers alone")
    given = parser.parse_args()
    if not given.growth:
        walk(given.checkpoints, given.jobs)
    grow()


def walk(checkpoints: int, jobs: int) -> None:
    """Three analyses over a quarter, a half and all of the checkpoints."""
    from hand_wired import random_corpus, random_model, save_as_run

    from analyses import analyze

    corpus = random_corpus(217, 27)
    model = random_model(corpus, n_layers=4, **SHAPE)
    for count in (checkpoints // 4, checkpoints // 2, checkpoints):
        with tempfile.TemporaryDirectory() as folder:
            run = save_as_run(Path(folder) / "run", corpus, dict.fromkeys(range(count), model))
            start = time.perf_counter()
            for name in WALKED:
                analyze(run, name, n_jobs=jobs, progress=False)
            seconds = time.perf_counter() - start
            stored = sum(f.stat().st_size for f in run.results_dir.rglob("*") if f.is_file())
            print(
                f"{count:4} checkpoints, {jobs} processes: {seconds:6.1f} s, "
                f"{seconds / count:.3f} s each; results {stored / 1e6:.1f} MB"
            )
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process: {memory:.0f} MiB resident, libraries included")


def grow() -> None:
    """Seconds of one core per checkpoint by layers, and the power of the layers they grow with.

    A patch of one state is exact only if all blocks after it are run, so what patches every state
    grows with the square of the layers: the power is 2 less what does not grow, not 1.
    """
    from hand_wired import random_corpus, random_model

    from analyses.catalog import CATALOG
    from analyses.examples import draw_examples

    torch.set_num_threads(1)
    corpus = random_corpus(217, 27)
    examples = draw_examples(corpus, "train_inferred")
    for name, given in GROWING.items():
        entry, took = CATALOG[name], {}
        options = entry.options(given)
        for n_layers in (2, 4, 8, 16):
            if name == "path_patching" and n_layers > ALL_EDGES_TO:
                continue
            model = random_model(corpus, n_layers=n_layers, **SHAPE)
            if not took:
                entry.run(model, examples, options)
            start = time.process_time()
            entry.run(model, examples, options)
            took[n_layers] = time.process_time() - start
        power = np.polyfit(np.log(list(took)), np.log(list(took.values())), 1)[0]
        each = ", ".join(f"{n} layers {t:.2f} s" for n, t in took.items())
        print(f"{name}: {each}; power {power:.1f}", flush=True)


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
