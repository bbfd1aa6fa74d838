"""The parts of `bench_gpu.py`, each a function that yields rows as it measures them.

    python tests/benchmarks/gpu_parts.py NAME --device cuda --seconds 120 [--folder FOLDER]

Every row is printed at once as a line of JSON, so that what was measured remains if time runs out.
On a CPU the models are small: that shows that a part runs, and its numbers say nothing of a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECIPE = "train/recipes/grokked-composition.toml"
TESTS = [
    *("tests/train/test_gpu_readiness.py", "tests/train/test_training.py"),
    *("tests/train/test_optimizers.py", "tests/train/test_resume.py"),
    *("tests/circuits/model/test_hook_free.py", "tests/analyses/test_on_a_gpu.py"),
]
SMALL = ["source.options.n_entities=60", "source.options.n_relations=12", "augmentation.phi=4"]
SMALL += ["source.options.out_degree=6", "model.n_layers=2", "model.d_model=64", "model.n_heads=4"]
SMALL += ["training.steps=300", "evaluation.every=100", "training.lr=1e-3", "checkpoints.every=300"]
SMALL += ["checkpoints.schedule=every", "splits.id_test_items=100"]
ANALYSES = ("causal_tracing", "bridge_patching", "component_patching")

Rows = Iterator[dict[str, object]]


def row(what: str, value: object, goal: str = "") -> dict[str, object]:
    """One line of the table."""
    return {"what": what, "value": value, "goal": goal}


def tests(device: str, seconds: float, folder: Path) -> Rows:
    """The tests that need a GPU, and those of what runs on one; ends itself in time."""
    command = [sys.executable, "-m", "pytest", "-vv", "-rs", "-p", "no:cacheprovider"]
    command += ["-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal", *TESTS]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    ends = threading.Timer(max(seconds - 10, 5), process.terminate)
    ends.start()
    counts: Counter[str] = Counter()
    for line in process.stdout or ():
        if found := re.search(r"(PASSED|FAILED|ERROR|SKIPPED) (tests/\S+)", line):
            counts[found[1].lower()] += 1
            if found[1] in ("FAILED", "ERROR"):
                yield row(found[1].lower(), found[2])
        elif line.startswith("SKIPPED"):
            yield row("skipped", re.sub(r"^SKIPPED \[\d+\] ", "", line.strip()))
    whole = "" if ends.is_alive() else ", cut short"
    ends.cancel()
    yield row("tests", ", ".join(f"{n} {what}" for what, n in counts.items()) + whole, "none fails")


def step(device: str, seconds: float, folder: Path) -> Rows:
    """A training step: captured losses equal plain ones; times beside other libraries."""
    yield from _captured_equals_plain(device)
    command = [sys.executable, str(HERE / "bench_training_step.py"), "--rounds", "4"]
    if device == "cpu":
        command += ["--cases", "0", "--rounds", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            cells = [cell.strip(" *") for cell in line.strip().strip("|").split("|")]
            if len(cells) == 5 and cells[0] and cells[0][0].isdigit():
                case, library, fp32, bf16, ratio = cells
                found = f"fp32 {fp32} ms, bf16 {bf16} ms, {ratio} of ours"
                yield row(f"step of {case}: {library}", found)
            elif "Peak" in line or "bf16 peak" in line:
                yield row("peak", line.strip().strip("| ").strip("*"))


def _captured_equals_plain(device: str) -> Rows:
    """Twenty steps of the training's own step, and of a plain loop from the same weights."""
    from circuits.model.config import ModelConfig
    from circuits.model.transformer import HookedTransformer
    from circuits.recipes.schema import TrainingSection
    from train.batches import Batch
    from train.distributed import Group
    from train.step import TrainingStep

    training, there = TrainingSection(lr=1e-3), torch.device(device)
    drawn = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 60, (256, 3), generator=drawn).to(there)
    batch = Batch(tokens, torch.full((256,), 2, device=there), tokens[:, 0].clone())

    def losses(attempt: Callable[[TrainingStep], object]) -> list[float]:
        torch.manual_seed(0)
        shape = {"n_layers": 2, "d_model": 128, "n_heads": 4, "d_vocab": 60, "n_ctx": 3}
        model = HookedTransformer(ModelConfig(**shape)).to(there).train()
        own = TrainingStep(model, training, "fp32", Group(there))
        attempt(own)
        return [float(own(batch)) for _ in range(20)]

    def plainly(own: TrainingStep) -> None:
        own._objective, own._eager_left = own._plain, -1  # as on a CPU

    captured, plain = losses(lambda own: None), losses(plainly)
    apart = max(abs(a - b) for a, b in zip(captured, plain, strict=True))
    yield row("captured step, largest difference of 20 losses from a plain step", f"{apart:.1e}")


