"""Norms, ranks and gradient cosines against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_wired import hand_wired, random_model

from analyses.catalog import CATALOG
from analyses.questions.examples import draw_examples
from circuits.model.hook_free import fast_logits

WEIGHTS = CATALOG["weights"]
WIRED = hand_wired()
EXAMPLES = draw_examples(WIRED.corpus, "train_inferred", 60)


def test_ranks_of_known_matrices() -> None:
    model = random_model(WIRED.corpus, d_mlp=32)
    model.blocks[0].mlp.W_in.data = torch.eye(32)
    model.blocks[0].mlp.W_out.data = torch.ones(32, 32)
    model.blocks[1].mlp.W_in.data = torch.diag(torch.cat([torch.ones(4), torch.zeros(28)]))
    model.blocks[1].mlp.W_out.data.zero_()
    found = WEIGHTS.run(model, EXAMPLES, WEIGHTS.options({"gradients": False}))
    for name, rank in (("0.mlp.W_in", 32), ("0.mlp.W_out", 1), ("1.mlp.W_in", 4)):
        of = found.sel(matrix=f"blocks.{name}")
        assert of.effective_rank.item() == pytest.approx(rank, rel=1e-4)
        assert of.stable_rank.item() == pytest.approx(rank, rel=1e-4)
    assert found.effective_rank.sel(matrix="blocks.1.mlp.W_out") == 0


def test_norms_add_up() -> None:
    model = random_model(WIRED.corpus)
    found = WEIGHTS.run(model, EXAMPLES, WEIGHTS.options({"gradients": False}))
    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert found.norm.sel(parameter="all").item() == pytest.approx(flat.norm().item(), rel=1e-5)


def test_the_gradient_cosine_is_that_of_the_whole_batch() -> None:
    model = random_model(WIRED.corpus)
    found = WEIGHTS.run(model, EXAMPLES, WEIGHTS.options({"batches": 4}))
    queries = EXAMPLES.queries
    loss = torch.nn.functional.cross_entropy(fast_logits(model, queries.tokens), queries.answer)
    loss.backward()
    names = [name for name, _ in model.named_parameters()]
    cosine = torch.nn.functional.cosine_similarity
    for name in ("embed.W_E", "blocks.1.mlp.W_out", "all"):
        chosen = names if name == "all" else [name]
        parameters = [model.get_parameter(n) for n in chosen]
        weight = torch.cat([p.detach().flatten() for p in parameters])
        gradient = torch.cat([p.grad.flatten() for p in parameters])
        of = found.sel(parameter=name)
        assert of.gradient_cosine.item() == pytest.approx(
            cosine(weight, gradient, 0).item(), abs=1e-4
        )
        assert of.gradient_cosine_low < of.gradient_cosine < of.gradient_cosine_high


def test_a_gradient_that_is_only_rounding_has_no_cosine() -> None:
    """A bias of keys adds the same to all scores of a query, which softmax does not see."""
    model = random_model(WIRED.corpus)
    for block in model.blocks:
        block.attn.b_K.data.fill_(0.5)
        block.attn.b_Q.data.fill_(0.5)
    found = WEIGHTS.run(model, EXAMPLES, WEIGHTS.options({}))
    for end in ("", "_low", "_high"):
        of = found[f"gradient_cosine{end}"]
        assert of.sel(parameter="blocks.0.attn.b_K").isnull()
        assert of.sel(parameter=["blocks.0.attn.b_Q", "blocks.0.attn.W_K", "all"]).notnull().all()


def test_the_jackknife_is_that_of_gradients_with_one_batch_left_out() -> None:
    model = random_model(WIRED.corpus)
    found = WEIGHTS.run(model, EXAMPLES, WEIGHTS.options({"batches": 3})).sel(parameter="embed.W_E")
    rows = np.array_split(np.arange(len(EXAMPLES)), 3)
    cosines = []
    for left_out in rows:
        queries = EXAMPLES.queries.take(np.setdiff1d(np.arange(len(EXAMPLES)), left_out))
        loss = torch.nn.functional.cross_entropy(fast_logits(model, queries.tokens), queries.answer)
        (gradient,) = torch.autograd.grad(loss, [model.embed.W_E])
        weight = model.embed.W_E.detach().flatten()
        cosines.append(torch.nn.functional.cosine_similarity(weight, gradient.flatten(), 0).item())
    error = (2 / 3 * np.sum((cosines - np.mean(cosines)) ** 2)) ** 0.5
    half = (found.gradient_cosine_high - found.gradient_cosine_low).item() / 2
    assert half == pytest.approx(1.959964 * error, rel=0.02)
