"""A tiny GPT-NeoX trained for a second with `transformers`, saved as a series of step folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

STEPS = (0, 2, 4, 8, 16, 32)


def train_series(folder: Path, steps: tuple[int, ...] = STEPS, lr: float = 3e-3) -> Path:
    """Train on random periodic sequences and save a model folder `step<N>` at each of the steps."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    model = GPTNeoXForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for step in range(max(steps) + 1):
        if step in steps:
            model.save_pretrained(folder / f"step{step}")
            (folder / f"step{step}" / "tokenizer.json").write_text(json.dumps({"model": {}}))
        tokens = torch.randint(64, (16, 4)).repeat(1, 4)
        optimizer.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
    return folder


def exchange(folder: Path, a: int, b: int) -> None:
    """Exchange the weights of two steps, but no other file."""
    files = [folder / f"step{step}" / "model.safetensors" for step in (a, b)]
    files[0].rename(folder / "kept")
    files[1].rename(files[0])
    (folder / "kept").rename(files[1])


def serve(folder: Path, content: int, under: int) -> None:
    """Give step `under` the weights of step `content`."""
    source, target = (folder / f"step{s}" / "model.safetensors" for s in (content, under))
    shutil.copy(source, target)
