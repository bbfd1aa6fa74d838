"""Everything that waits for a GPU, in one command and in the minutes that there are.

    python tests/benchmarks/bench_gpu.py --minutes 9 [--out docs/gpu] [--device cpu]

Writes docs/gpu.md (one table) and docs/gpu.json. Parts by worth (`gpu_parts`): tests, training
step, packed seeds, time to ID .95 of `grokked-composition` at phi 18, patching and tracing. Each is
a process of its own, so that one that fails leaves the others, and gets its share of the time left;
what it does not use goes to those behind it. A part that is cut short keeps what it had printed.
Both files are rewritten after every part.

A machine without a package index needs the wheels of `pack_wheels.py`. `--device cpu` tries the
script with small models where there is no GPU; its numbers mean nothing.

NOT RUN ON A GPU YET: none was at hand when this was written.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

HERE = Path(__file__).parent
SHARES = {"tests": 120, "step": 120, "packed": 90, "grok": 140, "patching": 60}
"""Seconds of nine minutes; other times in proportion."""
LEAST = 10
"""A part is not begun with fewer seconds."""


@dataclass
class Outcome:
    """What a part gave."""

    part: str
    ended: str
    """done, or why it was not."""
    seconds: float
    rows: list[dict[str, object]] = field(default_factory=list)
    said: str = ""
    """The end of what it wrote to stderr, if it failed."""


def share_of(part: str, left: float, skip: Sequence[str] = ()) -> float:
    """Seconds for a part, of those left to it and to the parts behind it."""
    names = [name for name in SHARES if name not in skip]
    behind = names[names.index(part) :]
    return left * SHARES[part] / sum(SHARES[name] for name in behind)


def run(command: list[str], part: str, seconds: float) -> Outcome:
    """Run a part for at most so long; its rows are kept however it ends."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(timeout=seconds)
            ended = "done" if code == 0 else f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            ended = f"cut short after {seconds:.0f} s"
        for stream in (out, err):
            stream.seek(0)
        rows = [json.loads(line) for line in out if line.startswith("{") and line.endswith("}\n")]
        said = "" if ended == "done" else err.read()[-2000:].strip()
    return Outcome(part, ended, time.monotonic() - started, rows, said)


def table(outcomes: list[Outcome], machine: str) -> str:
    """The markdown page."""
    lines = [
        "# On a GPU",
        "",
        machine,
        "",
        "| part | what | measured | goal |",
        "|---|---|---|---|",
    ]
    for outcome in outcomes:
        for found in outcome.rows:
            cells = [str(found[key]).replace("|", "\\|") for key in ("what", "value", "goal")]
            lines.append(f"| {outcome.part} | {' | '.join(cells)} |")
        lines.append(f"| {outcome.part} | *{outcome.ended}, {outcome.seconds:.0f} s* | | |")
    for outcome in outcomes:
        if outcome.said:
            lines += ["", f"## {outcome.part}: {outcome.ended}", "", "```", outcome.said, "```"]
    return "\n".join(lines) + "\n"


def machine(device: str) -> str:
    """What it was measured on."""
    versions = f"PyTorch {torch.__version__}, Python {sys.version.split()[0]}"
    if device == "cpu":
        return f"Tried on a CPU with small models ({versions}): these numbers mean nothing."
    return f"{torch.cuda.get_device_name()} ({versions}), {time.strftime('%Y-%m-%d')}."


def main() -> None:
    """Run the parts and write the files after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/gpu"), help="without an ending")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--skip", nargs="*", default=[], choices=SHARES)
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no CUDA device here; --device cpu tries the script.")
    end = time.monotonic() + 60 * args.minutes
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in SHARES:
            if part in args.skip:
                continue
            seconds = share_of(part, end - time.monotonic(), args.skip)
            if seconds < LEAST:
                outcomes.append(Outcome(part, "not begun", 0))
                continue
            print(f"{part}: at most {seconds:.0f} s", flush=True)
            command = [sys.executable, str(HERE / "gpu_parts.py"), part, "--device", args.device]
            command += ["--seconds", f"{seconds:.0f}", "--folder", folder]
            outcomes.append(run(command, part, seconds))
            text = table(outcomes, machine(args.device))
            args.out.with_suffix(".md").write_text(text, encoding="utf-8")
            rows = [vars(outcome) for outcome in outcomes]
            args.out.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
