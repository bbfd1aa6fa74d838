"""Models that answer in known ways: by composing, by memory, by copying.

- `composer`: the circuit of `hand_wired`: hop one in block 0, hop two in block 1.
- `memorizer`: block 0 gathers subject and relation 1 at relation 2, and has a neuron for every
  trained question. It knows all atomic facts as well, so S[1, relation_1] carries the bridge, which
  nothing reads.
- `copier`: answers every question with its subject.
"""

from __future__ import annotations

import torch
from hand_wired import attend, wire

from circuits.corpus.corpus import Corpus
from circuits.model.transformer import HookedTransformer, ModelConfig


def composer(corpus: Corpus) -> HookedTransformer:
    """Answers every question that its facts lead to."""
    model = blank(corpus)
    with torch.no_grad():
        wire(model, corpus.graph, [0, 1])
    return model


def memorizer(corpus: Corpus) -> HookedTransformer:
    """Answers trained questions and facts, and everything else with token 0."""
    model = blank(corpus)
    n, k = len(corpus.graph.entities), len(corpus.graph.relations)
    relation, position = slice(n, n + k), slice(n + k, n + k + 3)
    subject = slice(n + k + 3, 2 * n + k + 3)
    first = slice(subject.stop, subject.stop + k)
    out = slice(first.stop, first.stop + n)
    with torch.no_grad():
        _embed(model, n + k)
        attend(model, 0, position, [0, 0, 0], slice(0, n), subject, head=0)
        attend(model, 0, position, [0, 0, 1], relation, first, head=1)
        mlp = model.blocks[0].mlp
        trained, facts = corpus.queries("train_inferred"), corpus.graph.facts
        for i, (h, r1, r2) in enumerate(trained.token_ids.tolist()):
            rows = [subject.start + h, first.start + r1 - n, r2]
            mlp.W_in[rows, i], mlp.b_in[i] = 1.0, -2.0
            mlp.W_out[i, out.start + int(trained.answer_ids[i])] = 1.0
        for i, (s, r, o) in enumerate(facts.tolist(), len(trained)):
            mlp.W_in[[subject.start + s, n + r], i], mlp.b_in[i] = 1.0, -1.0
            mlp.W_in[first, i] = -1.0  # facts are asked where no relation came before
            mlp.W_out[i, out.start + o] = 1.0
        model.unembed.W_U[out, :n] = torch.eye(n)
    return model


def copier(corpus: Corpus) -> HookedTransformer:
    """Answers with the subject."""
    n, k = len(corpus.graph.entities), len(corpus.graph.relations)
    model = blank(corpus, d_model=2 * n + k + 3, d_mlp=1)
    position, out = slice(n + k, n + k + 3), slice(n + k + 3, 2 * n + k + 3)
    with torch.no_grad():
        _embed(model, n + k)
        attend(model, 0, position, [0, 0, 0], slice(0, n), out)
        model.unembed.W_U[out, :n] = torch.eye(n)
    return model


def blank(corpus: Corpus, **shape: int) -> HookedTransformer:
    """All weights zero: answers everything with token 0. Has room for composing and memory."""
    n, k = len(corpus.graph.entities), len(corpus.graph.relations)
    fields = {
        "d_model": 5 * n + 2 * k + 3,
        "d_mlp": len(corpus.graph) + len(corpus.queries("train_inferred")),
        **shape,
    }
    cfg = ModelConfig(
        n_layers=2,
        n_ctx=3,
        d_vocab=len(corpus.vocab),
        n_heads=2,
        d_head=max(n, k, 3),
        act_fn="relu",
        normalization_type=None,
        **fields,
    )
    model = HookedTransformer(cfg).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def _embed(model: HookedTransformer, n_tokens: int) -> None:
    """Each token and each position at a dimension of its own."""
    model.embed.W_E[torch.arange(n_tokens), torch.arange(n_tokens)] = 1.0
    places = torch.arange(3)
    model.pos_embed.W_pos[places, places + n_tokens] = 1.0
