"""Patching: our engine against TransformerLens's `patching` and one example at a time.

Run as `python tests/benchmarks/bench_patching.py [--width 128]`: same weights, same grid, same
metric; prints seconds (least of several runs), the ratio and the largest difference of numbers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import transformer_lens.patching as theirs
from torch import Tensor

from circuits.bridge import to_bridge
from circuits.model import HookedTransformer, ModelConfig
from circuits.patching import patch_grid

GRIDS: dict[str, Callable] = {
    "resid_pre": theirs.get_act_patch_resid_pre,
    "attn_out": theirs.get_act_patch_attn_out,
    "mlp_out": theirs.get_act_patch_mlp_out,
    "z": theirs.get_act_patch_attn_head_out_by_pos,
}
N_EXAMPLES, N_POS, D_VOCAB = 300, 3, 244


def model_of(n_heads: int, width: int, n_layers: int = 8) -> HookedTransformer:
    """A model of the demo's vocabulary with random weights."""
    cfg = ModelConfig(
        n_layers=n_layers,
        d_model=width,
        n_ctx=N_POS,
        d_vocab=D_VOCAB,
        n_heads=n_heads,
        init_range=0.1,
    )
    return HookedTransformer(cfg).eval()


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Least wall time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=None, help="default: 128 and 192")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plain-examples", type=int, default=10)
    given = parser.parse_args()
    torch.set_grad_enabled(False)
    generator = torch.Generator().manual_seed(0)
    clean, corrupted = torch.randint(D_VOCAB, (2, N_EXAMPLES, N_POS), generator=generator)

    def metric(logits: Tensor) -> Tensor:
        return (logits[:, -1, 0] - logits[:, -1, 1]).mean()

    print(f"8 layers x {N_POS} positions, {N_EXAMPLES} examples, {torch.get_num_threads()} threads")
    for n_heads, width in ((4, given.width or 128), (12, given.width or 192)):
        model = model_of(n_heads, width)
        bridge = to_bridge(model)
        for component, their_grid in GRIDS.items():
            _, cache = bridge.run_with_cache(clean)
            expected = their_grid(bridge, corrupted, cache, metric)
            slow = seconds(
                lambda their_grid=their_grid, cache=cache, bridge=bridge: their_grid(
                    bridge, corrupted, cache, metric
                ),
                given.repeats,
            )
            found = patch_grid(model, clean, corrupted, component, metric)
            fast = seconds(
                lambda model=model, component=component: patch_grid(
                    model, clean, corrupted, component, metric
                ),
                given.repeats,
            )
            off = np.abs(found.values - expected.numpy()).max()
            print(
                f"{n_heads:2} heads, width {width}, {component:9}: TransformerLens {slow:7.3f} s, "
                f"ours {fast:6.3f} s, {slow / fast:5.1f}x, largest difference {off:.1e}"
            )
    _against_one_at_a_time(clean, corrupted, given.plain_examples)


def _against_one_at_a_time(clean: Tensor, corrupted: Tensor, n_plain: int) -> None:
    from hand_wired import random_corpus

    from analyses.catalog import CATALOG
    from analyses.examples import draw_examples

    model = model_of(4, 128)
    plain = seconds(lambda: one_at_a_time(model, clean[:n_plain], corrupted[:n_plain]), 1)
    plain *= N_EXAMPLES / n_plain
    corpus = random_corpus(217, 27)
    examples = draw_examples(corpus, "train_inferred", N_EXAMPLES)
    tracing = CATALOG["causal_tracing"]
    options = tracing.options({"reference": True, "denoise": False})
    tracing.run(model, examples, options)
    fast = seconds(lambda: tracing.run(model, examples, options), 3)
    print(
        f"causal tracing, 9 x 3 states, {N_EXAMPLES} examples: one at a time {plain:.1f} s "
        f"(from {n_plain} examples), ours {fast:.3f} s with intervals, {plain / fast:.0f}x"
    )


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
