"""Training steps of the libraries compared, one optimizer step each; runs in any environment.

`bench_training_step.py` imports this, and runs it as a script in the environment of
TransformerLens 3.9, which cannot share one with 4.3. It therefore imports nothing of ours on top.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F

Step = Callable[[], object]


def batch(rows: int, entities: int, relations: int, device: str) -> tuple[torch.Tensor, ...]:
    """Two-hop queries over a graph with a quarter of all (entity, relation) facts, and answers."""
    generator = torch.Generator().manual_seed(0)
    subjects = torch.randint(0, entities, (rows,), generator=generator)
    own = torch.rand(entities, relations, generator=generator).topk(relations // 4).indices
    first = own[subjects, torch.randint(0, relations // 4, (rows,), generator=generator)]
    second = torch.randint(0, relations, (rows,), generator=generator)
    tokens = torch.stack([subjects, entities + first, entities + second], 1)
    return tokens.to(device), torch.randint(0, entities, (rows,), generator=generator).to(device)


def plain_step(
    model: torch.nn.Module,
    logits_of: Callable[[torch.Tensor], torch.Tensor],
    data: tuple[torch.Tensor, ...],
    bf16: bool,
) -> Step:
    """Forward, backward and fused AdamW, as a plain loop does them; logits_of is [batch, vocab]."""
    tokens, answers = data
    device = tokens.device.type
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16) if bf16 else nullcontext():
            logits = logits_of(tokens)
        F.cross_entropy(logits.float(), answers).backward()
        optimizer.step()

    return step


def transformer_lens_3(shape: dict, data: tuple[torch.Tensor, ...], bf16: bool) -> Step:
    """TransformerLens 3.x's HookedTransformer."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    cfg = HookedTransformerConfig(**shape, normalization_type="LN", device=str(data[0].device))
    model = HookedTransformer(cfg)
    return plain_step(model, lambda tokens: model(tokens)[:, -1], data, bf16)


def transformer_lens_4(shape: dict, data: tuple[torch.Tensor, ...], bf16: bool) -> Step:
    """TransformerLens 4's native bridge."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    cfg = TransformerBridgeConfig(**shape, normalization_type="LN")
    model = TransformerBridge.boot_native(cfg, device=data[0].device)
    return plain_step(model, lambda tokens: model(tokens)[:, -1], data, bf16)


def transformers_gpt2(shape: dict, data: tuple[torch.Tensor, ...], bf16: bool) -> Step:
    """GPT2LMHeadModel of transformers, without dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    off = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    cfg = GPT2Config(
        vocab_size=shape["d_vocab"],
        n_positions=shape["n_ctx"],
        n_embd=shape["d_model"],
        n_layer=shape["n_layers"],
        n_head=shape["n_heads"],
        n_inner=shape["d_mlp"],
        activation_function=shape["act_fn"],
        bos_token_id=None,
        eos_token_id=None,
        **off,
    )
    model = GPT2LMHeadModel(cfg).to(data[0].device)
    return plain_step(model, lambda tokens: model(tokens).logits[:, -1], data, bf16)


def seconds(steps: dict[str, Step], repeats: int, cpu_time: bool) -> dict[str, list[float]]:
    """Time of every step, taking turns so that disturbances hit all alike."""
    cuda = torch.cuda.is_available()
    clock = time.process_time if cpu_time else time.perf_counter
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 3):
        for name, step in steps.items():
            start = clock()
            step()
            if cuda:
                torch.cuda.synchronize()
            if turn >= 3:  # the first turns warm up
                taken[name].append(clock() - start)
    return taken


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", help="JSON: shape, rows, entities, relations, device, repeats, ...")
    job = json.loads(parser.parse_args().job)
    torch.set_num_threads(job["threads"])
    data = batch(job["rows"], job["entities"], job["relations"], job["device"])
    steps = {
        precision: transformer_lens_3(job["shape"], data, precision == "bf16")
        for precision in ("fp32", "bf16")
    }
    print(json.dumps(seconds(steps, job["repeats"], job["cpu_time"])))


if __name__ == "__main__":
    _main()
