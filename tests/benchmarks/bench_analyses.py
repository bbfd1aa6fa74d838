"""Lens, tracing and bridge patching over many checkpoints, and how their cost grows.

Run as `python tests/benchmarks/bench_analyses.py [--checkpoints 100] [--jobs 2] [--growth]`. The
model is a little larger than the demo's; weights are random, which costs the same as trained ones.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
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
LAYERS = (2, 4, 8, 16)
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
    grow_in_positions()


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
    """What a checkpoint costs by layers: in seconds of one core, and in plain passes by cell.

    A cell is one state, S[layer, position]; a plain pass runs the same questions once, unpatched. A
    patched cell is exact only if all blocks after it are run, so it costs some part of a pass: the
    passes are to grow linearly in layers x positions. A pass takes as long as the model is deep.
    """
    from hand_wired import random_corpus, random_model

    from analyses.catalog import CATALOG
    from analyses.questions.examples import draw_examples
    from circuits.patching import PatchEngine

    torch.set_num_threads(1)
    corpus = random_corpus(217, 27)
    examples = draw_examples(corpus, "train_inferred")
    tokens = examples.queries.tokens
    models = {n: random_model(corpus, n_layers=n, **SHAPE) for n in LAYERS}
    plain = {
        n: seconds(partial(PatchEngine.trace, PatchEngine(m), tokens)) for n, m in models.items()
    }
    print("plain pass: " + ", ".join(f"{n} layers {t:.3f} s" for n, t in plain.items()))
    for name, given in GROWING.items():
        entry, took = CATALOG[name], {}
        options = entry.options(given)
        for n_layers, model in models.items():
            if name == "path_patching" and n_layers > ALL_EDGES_TO:
                continue
            took[n_layers] = seconds(partial(entry.run, model, examples, options))
        power = np.polyfit(np.log(list(took)), np.log(list(took.values())), 1)[0]
        cells = {n: tokens.shape[1] * (n + 1) for n in took}
        each = ", ".join(
            f"{n} layers {t:.2f} s ({t / plain[n] / cells[n]:.2f})" for n, t in took.items()
        )
        print(f"{name} (passes by cell): {each}; power {power:.1f}", flush=True)


def grow_in_positions() -> None:
    """Grids of resid_pre by positions, likewise in plain passes of as many positions by cell."""
    from circuits import HookedTransformer, ModelConfig, patch_grid
    from circuits.patching import PatchEngine

    n_layers, told = 8, []
    for n_pos in (2, 3, 4, 6, 8):
        model = HookedTransformer(ModelConfig(n_layers=n_layers, n_ctx=n_pos, d_vocab=244, **SHAPE))
        generator = torch.Generator().manual_seed(0)
        clean, corrupted = torch.randint(244, (2, 300, n_pos), generator=generator)
        plain = seconds(partial(PatchEngine.trace, PatchEngine(model.eval()), clean))
        grid = partial(patch_grid, model, clean, corrupted, "resid_pre", first_logit)
        took = seconds(grid)
        told.append(f"{n_pos} positions {took:.2f} s ({took / plain / n_layers / n_pos:.2f})")
    print("patch_grid of 8 layers (passes by cell): " + ", ".join(told))


def first_logit(logits: torch.Tensor) -> torch.Tensor:
    """A metric that reads the last position only."""
    return logits[:, -1, 0].mean()


def seconds(work: Callable[[], object]) -> float:
    """Of one core, the least of three times, after one that does not count."""
    work()
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    main()