def packed(device: str, seconds: float, folder: Path) -> Rows:
    """Seeds trained together."""
    from bench_packed import packed_table

    goal = "3x" if device == "cuda" else ""
    for found in packed_table(device, seconds / 3):  # as much again goes into data and warming up
        said = f"{found['packed_ms']:.1f} ms for {found['alone_ms']:.1f} ms of one"
        value = f"{said}, {found['times_one']:.1f}x"
        yield row(f"{found['runs']} packed runs, {found['case']}", value, goal)


def grok(device: str, seconds: float, folder: Path) -> Rows:
    """Time to ID .95 of `grokked-composition` at phi 18; ends itself before the time is over."""
    settings = [f"training.device={device}", "evaluation.stop_at_id_accuracy=0.95"]
    settings += SMALL if device == "cpu" else ["augmentation.phi=18", "evaluation.every=500"]
    sets = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "app.cli", "train", RECIPE, "--out", str(folder / "grok")]
    started = time.monotonic()
    process = subprocess.Popen([*command, *sets], cwd=ROOT)
    try:
        process.wait(timeout=max(seconds - 15, 5))
    except subprocess.TimeoutExpired:
        process.terminate()  # saves what it has
        process.wait()
    from circuits.runs.run import open_run

    rows = open_run(folder / "grok").rows()
    last = rows[-1]
    reached = next((r for r in rows if r["accuracy/id_test"] >= 0.95), None)
    value = f"{reached['seconds']:.0f} s, step {reached['step']:,}" if reached else "not reached"
    yield row("ID .95 of grokked-composition at phi 18", value, "120 s")
    done = f"step {last['step']:,}, ID {last['accuracy/id_test']:.3f}"
    yield row("its end", f"{done} after {time.monotonic() - started:.0f} s, start included")


def patching(device: str, seconds: float, folder: Path) -> Rows:
    """Patching grids beside TransformerLens's, and analyses of the trained run."""
    from patching_sides import our_grid, their_grid

    yield from _grids(device, {"Hopscope": our_grid, "TransformerLens": their_grid})
    if not (folder / "grok").is_dir():
        return
    from analyses.walk import analyze
    from circuits.runs.run import open_run

    run = open_run(folder / "grok")
    for name in ANALYSES:
        started = time.perf_counter()
        analyze(run, name, steps=run.steps[-1:], splits=["id_test"], device=device, progress=False)
        taken = time.perf_counter() - started
        yield row(f"{name} of the last checkpoint, 300 questions, start included", f"{taken:.1f} s")


def _grids(device: str, sides: dict[str, Callable]) -> Rows:
    from patching_sides import model_of

    n_heads, width = (12, 768) if device == "cuda" else (4, 64)
    model = model_of(n_heads, width).to(device)
    with torch.no_grad():
        made = {library: side(model) for library, side in sides.items()}
        for component in ("resid_pre", "attn_out", "mlp_out"):
            times, values = {}, {}
            for library, grid in made.items():
                grid(component)
                times[library] = min(_timed(grid, component) for _ in range(3))
                values[library] = grid(component).float().cpu()
            apart = (values["Hopscope"] - values["TransformerLens"]).abs().max()
            ours, theirs = times["Hopscope"], times["TransformerLens"]
            said = f"{ours * 1e3:.0f} ms for {theirs * 1e3:.0f} ms, {theirs / ours:.1f}x"
            yield row(f"grid of {component}, 8 x {width}", f"{said}; apart by {apart:.0e}")


def _timed(grid: Callable[[str], object], component: str) -> float:
    started = time.perf_counter()
    grid(component)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


PARTS: dict[str, Callable[[str, float, Path], Rows]] = {
    part.__name__: part for part in (tests, step, packed, grok, patching)
}
"""By worth."""


def main() -> None:
    """Run one part and print its rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PARTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    args = parser.parse_args()
    for found in PARTS[args.name](args.device, args.seconds, args.folder):
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
