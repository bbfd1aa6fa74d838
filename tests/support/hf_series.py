"""Tiny series of Hugging Face checkpoints, trained for a second on a corpus of ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tiny_runs import tiny_recipe

from circuits import Corpus, build_corpus

STEPS = (0, 10, 20, 40, 80, 160)


@cache
def tiny_corpus() -> Corpus:
    """A small composition corpus with trained and unseen questions."""
    return build_corpus(tiny_recipe())


def config(architecture: str, d_vocab: int) -> Any:
    """Two blocks of 16 numbers, two heads, eight positions."""
    import transformers

    if architecture == "neox":
        return transformers.GPTNeoXConfig(
            vocab_size=d_vocab, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=8, rotary_pct=0.5, initializer_range=0.2,
            architectures=["GPTNeoXForCausalLM"],
        )  # fmt: skip
    return transformers.GPT2Config(
        vocab_size=d_vocab, n_embd=16, n_layer=2, n_head=2, n_positions=8, initializer_range=0.2,
        architectures=["GPT2LMHeadModel"],
    )  # fmt: skip


def write_series(
    folder: Path, corpus: Corpus, architecture: str = "neox", steps: tuple[int, ...] = STEPS
) -> None:
    """Train on the corpus and save `checkpoint-N` at each step, without a tokenizer."""
    import transformers

    torch.manual_seed(0)
    model = {"neox": transformers.GPTNeoXForCausalLM, "gpt2": transformers.GPT2LMHeadModel}[
        architecture
    ](config(architecture, len(corpus.vocab)))
    table = corpus.training_set()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps[-1] + 1):
        if step in steps:
            model.eval().save_pretrained(folder / f"checkpoint-{step}")
            model.train()
        rows = torch.randint(len(table), (64,))
        logits = model(table.tokens[rows]).logits[torch.arange(64), table.predict_at[rows]]
        loss = torch.nn.functional.cross_entropy(logits, table.answer[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
