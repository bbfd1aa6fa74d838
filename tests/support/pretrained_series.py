"""A small "pretrained" series to try `hopscope import --questions` on, made in minutes on a CPU.

    python tests/support/pretrained_series.py FOLDER [gpt2|neox] [STEPS]

A GPT-2 or GPT-NeoX of two blocks is trained on sentences about the cities of geonames, such as "The
currency of the country of Lyon is Euro.", and on lines that repeat names, which give a Patchscopes
prompt something to read. FOLDER then holds `checkpoint-0`, `checkpoint-250`, ... as
`transformers.save_pretrained` writes them, each with its tokenizer, and `questions.csv`: two-hop
questions that were never trained, with both of their facts as prompts.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

from circuits.corpus.build import build_corpus
from circuits.corpus.corpus import Corpus
from circuits.recipes.schema import parse_recipe

RECIPE = {
    "source": {
        "name": "geonames",
        "options": {"n_countries": 12},
        "leave_out_relations": ["nearest city", "largest city"],
    },
    "augmentation": {"phi": 7.5, "modes": []},
    "splits": {"ood_share": 0.0, "id_test_items": 400, "returning": False},
}
FACT, QUESTION = "The {1} of {0} is", "The {2} of the {1} of {0} is"
END = "<|endoftext|>"
BATCH, LR, DECAY, OTHER_TOKENS = 128, 3e-3, 0.5, 0.1
"""Tokens that are no part of an answer count a tenth: what a sentence is about is not learnable."""


def prompts(corpus: Corpus, split: str, template: str) -> list[tuple[str, str]]:
    """Prompt and answer of every question of a split."""
    name, queries = corpus.vocab.name, corpus.queries(split)
    return [
        (template.format(*map(name, names)), name(answer))
        for names, answer in zip(
            queries.token_ids.tolist(), queries.answer_ids.tolist(), strict=True
        )
    ]


def repeated_names(corpus: Corpus, n: int) -> list[tuple[str, str]]:
    """Three names, each of them twice."""
    draw, entities = np.random.default_rng(1), corpus.vocab.entities
    lines = [[entities[i] for i in draw.choice(len(entities), 3, False)] for _ in range(n)]
    return [(f"{a} {a}\n{b} {b}\n{c}", c) for a, b, c in lines]


def trained_tokenizer(texts: list[str]) -> transformers.PreTrainedTokenizerFast:
    """Byte-level BPE of GPT-2's form, trained on the texts."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=END, bos_token=END, unk_token=END
    )


def new_model(architecture: str, d_vocab: int) -> transformers.PreTrainedModel:
    """Two blocks, width 128, in the shape of GPT-2 or of Pythia."""
    torch.manual_seed(0)
    if architecture == "gpt2":
        return transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=d_vocab, n_embd=128, n_layer=2, n_head=4, n_positions=64,
                resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.1,
            )
        )  # fmt: skip
    return transformers.GPTNeoXForCausalLM(
        transformers.GPTNeoXConfig(
            vocab_size=d_vocab, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=512, max_position_embeddings=64, initializer_range=0.1,
        )
    )  # fmt: skip


def rows_of(
    tokenizer: transformers.PreTrainedTokenizerFast, sentences: list[tuple[str, str]], end: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and the weight of each token's loss, right-padded."""
    encoded = [
        (tokenizer(prompt)["input_ids"], tokenizer(f" {answer}{end}")["input_ids"])
        for prompt, answer in sentences
    ]
    width = max(len(a) + len(b) for a, b in encoded)
    ids = torch.full((len(encoded), width), tokenizer.eos_token_id)
    weight = torch.zeros(len(encoded), width)
    for row, (prompt, answer) in enumerate(encoded):
        ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        weight[row, : len(prompt)] = OTHER_TOKENS
        weight[row, len(prompt) : len(prompt) + len(answer)] = 1.0
    return ids, weight


def write_questions(path: Path, corpus: Corpus) -> None:
    """The questions of the ID test with both facts as prompts, in the columns of TwoHopFact."""
    name, queries = corpus.vocab.name, corpus.queries("id_test")
    columns = ("e1.value", "r1.category", "e2.value", "r2.category", "e3.value",
               "r2(r1(e1)).prompt", "r1(e1).prompt", "r2(e2).prompt")  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for query in queries:
            (s, r1, r2), b, a = map(name, query.names), name(query.bridge), name(query.answer)
            asked = QUESTION.format(s, r1, r2), FACT.format(s, r1), FACT.format(b, r2)
            table.writerow((s, r1, b, r2, a, *asked))


def main(folder: Path, architecture: str = "neox", steps: int = 3000) -> None:
    """Train, and save a model folder every so often."""
    corpus = build_corpus(parse_recipe(RECIPE, "this script"))
    facts, asked = prompts(corpus, "atomic_id", FACT), prompts(corpus, "train_inferred", QUESTION)
    said = [f"{prompt} {answer}." for prompt, answer in facts]
    tokenizer = trained_tokenizer([*said, *(f"{prompt}." for prompt, _ in asked[:200])])
    kinds = [
        rows_of(tokenizer, sentences, end)
        for sentences, end in ((facts, "."), (asked, "."), (repeated_names(corpus, 2000), "\n"))
    ]
    held = [(f"{prompt}", answer) for prompt, answer in prompts(corpus, "id_test", QUESTION)]
    folder.mkdir(parents=True, exist_ok=True)
    write_questions(folder / "questions.csv", corpus)
    model = new_model(architecture, len(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY, betas=(0.9, 0.95))
    cool = steps // 4
    saved = {0, *(round(steps * part) for part in (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0))}
    for step in range(steps + 1):
        if step in saved:
            model.eval().save_pretrained(folder / f"checkpoint-{step}")
            tokenizer.save_pretrained(folder / f"checkpoint-{step}")
            ids, weight = rows_of(tokenizer, held[:200], ".")
            with torch.no_grad():
                top = model(ids).logits[:, :-1].argmax(-1)
            right = ((top == ids[:, 1:]) | (weight[:, 1:] < 1)).all(1).double().mean()
            print(f"step {step:5}: {right:.2f} of the held-out questions right", flush=True)
            model.train()
        rate = min(1.0, step / 100, (steps - step) / cool)
        for group in optimizer.param_groups:
            group["lr"] = LR * rate
        optimizer.zero_grad()
        for (ids, weight), n in zip(kinds, (BATCH // 4, BATCH * 5 // 8, BATCH // 8), strict=True):
            rows = torch.randint(len(ids), (n,))
            counted = weight[rows][:, : int((weight[rows] > 0).sum(1).max())]
            batch = ids[rows, : counted.shape[1]]
            logits = model(batch).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="none"
            )
            (loss @ counted[:, 1:].flatten() / BATCH).backward()
        optimizer.step()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))
