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


def word_tokenizer(corpus: Corpus) -> tuple[Any, torch.Tensor]:
    """A tokenizer with one token a name, in another order than ours; and its id of each of ours."""
    import tokenizers
    import transformers

    n = len(corpus.vocab)
    ids = torch.randperm(n, generator=torch.manual_seed(3))
    words = {corpus.vocab.name(i): int(ids[i]) for i in range(n)}
    words["[UNK]"] = n
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]"), ids


def write_questions(path: Path, corpus: Corpus, splits: tuple[str, ...]) -> None:
    """A question file of these splits of a corpus."""
    lines = ["subject,relation_1,bridge,relation_2,answer,split"]
    name = corpus.vocab.name
    for split in splits:
        queries = corpus.queries(split)
        rows = zip(queries.token_ids, queries.bridge_ids[:, 0], queries.answer_ids, strict=True)
        for (s, r1, r2), b, a in rows:
            lines.append(",".join([*(name(int(i)) for i in (s, r1, b, r2, a)), split]))
    path.write_text("\n".join(lines) + "\n")


def write_series(
    folder: Path,
    corpus: Corpus,
    architecture: str = "neox",
    steps: tuple[int, ...] = STEPS,
    *,
    words: bool = False,
) -> None:
    """Train on the corpus and save `checkpoint-N` at each step.

    With `words`, a tokenizer of `word_tokenizer` is saved beside the weights, and its ids are used.
    """
    import transformers

    tokenizer, ids = word_tokenizer(corpus) if words else (None, torch.arange(len(corpus.vocab)))

    torch.manual_seed(0)
    model = {"neox": transformers.GPTNeoXForCausalLM, "gpt2": transformers.GPT2LMHeadModel}[
        architecture
    ](config(architecture, len(corpus.vocab) + words))
    table = corpus.training_set()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps[-1] + 1):
        if step in steps:
            model.eval().save_pretrained(folder / f"checkpoint-{step}")
            if tokenizer is not None:
                tokenizer.save_pretrained(folder / f"checkpoint-{step}")
            model.train()
        rows = torch.randint(len(table), (64,))
        logits = model(ids[table.tokens[rows]]).logits[torch.arange(64), table.predict_at[rows]]
        loss = torch.nn.functional.cross_entropy(logits, ids[table.answer[rows]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
