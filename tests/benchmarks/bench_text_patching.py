"""Patching grids on questions of many tokens: by role, against TransformerLens's `patching`.

Same weights, same prompts of mixed lengths, same cells (layer, role), same metric; TransformerLens
runs the padded prompts once per cell and writes at the columns chosen per prompt. Prints both
times, their ratio and the largest difference of numbers. With `--every 8` TransformerLens does only
every eighth cell, and their time counts eight times, as every cell is one run of all prompts.

    python tests/benchmarks/bench_text_patching.py [--prompts 64] [--repeats 1] [--every 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from circuits.model.transformer import HookedTransformer, ModelConfig
from circuits.patching import RolePrompts, patch_grid

N_ROLES, SHORTEST, LONGEST = 12, 14, 30


def model_of(layers: int, d_vocab: int) -> HookedTransformer:
    """Random weights in the shape of GPT-2 small, with fewer layers."""
    cfg = ModelConfig(
        n_layers=layers, d_model=768, n_heads=12, n_ctx=LONGEST, d_vocab=d_vocab, init_range=0.05
    )
    return HookedTransformer(cfg).eval()


def prompts(n: int, d_vocab: int, seed: int) -> RolePrompts:
    """Prompts of mixed lengths, and columns of their roles in rising order, the last at the end."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, n)
    tokens = rng.integers(1, d_vocab, (n, LONGEST)) * (np.arange(LONGEST) < lengths[:, None])
    columns = [np.sort(rng.permutation(k - 1)[: N_ROLES - 1]) for k in lengths]
    ends = np.column_stack([np.stack(columns), lengths - 1])
    return RolePrompts(torch.from_numpy(tokens), torch.from_numpy(ends))


def our_grid(model: HookedTransformer, clean: RolePrompts, corrupted: RolePrompts) -> Tensor:
    """Mean logit difference of each cell."""
    grid = patch_grid(
        model, clean, corrupted, "resid_pre", lambda x: (x[:, -1, 0] - x[:, -1, 1]).mean()
    )
    return torch.as_tensor(grid.values)


def their_cells(
    model: HookedTransformer,
    clean: RolePrompts,
    corrupted: RolePrompts,
    every: int,
    clock: Callable[[], float],
) -> tuple[Tensor, float]:
    """Every so-many-th cell by `generic_activation_patch`, and the time that all would take."""
    import pandas as pd
    from transformer_lens import patching

    from circuits.model.transformer_lens_4 import to_bridge

    bridge, rows = to_bridge(model), torch.arange(len(clean.tokens))

    def write(x: Tensor, index: list[int], given: Tensor) -> Tensor:
        role = index[1]
        x[rows, corrupted.columns[:, role]] = given[rows, clean.columns[:, role]]
        return x

    def metric(logits: Tensor) -> Tensor:
        last = logits[rows, corrupted.columns[:, -1]]
        return (last[:, 0] - last[:, 1]).mean()

    axes = {"layer": range(model.depth), "role": range(N_ROLES)}
    cells = pd.MultiIndex.from_product(axes.values(), names=axes).to_frame(index=False)[::every]
    begin = clock()
    _, cache = bridge.run_with_cache(clean.tokens, names_filter=lambda n: n.endswith("resid_pre"))
    cached = clock()
    found = patching.generic_activation_patch(
        bridge,
        corrupted.tokens,
        cache,
        metric,
        write,
        "resid_pre",
        index_df=cells.reset_index(drop=True),
    )
    return found, cached - begin + (clock() - cached) * every


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--vocab", type=int, default=50257)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    clock = time.process_time if args.cpu_time else time.perf_counter
    model = model_of(args.layers, args.vocab)
    pair = [prompts(args.prompts, args.vocab, seed) for seed in (0, 1)]
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    values = {}
    for _ in range(args.repeats):
        values["theirs"], seconds = their_cells(model, *pair, args.every, clock)
        taken["theirs"].append(seconds)
        start = clock()
        values["ours"] = our_grid(model, *pair).flatten()[:: args.every]
        taken["ours"].append(clock() - start)
    ours, theirs = min(taken["ours"]), min(taken["theirs"])
    off = float((values["ours"] - values["theirs"]).abs().max())
    assert off < 1e-3, f"the numbers differ by {off:.0e}"
    shared = "" if args.every == 1 else f" (from every {args.every}th cell)"
    print(
        f"{args.layers} layers x {N_ROLES} roles, {args.prompts} prompts of {SHORTEST} to "
        f"{LONGEST} tokens, width 768, {torch.get_num_threads()} threads: "
        f"TransformerLens {theirs:.1f} s{shared}, Hopscope {ours:.1f} s, {theirs / ours:.1f}x; "
        f"largest difference {off:.0e}."
    )


if __name__ == "__main__":
    main()
