"""Time of `check_series` beside `sha256sum`: `python tests/benchmarks/bench_check.py [STEPS]`.

Target: the check of 154 steps of a 70M-parameter model takes at most 1.5 times as long
as hashing its files. Both read the same bytes, so a shorter series of such files gives the same
ratio; they alternate, and medians count. Only the order test grows faster than the steps: it is
timed alone, for 154 steps of 76 tensors.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

ROUNDS = 3
WIDTH, LAYERS, VOCABULARY = 512, 6, 50304
"""Pythia-70m."""


def write_series(folder: Path, steps: int) -> int:
    """A random walk of weights in the shapes of pythia-70m (bf16); returns its bytes."""
    generator = torch.Generator().manual_seed(0)
    shapes = {f"embed_{end}.weight": (VOCABULARY, WIDTH) for end in ("in", "out")}
    for i in range(LAYERS):
        shapes |= {f"layers.{i}.attention.query_key_value.weight": (3 * WIDTH, WIDTH),
                   f"layers.{i}.attention.dense.weight": (WIDTH, WIDTH),
                   f"layers.{i}.mlp.dense_h_to_4h.weight": (4 * WIDTH, WIDTH),
                   f"layers.{i}.mlp.dense_4h_to_h.weight": (WIDTH, 4 * WIDTH),
                   **{f"layers.{i}.norm{k}": (WIDTH,) for k in range(8)}}  # fmt: skip
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    total = 0
    for step in range(steps):
        path = folder / f"step{step}" / "model.safetensors"
        path.parent.mkdir()
        save_file({name: w.to(torch.bfloat16) for name, w in weights.items()}, path)
        total += path.stat().st_size
        for weight in weights.values():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return total


def seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def order_of(steps: int, tensors: int) -> None:
    from circuits.series.checking.order import distances, fitting_order

    rng = np.random.default_rng(0)
    samples = [rng.normal(size=(steps, 1400)).astype(np.float32).cumsum(0) for _ in range(tensors)]
    assert fitting_order(*distances(samples), list(range(steps))).misplaced == []


def main() -> None:
    """Print both medians and their ratio, and the peak memory of the check."""
    from circuits.series import check_series

    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    folder = Path(tempfile.mkdtemp(prefix="bench_check"))
    try:
        n_bytes = write_series(folder, steps)
        files = [str(path) for path in sorted(folder.rglob("*.safetensors"))]
        subprocess.run(["sha256sum", *files], capture_output=True, check=True)  # read once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        check, hashing = [], []
        for _ in range(ROUNDS):
            hashing.append(
                seconds(lambda: subprocess.run(["sha256sum", *files], capture_output=True))
            )
            check.append(seconds(lambda: check_series(folder)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        ours, theirs = statistics.median(check), statistics.median(hashing)
        print(
            f"{steps} steps, {n_bytes / 1e9:.2f} GB: check {ours:.2f} s, sha256sum {theirs:.2f} s"
            f", ratio {ours / theirs:.2f}; peak {peak - before:.0f} MB above {before:.0f} MB"
        )
        print(f"order of 154 steps, 76 tensors: {seconds(lambda: order_of(154, 76)):.2f} s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
