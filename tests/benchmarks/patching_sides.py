"""One library's patching grids, in a process of its own; `bench_patching.py` runs this.

Neither side shall profit or suffer from the other's threads, caches or allocator. Each line read
holds a component, each line written the seconds from prompts to grid (the clean run included) and
the grid [layer, position(, head)].
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from circuits.model.transformer import HookedTransformer, ModelConfig

N_LAYERS, N_EXAMPLES, N_POS, D_VOCAB = 8, 300, 3, 244
THEIR_HEADS = 2
"""TransformerLens makes one run per head, so a few heads tell the cost of all."""


def model_of(n_heads: int, width: int) -> HookedTransformer:
    """A model of the demo's vocabulary with random weights, the same in every process."""
    shape = {"n_layers": N_LAYERS, "d_model": width, "n_heads": n_heads, "init_range": 0.1}
    return HookedTransformer(ModelConfig(n_ctx=N_POS, d_vocab=D_VOCAB, **shape)).eval()


def prompts() -> tuple[Tensor, Tensor]:
    """Clean and corrupted prompts."""
    generator = torch.Generator().manual_seed(0)
    clean, corrupted = torch.randint(D_VOCAB, (2, N_EXAMPLES, N_POS), generator=generator)
    return clean, corrupted


def logit_difference(logits: Tensor) -> Tensor:
    """The metric of both sides."""
    return (logits[:, -1, 0] - logits[:, -1, 1]).mean()


def our_grid(model: HookedTransformer) -> Callable[[str], Tensor]:
    """Hopscope's grid by component."""
    from circuits.patching import patch_grid

    clean, corrupted = (tokens.to(model.device) for tokens in prompts())
    return lambda component: torch.as_tensor(
        patch_grid(model, clean, corrupted, component, logit_difference).values
    )


def their_grid(model: HookedTransformer) -> Callable[[str], Tensor]:
    """TransformerLens's grid by component; of `THEIR_HEADS` heads for z."""
    import pandas as pd
    from transformer_lens import patching

    from circuits.model.transformer_lens_4 import to_bridge

    bridge = to_bridge(model)
    clean, corrupted = (tokens.to(model.device) for tokens in prompts())
    whole = {
        "resid_pre": patching.get_act_patch_resid_pre,
        "attn_out": patching.get_act_patch_attn_out,
        "mlp_out": patching.get_act_patch_mlp_out,
    }
    axes = {"layer": range(N_LAYERS), "pos": range(N_POS), "head": range(THEIR_HEADS)}
    cells = pd.MultiIndex.from_product(axes.values(), names=axes).to_frame(index=False)

    def grid(component: str) -> Tensor:
        _, cache = bridge.run_with_cache(clean)
        given = (bridge, corrupted, cache, logit_difference)
        if component in whole:
            return whole[component](*given)
        setter = patching.layer_pos_head_vector_patch_setter
        found = patching.generic_activation_patch(*given, setter, component, index_df=cells)
        return found.view(N_LAYERS, N_POS, THEIR_HEADS)

    return grid


def main() -> None:
    """Serve until the input ends."""
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.set_grad_enabled(False)
    clock = time.process_time if job["cpu_time"] else time.perf_counter
    grids = {"Hopscope": our_grid, "TransformerLens": their_grid}
    grid = grids[job["library"]](model_of(job["n_heads"], job["width"]))
    for line in sys.stdin:
        start = clock()
        values = grid(line.strip())
        print(json.dumps([clock() - start, values.tolist()]), flush=True)


if __name__ == "__main__":
    main()
