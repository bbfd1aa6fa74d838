"""A transformer that answers two-hop questions by construction, so its circuit is known.

First hop (block `first_hop`): the relation_1 position attends to the subject, copies it, and one
MLP neuron per fact, relu(subject + relation - 1), writes the bridge there. Second hop (block
`second_hop`): the relation_2 position attends to relation_1, copies the bridge, and the same kind
of neurons writes the answer. Attention is by position and exactly one-hot, the only working head
is `WORKING_HEAD`, all other blocks and heads add nothing. So, exactly:

- S[i, subject] matters for i <= first_hop, S[i, relation_1] for i <= second_hop,
  S[i, relation_2] always;
- S[i, relation_1] carries the bridge for first_hop < i, and writing another bridge there while
  i <= second_hop gives the answer for that bridge; no other state does;
- atomic questions are answered too: the unembedding reads the bridge subspace.

Three hops are wired in the same way, the third one in the block after the second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from circuits.corpus import storage
from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.corpus.shortcuts import baselines
from circuits.corpus.vocab import Vocab
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer, ModelConfig
from circuits.recipes.schema import Recipe
from circuits.recipes.toml import recipe_toml
from circuits.runs.checkpoints import save_checkpoint
from circuits.runs.reading import MANIFEST, SCHEMA_VERSION, checkpoint_name
from circuits.runs.run import CHECKPOINTS, METRICS, RECIPE, Run, open_run

WORKING_HEAD = 1
_SURE = 200.0  # exp(-200) is 0 in single precision, so attention is exactly one-hot


class HandWired(NamedTuple):
    """The model, its corpus and where its two hops are."""

    model: HookedTransformer
    corpus: Corpus
    first_hop: int
    second_hop: int


def hand_wired(
    n_entities: int = 12,
    n_relations: int = 5,
    seed: int = 0,
    *,
    n_layers: int = 2,
    first_hop: int = 0,
    second_hop: int = 1,
    hops: int = 2,
) -> HandWired:
    """Model and corpus; about 70% of all (subject, relation) of the random graph have a fact."""
    corpus = random_corpus(n_entities, n_relations, seed, hops)
    n_facts = len(corpus.graph)
    cfg = ModelConfig(
        n_layers=n_layers,
        d_model=(1 + 2 * hops) * n_entities + n_relations + hops + 1,
        n_ctx=hops + 1,
        d_vocab=len(corpus.vocab),
        n_heads=2,
        d_head=max(n_entities, hops + 1),
        d_mlp=n_facts,
        act_fn="relu",
        normalization_type=None,
    )
    model = HookedTransformer(cfg).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        wire(model, corpus.graph, [first_hop, *range(second_hop, second_hop + hops - 1)])
    return HandWired(model, corpus, first_hop, second_hop)


def random_model(corpus: Corpus, seed: int = 0, **changes: object) -> HookedTransformer:
    """A model of ordinary shape with random weights, which answers by chance."""
    fields: dict = {
        "n_layers": 2,
        "d_model": 32,
        "n_ctx": 3,
        "d_vocab": len(corpus.vocab),
        "n_heads": 2,
        "init_range": 0.3,
        "seed": seed,
        **changes,
    }
    return HookedTransformer(ModelConfig(**fields)).eval()


def random_corpus(
    n_entities: int = 12, n_relations: int = 5, seed: int = 0, hops: int = 2
) -> Corpus:
    """A functional random graph with all splits of the composition task; about 15% OOD facts."""
    rng = np.random.default_rng(seed)
    present = rng.random((n_entities, n_relations)) < 0.7
    present[:, 0] = True  # so that every entity is in the graph
    triples = [
        (f"e{s:02}", f"r{r}", f"e{rng.integers(n_entities):02}") for s, r in np.argwhere(present)
    ]
    graph = KnowledgeGraph.from_triples("hand-wired", triples)
    in_distribution = rng.random(len(graph)) >= 0.15
    vocab = Vocab(graph.entities, graph.relations)
    return Corpus(
        task="composition",
        graph=graph,
        vocab=vocab,
        in_distribution=in_distribution,
        splits=_splits(graph, vocab, in_distribution, rng, hops),
        trained=("train_inferred", "atomic_id", "atomic_ood"),
        report={},
    )


def save_as_run(
    folder: Path, corpus: Corpus, models: Mapping[int, HookedTransformer], state: str = "finished"
) -> Run:
    """A run folder with these models as checkpoints by step."""
    (folder / CHECKPOINTS).mkdir(parents=True)
    storage.save(corpus, folder)
    (folder / RECIPE).write_text(recipe_toml(Recipe()), encoding="utf-8")
    rows, lines = [], []
    for step, model in sorted(models.items()):
        path = folder / CHECKPOINTS / checkpoint_name(step)
        digest = save_checkpoint(path, model.state_dict(), step=step, dtype="fp32")
        rows.append({"step": step, "sha256": digest, "bytes": path.stat().st_size})
        lines.append(json.dumps({"step": step, **_accuracies(model, corpus)}) + "\n")
    (folder / METRICS).write_text("".join(lines), encoding="utf-8")
    manifest = {
        "schema": SCHEMA_VERSION,
        "state": state,
        "seed": 0,
        "model": next(iter(models.values())).cfg.to_json(),
        "checkpoints": rows,
        "baselines": baselines(corpus),
        "grok": {},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return open_run(folder)


def _accuracies(model: HookedTransformer, corpus: Corpus) -> dict[str, float]:
    found = {}
    for split, queries in corpus.splits.items():
        if len(queries):
            top = fast_logits(model, queries.tokens).argmax(-1)
            found[f"accuracy/{split}"] = (top == queries.answer).double().mean().item()
    return found


def wire(model: HookedTransformer, graph: KnowledgeGraph, blocks: list[int]) -> None:
    """Put a hop into each of these blocks; dimensions beyond those it needs stay zero."""
    n, k, hops = len(graph.entities), len(graph.relations), len(blocks)
    token, n_pos = torch.arange(n + k), len(blocks) + 1
    read, relation = slice(0, n), slice(n, n + k)
    position = slice(n + k, n + k + n_pos)
    starts = [n + k + n_pos + i * n for i in range(2 * hops)]
    spaces = [slice(a, a + n) for a in starts]  # per hop: what it is looked up by, what it finds
    eye = torch.eye(n)
    model.embed.W_E[token, token] = 1.0
    model.pos_embed.W_pos[torch.arange(n_pos), torch.arange(n_pos) + n + k] = 1.0
    for hop, block in enumerate(blocks):
        copied, found = spaces[2 * hop : 2 * hop + 2]
        # the position of this relation attends to the one before; elsewhere nothing is in reach
        target = [0, *range(1, n_pos)] if hop == 0 else [0] * n_pos
        target[hop + 1] = hop
        attend(model, block, position, target, read, copied)
        _look_up(model, block, graph, copied, relation, found)
        model.unembed.W_U[found, :n] = eye
        read = found
    model.unembed.W_U[relation, n:] = 0.5 * torch.eye(k)


def attend(
    model: HookedTransformer,
    i: int,
    position: slice,
    target: list[int],
    read: slice,
    write: slice,
    head: int = WORKING_HEAD,
) -> None:
    """One head of block i: position p looks at position target[p] and copies a subspace of it."""
    attn = model.blocks[i].attn
    width, d_head = read.stop - read.start, model.cfg.d_head
    for p, q in enumerate(target):
        attn.W_Q[head, position.start + p, q] = _SURE * d_head**0.5
        attn.W_K[head, position.start + p, p] = 1.0
    attn.W_V[head, read, :width] = torch.eye(width)
    attn.W_O[head, :width, write] = torch.eye(width)


def _look_up(
    model: HookedTransformer, i: int, graph: KnowledgeGraph, key: slice, relation: slice, to: slice
) -> None:
    mlp, neuron = model.blocks[i].mlp, torch.arange(len(graph))
    s, r, o = torch.from_numpy(graph.facts.astype(np.int64)).T
    mlp.W_in[key.start + s, neuron] = 1.0
    mlp.W_in[relation.start + r, neuron] = 1.0
    mlp.b_in[:] = -1.0
    mlp.W_out[neuron, to.start + o] = 1.0


def _splits(
    graph: KnowledgeGraph, vocab: Vocab, known: np.ndarray, rng: np.random.Generator, hops: int
) -> dict[str, Queries]:
    tail = {(s, r): (o, bool(k)) for (s, r, o), k in zip(graph.facts.tolist(), known, strict=True)}
    rows: dict[str, list[tuple[int, ...]]] = {
        name: [] for name in ("train_inferred", "id_test", "ood_test", "io_test", "oi_test")
    }
    chains = [((h, r, t), (k,)) for (h, r), (t, k) in tail.items()]
    for _ in range(hops - 1):
        chains = [
            ((*chain, r, tail[chain[-1], r][0]), (*flags, tail[chain[-1], r][1]))
            for chain, flags in chains
            for r in range(len(graph.relations))
            if (chain[-1], r) in tail
        ]
    for chain, flags in chains:
        split = {(1, 0): "io_test", (0, 1): "oi_test"}.get(flags, "ood_test")
        if all(flags):
            split = "id_test" if rng.random() < 0.3 else "train_inferred"
        rows[split].append(chain)
    splits = {name: _composition(vocab, found, hops) for name, found in rows.items()}
    for name, facts in (("atomic_id", graph.facts[known]), ("atomic_ood", graph.facts[~known])):
        tokens = facts[:, :2] + [0, vocab.first_relation]
        none = np.empty((len(facts), 0), np.int32)
        splits[name] = Queries("atomic", vocab, tokens.astype(np.int32), none, facts[:, 2])
    return splits


def _composition(vocab: Vocab, rows: list[tuple[int, ...]], hops: int) -> Queries:
    """From chains (subject, relation, bridge, relation, ..., answer)."""
    table = np.array(rows, np.int32).reshape(-1, 2 * hops + 1)
    tokens = np.column_stack([table[:, :1], table[:, 1::2] + vocab.first_relation])
    return Queries("composition", vocab, tokens.astype(np.int32), table[:, 2:-1:2], table[:, -1])
