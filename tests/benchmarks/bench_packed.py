"""Packed runs against the same runs alone: `python tests/benchmarks/bench_packed.py [SECONDS]`.

Target on a GPU: a step of 16 packed seeds takes at most 3 times a step of one. On a CPU a run alone
computes each distinct prefix once and a pack does not, so packing pays only while calls cost more
than products; the table shows where that ends, and `hopscope sweep` measures it for each sweep.

Every row trains one run and a pack of its seeds in turn, optimizer included, and takes the least of
many steps. On a CPU with one thread these are processor times.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from circuits.recipes.schema import Recipe, parse_recipe
from train.packs.timing import timed_steps

RUNS = 16
CASES = {
    "1 layer, width 32, batch 32": (1, 32, 32),
    "1 layer, width 32, batch 128": (1, 32, 128),
    "2 layers, width 32, batch 512": (2, 32, 512),
    "2 layers, width 96, batch 1,024": (2, 96, 1024),
    "4 layers, width 128, batch 512": (4, 128, 512),
}
"""Layers, width and batch size."""


def recipe_of(layers: int, width: int, batch: int, device: str) -> Recipe:
    """Two-hop questions over a random graph of 200 entities and 20 relations."""
    graph = {"n_entities": 200, "n_relations": 20, "out_degree": 10}
    return parse_recipe(
        {
            "source": {"name": "grokked_composition", "options": graph},
            "augmentation": {"phi": 4.0, "modes": []},
            "model": {"n_layers": layers, "d_model": width, "n_heads": 4},
            "training": {"batch_size": batch, "device": device},
        },
        "the benchmark",
    )


def packed_table(device: str, seconds: float) -> list[dict[str, Any]]:
    """A row per case: times of a step in ms, and what packing gains.

    Args:
        device: "cpu" or "cuda".
        seconds: For all cases together, without data, compiling and warming up.

    Returns:
        Rows with "case", "runs", "alone_ms" (a step of one run), "packed_ms" (a step of all
        packed runs), "times_one" (the second over the first; without packing it is "runs") and
        "speedup" ("runs" over "times_one").
    """
    rows = []
    for case, shape in CASES.items():
        recipe = recipe_of(*shape, device)
        alone, share = timed_steps(recipe, RUNS, None, device, seconds / len(CASES))
        rows.append(
            {
                "case": case,
                "runs": RUNS,
                "alone_ms": alone * 1e3,
                "packed_ms": share * RUNS * 1e3,
                "times_one": share * RUNS / alone,
                "speedup": alone / share,
            }
        )
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines = [
        "| model | one run, ms a step | 16 packed, ms a step | of one | speed-up |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['case']} | {row['alone_ms']:.2f} | {row['packed_ms']:.2f} "
        f"| {row['times_one']:.1f}x | {row['speedup']:.2f}x |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table of this CPU and, where there is one, of the GPU."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    print(f"CPU, {torch.get_num_threads()} thread(s), PyTorch {torch.__version__}\n")
    print(markdown(packed_table("cpu", seconds)))
    if torch.cuda.is_available():
        print(f"\n{torch.cuda.get_device_name()}\n")
        print(markdown(packed_table("cuda", seconds)))


if __name__ == "__main__":
    main()
