"""One training step of Hopscope beside TransformerLens 4.3, 3.9 and transformers' GPT-2.

Same model, same batch of two-hop queries, forward, backward and fused AdamW; every library in both
precisions, the ratio is taken to its better one. Prints a markdown table with the matrix-product
peak of the machine, measured in the same run.

    python tests/benchmarks/bench_training_step.py [--tl3-python PATH] [--threads 2]

--tl3-python is the interpreter of an environment with transformer-lens==3.9.0 and the same torch.
--cpu-time counts processor seconds instead of wall-clock: for a machine that is busy otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from training_steps import Step, batch, plain_step, seconds, transformer_lens_4, transformers_gpt2

from circuits.config import ModelConfig
from circuits.model import HookedTransformer

HERE = Path(__file__).parent
PRECISIONS = ("fp32", "bf16")
CPU_CASES = [(4, 128, 512, 217, 27), (4, 128, 2048, 217, 27), (4, 64, 512, 217, 27)]
GPU_CASES = [(8, 768, 512, 2000, 200), (8, 768, 4096, 2000, 200)]


def ours(shape: dict, data: tuple[torch.Tensor, ...], precision: str) -> Step:
    """Our training path; compiled on a GPU."""
    device = data[0].device
    model = HookedTransformer(ModelConfig(**shape)).to(device)
    fast = model.fast_logits
    if device.type == "cuda":
        fast = torch.compile(fast, mode="reduce-overhead")
    return plain_step(model, lambda tokens: fast(tokens, None, precision), data, bf16=False)


def peak(precision: str, device: str, cpu_time: bool) -> float:
    """Matrix-product peak in GFLOP/s, from square products of the size that suits the device."""
    n = 8192 if device == "cuda" else 512
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    taken = seconds({"product": lambda: a @ b}, 20, cpu_time)["product"]
    return 2 * n**3 / min(taken) / 1e9


def flops(shape: dict, rows: int, positions: int = 3) -> float:
    """Matrix-product operations of a step that shares nothing: forward, and twice for backward."""
    width = shape["n_heads"] * shape["d_head"]
    per_token = shape["n_layers"] * (
        4 * shape["d_model"] * width + 2 * shape["d_model"] * shape["d_mlp"]
    )
    return 6 * rows * (positions * per_token + shape["d_model"] * shape["d_vocab"])


def measure(case: tuple[int, ...], args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Best seconds per step by library and precision."""
    n_layers, d_model, rows, entities, relations = case
    n_heads = 12 if d_model == 768 else 4
    shape = {
        "n_layers": n_layers,
        "d_model": d_model,
        "n_heads": n_heads,
        "d_head": d_model // n_heads,
        "d_mlp": 4 * d_model,
        "n_ctx": 3,
        "d_vocab": entities + relations,
        "act_fn": "relu",
    }
    data = batch(rows, entities, relations, args.device)
    steps: dict[str, Step] = {}
    for precision in PRECISIONS:
        steps[f"Hopscope {precision}"] = ours(shape, data, precision)
        bf16 = precision == "bf16"
        steps[f"TransformerLens 4.3 {precision}"] = transformer_lens_4(shape, data, bf16)
        steps[f"transformers GPT-2 {precision}"] = transformers_gpt2(shape, data, bf16)
    taken = seconds(steps, args.repeats, args.cpu_time)
    if args.tl3_python:
        job = vars(args) | {
            "shape": shape,
            "rows": rows,
            "entities": entities,
            "relations": relations,
        }
        command = [args.tl3_python, HERE / "training_steps.py", json.dumps(job)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(out.splitlines()[-1])
        taken |= {f"TransformerLens 3.9 {k}": v for k, v in found.items()}
    table: dict[str, dict[str, float]] = {}
    for name, values in taken.items():
        library, _, precision = name.rpartition(" ")
        table.setdefault(library, {})[precision] = min(values)
    return table | {"_flops": {"bf16": flops(shape, rows)}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tl3-python", default="")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cpu-time", action="store_true")
    args = parser.parse_args()
    args.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(args.threads)
    peaks = {p: peak(p, args.device, args.cpu_time) for p in PRECISIONS}
    clock = "processor time" if args.cpu_time else "wall-clock"
    print(
        f"{args.device}, {args.threads} threads, torch {torch.__version__}, best of "
        f"{args.repeats}, {clock}. Peak of a square product: fp32 {peaks['fp32']:.0f}, "
        f"bf16 {peaks['bf16']:.0f} GFLOP/s. A ratio is the library's better precision over ours.\n"
    )
    print("| layers, width, batch | library | fp32 ms | bf16 ms | best / Hopscope |")
    print("|---|---|---|---|---|")
    cases = GPU_CASES if args.device == "cuda" else CPU_CASES
    for case in cases:
        table = measure(case, args)
        operations = table.pop("_flops")["bf16"]
        best = min(table["Hopscope"].values())
        for library, times in table.items():
            cells = " | ".join(f"{times[p] * 1e3:.1f}" for p in PRECISIONS)
            ratio = min(times.values()) / best
            print(f"| {case[0]}, {case[1]}, {case[2]} | {library} | {cells} | {ratio:.2f} |")
        share = operations / best / 1e9 / peaks["bf16"]
        print(
            f"| | *Hopscope does the operations of a full step at {share:.0%} of bf16 peak* | | | |"
        )
        sys.stdout.flush()
    if args.device == "cpu":
        print("\nGPU (8 layers, width 768, batch 512 and 4,096): not run, no GPU here.")


if __name__ == "__main__":
    main()
