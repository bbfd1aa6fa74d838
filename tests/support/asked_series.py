"""A tiny series with a byte-level BPE, and a file of two-hop questions in TwoHopFact's columns."""

from __future__ import annotations

import csv
from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

COLUMNS = ("e1.value", "r1.category", "e2.value", "r2.category", "e3.value",
           "r2(r1(e1)).prompt", "r1(e1).prompt", "r2(e2).prompt")  # fmt: skip
PLACES = {
    "New York": ("United States", "dollar"), "Lyon": ("France", "euro"), "Bern": ("Swiss", "franc"),
    "São Tomé": ("Portugal", "escudo"), "Osaka": ("Japan", "yen"), "Ur": ("Iraq", "dinar"),
}  # fmt: skip


def rows() -> list[tuple[str, ...]]:
    """Questions of two relations in two wordings each; none contradicts another."""
    found = []
    for city, (country, money) in PLACES.items():
        hop_1 = f"The country of {city} is"
        found.append((city, "country", country, "currency", money,
                      f"The currency of the country of {city} is", hop_1,
                      f"The currency of {country} is"))  # fmt: skip
        found.append((city, "country", country, "neighbour", city + "ia",
                      f"The country of {city} borders on", hop_1,
                      f"{country} borders on"))  # fmt: skip
    return found


def write_questions(path: Path, more: list[tuple[str, ...]] | None = None) -> Path:
    """The file, with further rows at its end."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows(), *(more or [])])
    return path


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Byte-level BPE in which some names are one token and others many."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    inner.train_from_iterator([row[5] for row in rows()] * 3 + [" euro", " yen"] * 9, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|endoftext|>")


def write_series(folder: Path, architecture: str, steps: tuple[int, ...] = (0, 10)) -> Path:
    """Checkpoints with random weights, another draw at each step."""
    table, words = {"vocab_size": 300, "initializer_range": 0.3}, tokenizer()
    for step in steps:
        torch.manual_seed(step)
        model = (
            transformers.GPT2LMHeadModel(
                transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, **table)
            )
            if architecture == "gpt2"
            else transformers.GPTNeoXForCausalLM(
                transformers.GPTNeoXConfig(
                    hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=32, max_position_embeddings=64, **table,
                )
            )
        )  # fmt: skip
        model.eval().save_pretrained(folder / f"checkpoint-{step}")
        words.save_pretrained(folder / f"checkpoint-{step}")
    return folder
