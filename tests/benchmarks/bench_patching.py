"""Patching: our engine against TransformerLens's `patching` and against one example at a time.

Same weights, same grid, same metric, each library in a process of its own, taking turns; prints
markdown tables with the least of several times, their ratio and the largest difference of numbers.

    python tests/benchmarks/bench_patching.py [--only resid_pre z] [--widths 128]

--cpu-time counts processor seconds instead of wall-clock: for a machine that is busy otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from patching_sides import N_EXAMPLES, N_LAYERS, N_POS, THEIR_HEADS, model_of, prompts
from torch import Tensor

from circuits.model.transformer import HookedTransformer

COMPONENTS = ("resid_pre", "attn_out", "mlp_out", "z")
HEADS_OF = {128: 4, 96: 12, 192: 12, 384: 12}
LIBRARIES = ("TransformerLens", "Hopscope")


class Side:
    """A library's process, which makes grids when asked."""

    def __init__(self, job: dict) -> None:
        command = [sys.executable, str(Path(__file__).parent / "patching_sides.py")]
        quiet = os.environ | {"TQDM_DISABLE": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([*command, json.dumps(job)], text=True, env=quiet, **pipes)

    def grid(self, component: str) -> tuple[float, np.ndarray]:
        """Seconds and numbers."""
        self._process.stdin.write(component + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process ended; run {self._process.args!r} to see why.")
        seconds, values = json.loads(answer)
        return seconds, np.array(values)

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def compare(width: int, args: argparse.Namespace) -> None:
    """Print the rows of one model."""
    n_heads = HEADS_OF[width]
    job = {"n_heads": n_heads, "width": width, "threads": args.threads, "cpu_time": args.cpu_time}
    sides = {library: Side(job | {"library": library}) for library in LIBRARIES}
    for component in args.only:
        taken: dict[str, list[float]] = {library: [] for library in LIBRARIES}
        values = {}
        for _ in range(1 + args.repeats):
            for library, side in sides.items():
                seconds, values[library] = side.grid(component)
                taken[library].append(seconds)
                time.sleep(0.01)  # its idle threads spin a little before they sleep
        slow, fast = (min(times[1:]) for times in taken.values())
        theirs, ours = values.values()
        if component == "z":
            slow, ours = slow * n_heads / THEIR_HEADS, ours[..., :THEIR_HEADS]
        off = np.abs(theirs - ours).max()
        print(
            f"| {width}, {n_heads} | {component} | {slow:.3f} | {fast:.3f} | {slow / fast:.1f} | "
            f"{taken['Hopscope'][0]:.3f} | {off:.0e} |",
            flush=True,
        )
    for side in sides.values():
        side.close()


def one_at_a_time(model: HookedTransformer, clean: Tensor, corrupted: Tensor) -> Tensor:
    """The plain procedure of methods section 4: per example and state, one hooked run of it alone,
    the vocabulary sorted to find the answer's rank."""
    flips = torch.zeros(model.depth + 1, N_POS)
    for i in range(len(clean)):
        tokens, other = clean[i : i + 1], corrupted[i : i + 1]
        answer = int(model(tokens)[0, -1].argmax())
        for p in range(N_POS):
            mixed = tokens.clone()
            mixed[0, p] = other[0, p]
            _, cache = model.run_with_cache(mixed)
            for layer in range(model.depth + 1):
                last = layer == model.depth
                name = f"blocks.{layer - last}.hook_resid_{'post' if last else 'pre'}"

                def write(x: Tensor, hook: object, p: int = p, new: Tensor = cache[name]) -> Tensor:
                    x[:, p] = new[:, p]
                    return x

                logits = model.run_with_hooks(tokens, fwd_hooks=[(name, write)])[0, -1]
                order = sorted(enumerate(logits.tolist()), key=lambda pair: -pair[1])
                flips[layer, p] += order[0][0] != answer
    return flips / len(clean)


def compare_tracing(args: argparse.Namespace) -> None:
    """Print causal tracing against the plain procedure, scaled up from a few examples."""
    from hand_wired import random_corpus

    from analyses.catalog import CATALOG
    from analyses.questions.examples import draw_examples

    clock = time.process_time if args.cpu_time else time.perf_counter
    model = model_of(4, 128)
    few = [tokens[: args.plain_examples] for tokens in prompts()]
    one_at_a_time(model, *(tokens[:1] for tokens in few))
    start = clock()
    one_at_a_time(model, *few)
    plain = (clock() - start) * N_EXAMPLES / args.plain_examples
    examples = draw_examples(random_corpus(217, 27), "train_inferred", N_EXAMPLES)
    tracing = CATALOG["causal_tracing"]
    options = tracing.options({"reference": True, "denoise": False})
    times = []
    for _ in range(1 + 2 * args.repeats):
        start = clock()
        tracing.run(model, examples, options)
        times.append(clock() - start)
    print(
        f"\nCausal tracing, {N_LAYERS + 1} x {N_POS} states, width 128, {N_EXAMPLES} examples: one "
        f"at a time {plain:.1f} s (from {args.plain_examples} examples), ours {min(times):.3f} s "
        f"with intervals, {plain / min(times):.0f}x."
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--widths", type=int, nargs="*", choices=HEADS_OF, default=list(HEADS_OF))
    parser.add_argument(
        "--only", nargs="*", choices=(*COMPONENTS, "tracing"), default=[*COMPONENTS, "tracing"]
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--plain-examples", type=int, default=6)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    tracing = "tracing" in args.only
    args.only = [component for component in args.only if component != "tracing"]
    if args.only:
        clock = "processor time" if args.cpu_time else "wall-clock"
        print(
            f"{N_LAYERS} layers x {N_POS} positions, {N_EXAMPLES} examples, {args.threads} "
            f"threads, least of {args.repeats}, {clock}; TransformerLens's z from {THEIR_HEADS} "
            "heads, scaled.\n"
        )
        print(
            "| width, heads | component | TransformerLens s | Hopscope s | ratio | "
            "Hopscope's first time | largest difference |\n|---|---|---|---|---|---|---|"
        )
        for width in args.widths:
            compare(width, args)
    if tracing:
        compare_tracing(args)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
    main()
