"""A data folder and a series of GPT-2 checkpoints in the layout of the *Grokked* code, in seconds.

Written from the description in the paper and of the files, with `transformers` as in that code: a
GPT-2 tokenizer with one added token per name, a model that is trained on the answer alone, saved at
several steps by `save_pretrained`.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

Triple = tuple[str, str, str]
MARKS = ["<mask>", "<sep>", "<a>", "</a>", "<q>", "</q>"]
N_BYTES = 64
"""Tokens of the tokenizer before any is added, which the questions never use."""


def _item(question: Sequence[str], answer: str, kind: str | None = None) -> dict[str, str]:
    asked = "".join(f"<{name}>" for name in question)
    item = {"input_text": asked, "target_text": f"{asked}<{answer}></a>"}
    return item if kind is None else item | {"type": kind}


def composition_data(
    folder: Path, n_entities: int = 14, n_relations: int = 5, degree: int = 3, seed: int = 0
) -> Path:
    """The three files of a small composition data set, section 3 of the paper."""
    draw = random.Random(seed)
    entities = [f"e_{i}" for i in range(n_entities)]
    relations = [f"r_{i}" for i in range(n_relations)]
    facts = {
        (h, r): draw.choice(entities) for h in entities for r in draw.sample(relations, degree)
    }
    ood = set(draw.sample(sorted(facts), len(facts) // 8))
    trained, iid, ood_test = [], [], []
    for (h, r1), b in facts.items():
        for r2 in relations:
            if (b, r2) not in facts:
                continue
            n_ood = ((h, r1) in ood) + ((b, r2) in ood)
            if n_ood == 2:
                ood_test.append(((h, r1, r2), facts[b, r2]))
            elif n_ood == 0:
                (iid if draw.random() < 0.15 else trained).append(((h, r1, r2), facts[b, r2]))
    atomic = [_item(key, t) for key, t in facts.items()]
    probes = [
        *(_item(key, t, "ood_atomic" if key in ood else "id_atomic") for key, t in facts.items()),
        *(_item(q, t, "train_inferred") for q, t in trained[:40]),
        *(_item(q, t, "test_inferred_iid") for q, t in iid),
        *(_item(q, t, "test_inferred_ood") for q, t in ood_test),
    ]
    inferred = [_item(q, t) for q, t in trained]
    vocab = [f"<{name}>" for name in (*entities, *relations)] + MARKS
    return _write_data(folder, atomic + inferred, probes, vocab)


def comparison_data(
    folder: Path, n_entities: int = 14, n_attributes: int = 3, n_values: int = 5, seed: int = 0
) -> Path:
    """The three files of a small comparison data set, section 4 of the paper."""
    draw = random.Random(seed)
    entities = [f"e_{i}" for i in range(n_entities)]
    attributes = [f"attr_{i}" for i in range(n_attributes)]
    value = {(e, a): draw.randrange(n_values) for e in entities for a in attributes}
    atomic, inferred, probes = [], [], []
    for a in attributes:
        ood = set(draw.sample(entities, 3))
        for e in entities:
            kind = "ood_atomic" if e in ood else "id_atomic"
            atomic.append(_item((e, a), str(value[e, a]), kind))
        for x, y in itertools.permutations(entities, 2):
            v, w = value[x, a], value[y, a]
            label = f"{a}_{0 if v < w else 1 if v == w else 2}"
            question = (a, "q", x, "mask", y)
            if len({x, y} & ood) == 2:
                probes.append(_item(question, label, "test_inferred_ood"))
            elif not {x, y} & ood:
                held = draw.random() < 0.1
                kind = "test_inferred_iid" if held else "train_inferred"
                (inferred if kind == "train_inferred" else probes).append(
                    _item(question, label, kind)
                )
    vocab = [f"<{n}>" for n in (*entities, *attributes, *map(str, range(n_values)))] + MARKS
    vocab += [f"<{a}_{i}>" for a in attributes for i in range(3)]
    return _write_data(folder, atomic + inferred, probes + inferred[:20] + atomic, vocab)


def _write_data(folder: Path, train: list[Any], test: list[Any], vocab: list[str]) -> Path:
    folder.mkdir(parents=True)
    ood = [item for item in test if item["type"] == "test_inferred_ood"]
    for name, content in (("train", train), ("valid", ood), ("test", test), ("vocab", vocab)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_tokenizer(folder: Path, added: Sequence[str]) -> None:
    """A GPT-2 tokenizer with few tokens of its own and one for each name, in the layout of then."""
    own = {chr(33 + i): i for i in range(N_BYTES)} | {"<|endoftext|>": N_BYTES}
    special = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|endoftext|>")
    about = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, **special}
    added_ids = {token: len(own) + i for i, token in enumerate(added)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("vocab.json", own),
        ("added_tokens.json", added_ids),
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", about),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


def grokked_series(
    output: Path,
    data: Path,
    steps: Sequence[int] = (0, 30, 60),
    *,
    n_layer: int = 2,
    n_embd: int = 32,
    lr: float = 3e-3,
    pickled: bool = False,
) -> GPT2LMHeadModel:
    """Train a small GPT-2 on a data folder and keep `checkpoint-N` folders; returns the last."""
    torch.manual_seed(0)
    vocab = json.loads((data / "vocab.json").read_text())
    row = {token: N_BYTES + 1 + i for i, token in enumerate(vocab)}
    n_rows = -(-(N_BYTES + 1 + len(vocab)) // 8) * 8  # as resize_token_embeddings pads
    config = GPT2Config(
        vocab_size=n_rows, n_embd=n_embd, n_layer=n_layer, n_head=4, n_positions=16,
        embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, bos_token_id=64, eos_token_id=64,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    batches = _batches(json.loads((data / "train.json").read_text()), row)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.1)
    for step in range(max(steps) + 1):
        if step in steps:
            folder = output / f"checkpoint-{step}"
            _save(model, folder, pickled=pickled)
            write_tokenizer(folder, vocab)
        if step == max(steps):
            break
        loss = torch.stack([
            torch.nn.functional.cross_entropy(model(tokens).logits[:, -1], answer)
            for tokens, answer in batches
        ])  # fmt: skip
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    return model.eval()


def _batches(items: list[dict[str, str]], row: dict[str, int]) -> list[tuple[Any, Any]]:
    """All questions by length, the answer being the token after them."""
    found: dict[int, list[list[int]]] = {}
    for item in items:
        names = item["target_text"].removesuffix("</a>")[1:-1].split("><")
        ids = [row[f"<{name}>"] for name in names]
        found.setdefault(len(ids), []).append(ids)
    tables = [torch.tensor(rows) for rows in found.values()]
    return [(table[:, :-1], table[:, -1]) for table in tables]


def _save(model: GPT2LMHeadModel, folder: Path, *, pickled: bool) -> None:
    if not pickled:
        model.save_pretrained(folder)
        return
    folder.mkdir(parents=True)
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
