"""Lens, tracing and bridge patching over many checkpoints, and how their cost grows.

Run as `python tests/benchmarks/bench_analyses.py [--checkpoints 100] [--jobs 2]`. The model has the
demo's size; weights are random, which costs the same as trained ones.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch


def main() -> None:
    """Print the walk's seconds and the growth in checkpoints and in states."""
    from hand_wired import random_corpus, random_model, save_as_run

    from analyses import analyze
    from analyses.catalog import CATALOG
    from analyses.examples import draw_examples

    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoints", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    names = ("logit_lens", "causal_tracing", "bridge_patching")
    corpus = random_corpus(217, 27)
    shape = {"d_model": 128, "n_heads": 4, "init_range": 0.02}
    model = random_model(corpus, n_layers=4, **shape)
    for count in (given.checkpoints // 4, given.checkpoints // 2, given.checkpoints):
        with tempfile.TemporaryDirectory() as folder:
            run = save_as_run(Path(folder) / "run", corpus, dict.fromkeys(range(count), model))
            start = time.perf_counter()
            for name in names:
                analyze(run, name, n_jobs=given.jobs, progress=False)
            seconds = time.perf_counter() - start
            stored = sum(f.stat().st_size for f in run.results_dir.rglob("*") if f.is_file())
            print(
                f"{count:4} checkpoints, {given.jobs} processes: {seconds:6.1f} s, "
                f"{seconds / count:.3f} s each; results {stored / 1e6:.1f} MB"
            )
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process: {memory:.0f} MiB resident, libraries included")
    torch.set_num_threads(1)
    examples = draw_examples(corpus, "train_inferred")
    for n_layers in (2, 4, 8, 16):
        model = random_model(corpus, n_layers=n_layers, **shape)
        took = []
        for name in names:
            entry = CATALOG[name]
            options = entry.options({})
            entry.run(model, examples, options)
            start = time.process_time()
            entry.run(model, examples, options)
            took.append(time.process_time() - start)
        states = (n_layers + 1) * 3
        each = ", ".join(f"{n} {1e3 * t / states:.1f}" for n, t in zip(names, took, strict=True))
        print(f"{n_layers:2} layers, {states} states: ms of one core per state: {each}")


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
