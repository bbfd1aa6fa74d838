"""How long a recipe takes to generalize: time to ID-test accuracy >= 0.95.

    python tests/benchmarks/bench_time_to_grok.py [train/recipes/demo.toml] [section.key=value ...]

Prints one line of JSON. The time is wall-clock from the first evaluation on and includes all
evaluations and checkpoints; building the corpus is given beside it.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch

from circuits.recipes.schema import load_recipe
from circuits.runs.grok import GENERALIZED
from train.loop import train


def main(recipe: Path, overrides: list[str]) -> None:
    """Train once in a temporary folder and report."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = train(load_recipe(recipe, overrides), Path(folder) / "run")
        total = time.perf_counter() - started
        rows, manifest = run.rows(), run.manifest
        sizes = [row["bytes"] for row in manifest["checkpoints"]]
    reached = next((row for row in rows if row["accuracy/id_test"] >= GENERALIZED), None)
    speeds = sorted(row["steps_per_s"] for row in rows if "steps_per_s" in row)
    report = {
        "recipe": recipe.stem,
        "overrides": overrides,
        "seconds_to_id_0.95": round(reached["seconds"], 1) if reached else None,
        "step_of_id_0.95": reached["step"] if reached else None,
        "grok": manifest["grok"],
        "last_id_accuracy": rows[-1]["accuracy/id_test"],
        "median_steps_per_s": round(speeds[len(speeds) // 2], 1),
        "seconds_training": round(manifest["seconds"], 1),
        "seconds_total": round(total, 1),
        "checkpoints": len(sizes),
        "checkpoint_megabytes": round(sum(sizes) / 1e6, 2),
        "precision": manifest["precision"],
        "device": torch.cuda.get_device_name() if manifest["device"] == "cuda" else _cpu(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    print(json.dumps(report))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if "=" in argument]
    paths = [argument for argument in sys.argv[1:] if "=" not in argument]
    main(Path(paths[0] if paths else "train/recipes/demo.toml"), given)
