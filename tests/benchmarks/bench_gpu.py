"""Everything that waits for a GPU, in one command: tests, step times, time to generalize.

NOT RUN YET: no GPU was at hand when this was written, so expect to mend something. In this order,
each part in a process of its own, so that one that fails leaves the others:

1. the tests that need a GPU, and those that touch training;
2. a training step beside TransformerLens and transformers (bench_training_step.py);
3. `grokked-composition` at phi 18 and at phi 9 until ID accuracy is .95 (goals: 2 and 10 minutes);
4. with several GPUs: 2,000 steps of the same recipe under torchrun, one process per GPU.

    python tests/benchmarks/bench_gpu.py [--out gpu.md] [--minutes 15] [--skip 1 2 ...]

Writes one markdown file with what each part printed, its exit code and its time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECIPE = "train/recipes/grokked-composition.toml"
UNTIL_GENERAL = ["evaluation.stop_at_id_accuracy=0.95", "training.device=cuda"]
"""The goal is a time, so the run ends once it is reached."""


@dataclass(frozen=True)
class Part:
    """One command and what it is to show."""

    number: int
    title: str
    command: list[str]


def parts(folder: str) -> list[Part]:
    """All parts; `folder` takes the run of the last one."""
    tests = ["gpu_readiness", "training", "optimizers", "resume"]
    files = [
        *(f"tests/train/test_{name}.py" for name in tests),
        "tests/circuits/model/test_hook_free.py",
    ]
    grok = [sys.executable, str(HERE / "bench_time_to_grok.py"), RECIPE, *UNTIL_GENERAL]
    found = [
        Part(1, "Tests", [sys.executable, "-m", "pytest", "-q", "-rs", *files]),
        Part(2, "Training step", [sys.executable, str(HERE / "bench_training_step.py")]),
        Part(3, "Time to ID .95, phi 18 (goal: 120 s)", [*grok, "augmentation.phi=18"]),
        Part(3, "Time to ID .95, phi 9 (goal: 600 s)", [*grok, "augmentation.phi=9"]),
    ]
    if (count := torch.cuda.device_count()) > 1:
        torchrun = [str(Path(sys.executable).with_name("torchrun")), "--standalone"]
        train = ["-m", "app.cli", "train", RECIPE, "--out", f"{folder}/run"]
        short = ["--set", "training.steps=2000", "--set", f"training.batch_size={512 * count}"]
        command = [*torchrun, "--nproc-per-node", str(count), *train, *short]
        found.append(Part(4, f"{count} GPUs, 2,000 steps", command))
    return found


def run(part: Part, minutes: float) -> str:
    """Run a part and describe it as markdown."""
    started = time.perf_counter()
    try:
        done = subprocess.run(part.command, cwd=ROOT, capture_output=True, timeout=60 * minutes)
        code = str(done.returncode)
        said = text(done.stdout) + (text(done.stderr) if done.returncode else "")
    except subprocess.TimeoutExpired as error:
        code, said = f"none within {minutes:g} minutes", text(error.stdout) + text(error.stderr)
    seconds = time.perf_counter() - started
    table = said.strip() if "| " in said and code == "0" else f"```\n{said.strip()[-6000:]}\n```"
    return f"## {part.title}\n\nExit code {code}, {seconds:.0f} s in all.\n\n{table}\n"


def text(output: bytes | None) -> str:
    """What a command printed; a timeout gives bytes, or None for nothing, whatever is asked for."""
    return (output or b"").decode(errors="replace")


def main() -> None:
    """Run all parts and write the file after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gpu.md"))
    parser.add_argument("--minutes", type=float, default=15, help="at most this long for each part")
    parser.add_argument("--skip", type=int, nargs="*", default=[], help="numbers of parts")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no CUDA device here; run this where there is one.")
    name, version = torch.cuda.get_device_name(), torch.__version__
    report = f"# Measured on {torch.cuda.device_count()} x {name}, PyTorch {version}\n"
    with tempfile.TemporaryDirectory() as folder:
        for part in parts(folder):
            if part.number in args.skip:
                continue
            print(f"{part.title}: {' '.join(part.command)}", flush=True)
            report += "\n" + run(part, args.minutes)
            args.out.write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
