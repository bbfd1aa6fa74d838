"""One training step of Hopscope beside TransformerLens 4.3, 3.9 and transformers' GPT-2.

Same model, same batch of two-hop queries, forward, backward and fused AdamW; every library in a
process of its own and in both precisions, the ratio is taken to its better one. The processes take
turns, so that a disturbance hits all alike. Prints a markdown table with the matrix-product peak of
the machine, measured in the same run.

    python tests/benchmarks/bench_training_step.py [--tl3-python PATH] [--threads 2]

--tl3-python is the interpreter of an environment with transformer-lens==3.9.0 and the same torch.
--cpu-time counts processor seconds instead of wall-clock: for a machine that is busy otherwise.
--median takes medians instead of best times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from training_steps import seconds

HERE = Path(__file__).parent
PRECISIONS = ("fp32", "bf16")
CPU_CASES = [(4, 128, 512), (4, 128, 2048), (4, 64, 512), (2, 96, 1024)]
GPU_CASES = [(8, 768, 512), (8, 768, 4096)]
STEPS_PER_TURN = 4
"""The first step of a turn finds its caches taken by another library and does not count."""
HERE_ENVIRONMENT = ("Hopscope", "TransformerLens 4.3 `boot_native`", "transformers GPT-2")


class Peer:
    """A library's process, which makes steps when asked."""

    def __init__(self, interpreter: str, job: dict) -> None:
        command = [interpreter, str(HERE / "training_steps.py"), json.dumps(job)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, text=True, **pipes)
        while (line := self._process.stdout.readline().strip()) != "ready":
            if not line and self._process.poll() is not None:
                raise SystemExit(f"{job['library']} ended; run {' '.join(command)!r} to see why.")

    def turn(self, precision: str) -> list[float]:
        """Seconds of each step of one turn that counts."""
        self._process.stdin.write(f"{precision} {STEPS_PER_TURN}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())[1:]

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def peak(precision: str, device: str, cpu_time: bool) -> float:
    """Matrix-product peak in GFLOP/s, from square products of the size that suits the device."""
    n = 8192 if device == "cuda" else 512
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / min(seconds(lambda: a @ b, 30, cpu_time)) / 1e9


def shape_of(case: tuple[int, int, int], device: str) -> dict:
    """The model of a case, and its data: 217 entities and 27 relations, or many more on a GPU."""
    n_layers, d_model, rows = case
    entities, relations = (2000, 200) if device == "cuda" else (217, 27)
    n_heads = 12 if d_model == 768 else 4
    demo = (n_layers, d_model) == (2, 96)
    model = {
        "n_layers": n_layers,
        "d_model": d_model,
        "n_heads": n_heads,
        "d_head": d_model // n_heads,
        "d_mlp": (2 if demo else 4) * d_model,
        "n_ctx": 3,
        "d_vocab": entities + relations,
        "act_fn": "relu",
    }
    return {"shape": model, "rows": rows, "entities": entities, "relations": relations}


def flops(shape: dict, rows: int, positions: int = 3) -> float:
    """Matrix-product operations of a step that shares nothing: forward, and twice for backward."""
    width = shape["n_heads"] * shape["d_head"]
    per_token = shape["n_layers"] * (
        4 * shape["d_model"] * width + 2 * shape["d_model"] * shape["d_mlp"]
    )
    return 6 * rows * (positions * per_token + shape["d_model"] * shape["d_vocab"])


def measure(job: dict, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds per step by library and precision."""
    interpreters = dict.fromkeys(HERE_ENVIRONMENT, sys.executable)
    if args.tl3_python:
        interpreters["TransformerLens 3.9"] = args.tl3_python
    peers = {
        library: Peer(interpreter, vars(args) | job | {"library": library})
        for library, interpreter in interpreters.items()
    }
    taken: dict[str, dict[str, list[float]]] = {name: {p: [] for p in PRECISIONS} for name in peers}
    for _ in range(args.rounds):
        for precision in PRECISIONS:
            for name, peer in peers.items():
                taken[name][precision] += peer.turn(precision)
                time.sleep(0.005)  # its idle threads spin a little before they sleep
    for peer in peers.values():
        peer.close()
    best = statistics.median if args.median else min
    return {name: {p: best(t) for p, t in times.items()} for name, times in taken.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tl3-python", default="")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--median", action="store_true")
    parser.add_argument("--cases", type=int, nargs="*", help="numbers of the cases, all if none")
    args = parser.parse_args()
    args.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    peaks = {p: peak(p, args.device, args.cpu_time) for p in PRECISIONS}
    clock = "processor time" if args.cpu_time else "wall-clock"
    print(
        f"{args.device}, {args.threads} threads, torch {torch.__version__}, "
        f"{'median' if args.median else 'best'} of {args.rounds * (STEPS_PER_TURN - 1)}, {clock}. "
        f"Peak of a square product: fp32 {peaks['fp32']:.0f}, bf16 {peaks['bf16']:.0f} GFLOP/s. "
        f"A ratio is the library's better precision over ours.\n"
    )
    print("| layers, width, batch | library | fp32 ms | bf16 ms | best / Hopscope |")
    print("|---|---|---|---|---|")
    cases = GPU_CASES if args.device == "cuda" else CPU_CASES
    for case in [cases[i] for i in args.cases] if args.cases else cases:
        job = shape_of(case, args.device)
        table = measure(job, args)
        best = min(table["Hopscope"].values())
        for library, times in table.items():
            cells = " | ".join(f"{times[p] * 1e3:.1f}" for p in PRECISIONS)
            ratio = min(times.values()) / best
            print(f"| {case[0]}, {case[1]}, {case[2]} | {library} | {cells} | {ratio:.2f} |")
        share = flops(job["shape"], job["rows"]) / best / 1e9 / peaks["bf16"]
        print(f"| | *Hopscope: operations of a full step at {share:.0%} of bf16 peak* | | | |")
        sys.stdout.flush()
    if args.device == "cpu":
        print("\nGPU (8 layers, width 768, batch 512 and 4,096): not run, no GPU here.")


if __name__ == "__main__":
    main()
