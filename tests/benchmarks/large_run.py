"""A run whose analyses ask 1,000 questions a split at 61 checkpoints, for `bench_dashboard.py`.

    python tests/benchmarks/large_run.py FOLDER

Pages draw default results, which ask 300: these are stored as if 1,000 were the default. The model
is that of the first demo on a larger graph, trained for 1,200 steps: two minutes on one core.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from analyses import analyze
from analyses.options.common import AnalysisOptions
from circuits.recipes.schema import load_recipe
from circuits.runs.results import ResultStore
from circuits.runs.run import Run, open_run
from train.loop import train
from train.recipes import shipped

QUESTIONS, EVERY, STEPS = 1000, 20, 1200
NAMES = ("logit_lens", "causal_tracing", "bridge_patching")
CHANGES = (
    "source.options={n_countries = 150}",
    f"training.steps={STEPS}",
    f"checkpoints.every={EVERY}",
    'checkpoints.schedule="every"',
    "splits.ood_share=0.2",
    "augmentation.phi=5",
)


def large_run(folder: Path) -> Run:
    """Train and analyze it, or open the one that is there."""
    if not (folder / "manifest.json").exists():
        train(load_recipe(shipped()["demo"], CHANGES), folder)
    run = open_run(folder)
    for name in NAMES:
        if not ResultStore(run.results_dir, name, {}).path.exists():
            analyze(run, name, examples=QUESTIONS, n_jobs=1)
            _as_default(run.results_dir, name)
    return run


def _as_default(results: Path, name: str) -> None:
    """Take the key of the settings from the names of a result."""
    marker = next(results.glob(f"{name}-*.json"))
    content = json.loads(marker.read_text())
    content["settings"]["options"]["examples"] = AnalysisOptions().examples
    marker.with_suffix(".zarr").rename(results / f"{name}.zarr")
    (results / f"{name}.json").write_text(json.dumps(content))
    marker.unlink()


if __name__ == "__main__":
    large_run(Path(sys.argv[1]))
