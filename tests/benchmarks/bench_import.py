"""Converting a GPT-2 series of 8 x 768 against copying and hashing its files.

`python tests/benchmarks/bench_import.py [FOLDER]` makes four checkpoints with the 52,464 rows of
the *Grokked* vocabulary in a temporary folder (3.2 GB with copies; FOLDER says where), and removes
them. Target: at most 2 times `cp` and `sha256sum`. Sides alternate, step by step; both
write to the same disk and end with the files synced.
Measuring accuracies comes on top: it takes as long as the questions take the model.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from circuits.series.configs import read_config
from circuits.series.converting import Conversion, conversion, converted
from circuits.series.folders import find_series
from circuits.series.importing import keep_step
from circuits.series.step_files import StepFiles

N_STEPS, N_ROWS, N_USED = 4, 52_464, 2_206


def main(where: str | None) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        made(folder / "out")
        (folder / "checkpoints").mkdir()
        series = find_series(folder / "out")
        first = series.steps[0]
        rows = np.random.default_rng(0).permutation(N_ROWS)[:N_USED].tolist()
        for cut in (False, True):
            unused = sorted(set(range(N_ROWS)) - set(rows))
            ours = rows if cut else [*rows, *unused]
            how = conversion(first, read_config(first), ours, N_USED)
            copying, converting = [], []
            for step, files in series.steps.items():
                weights = files.weights[0]
                copying.append(timed(lambda: copied(weights, folder / "copy")))  # noqa: B023
                converting.append(
                    timed(lambda: imported(folder, step, files, how))  # noqa: B023
                )
            gigabytes = first.weights[0].stat().st_size / 1e9
            c, i = statistics.median(copying), statistics.median(converting)
            print(
                f"{'cut vocabulary' if cut else 'whole vocabulary'}: {gigabytes:.2f} GB a step, "
                f"cp + sha256sum {c:.2f} s, import {i:.2f} s: {i / c:.2f} times"
            )


def made(out: Path) -> None:
    """Untrained checkpoints; the numbers do not matter here."""
    for step in range(N_STEPS):
        torch.manual_seed(step)
        config = GPT2Config(vocab_size=N_ROWS, n_layer=8, n_embd=768, n_head=12)
        GPT2LMHeadModel(config).save_pretrained(out / f"checkpoint-{step}")


def copied(path: Path, copy: Path) -> None:
    """Copy a file, sync it, and hash it."""
    subprocess.run(["cp", path, copy], check=True)
    subprocess.run(["sync", copy], check=True)
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)


def imported(folder: Path, step: int, files: StepFiles, how: Conversion) -> None:
    """Convert a step and write it, which also syncs and hashes it."""
    keep_step(folder, step, files, converted(files, how), link=False)


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
