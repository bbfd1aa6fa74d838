"""Training steps of the libraries compared, one optimizer step each; runs in any environment.

`bench_training_step.py` runs this as a script, a process per library: TransformerLens 3.9 cannot
share an environment with 4.3, and no library shall profit or suffer from another's allocator. It
therefore imports nothing of ours on top. Each line read holds a precision and a number of steps,
each line written the seconds of those steps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F

Step = Callable[[], object]
Data = tuple[torch.Tensor, torch.Tensor]

WARM_UP = 6
"""Steps before the first that counts, to compile and allocate."""


def batch(rows: int, entities: int, relations: int, device: str) -> Data:
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
    data: Data,
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


def hopscope(shape: dict, data: Data, bf16: bool) -> Step:
    """Our training path; on a GPU with the step that training takes, compiled and captured."""
    from circuits.model.config import ModelConfig
    from circuits.model.hook_free import fast_logits
    from circuits.model.transformer import HookedTransformer

    device, precision = data[0].device, "bf16" if bf16 else "fp32"
    model = HookedTransformer(ModelConfig(**shape)).to(device)
    if device.type == "cuda":
        return _captured_step(model, data, precision)
    return plain_step(
        model, lambda tokens: fast_logits(model, tokens, None, precision), data, bf16=False
    )


def _captured_step(model: torch.nn.Module, data: Data, precision: str) -> Step:
    from circuits.recipes.schema import TrainingSection
    from train.batches import Batch
    from train.distributed import Group
    from train.step import TrainingStep

    tokens, answers = data
    step = TrainingStep(model, TrainingSection(), precision, Group(tokens.device))
    batch = Batch(tokens, torch.full_like(answers, tokens.shape[1] - 1), answers)
    return lambda: step(batch)


def transformer_lens_3(shape: dict, data: Data, bf16: bool) -> Step:
    """TransformerLens 3.x's HookedTransformer."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    cfg = HookedTransformerConfig(**shape, normalization_type="LN", device=str(data[0].device))
    model = HookedTransformer(cfg)
    return plain_step(model, lambda tokens: model(tokens)[:, -1], data, bf16)


def transformer_lens_4(shape: dict, data: Data, bf16: bool) -> Step:
    """TransformerLens 4's native bridge."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    cfg = TransformerBridgeConfig(**shape, normalization_type="LN")
    model = TransformerBridge.boot_native(cfg, device=data[0].device)
    return plain_step(model, lambda tokens: model(tokens)[:, -1], data, bf16)


def transformers_gpt2(shape: dict, data: Data, bf16: bool) -> Step:
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


LIBRARIES = {
    "Hopscope": hopscope,
    "TransformerLens 4.3 `boot_native`": transformer_lens_4,
    "TransformerLens 3.9": transformer_lens_3,
    "transformers GPT-2": transformers_gpt2,
}


def seconds(step: Step, repeats: int, cpu_time: bool) -> list[float]:
    """Time of each of some steps."""
    cuda = torch.cuda.is_available()
    clock = time.process_time if cpu_time else time.perf_counter
    taken = []
    for _ in range(repeats):
        start = clock()
        step()
        if cuda:
            torch.cuda.synchronize()
        taken.append(clock() - start)
    return taken


def _serve(job: dict) -> None:
    torch.set_num_threads(job["threads"])
    data = batch(job["rows"], job["entities"], job["relations"], job["device"])
    build = LIBRARIES[job["library"]]
    steps = {p: build(job["shape"], data, p == "bf16") for p in ("fp32", "bf16")}
    for step in steps.values():
        seconds(step, WARM_UP, job["cpu_time"])
    print("ready", flush=True)
    for line in sys.stdin:
        precision, repeats = line.split()
        print(json.dumps(seconds(steps[precision], int(repeats), job["cpu_time"])), flush=True)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
