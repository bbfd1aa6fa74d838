"""What can be known of training on a GPU without one.

The path that a GPU takes is run on PyTorch's meta device, where every tensor made elsewhere and
every question of the host is an error, and on a CPU under a watch for such questions.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_runs import tiny_recipe
from torch.utils._python_dispatch import TorchDispatchMode

from circuits.corpus.build import build_corpus
from circuits.errors import HopscopeError
from circuits.model.transformer import HookedTransformer, ModelConfig
from circuits.recipes.schema import TrainingSection
from train.batches import Batch
from train.distributed import Group
from train.gradients import GrokfastEMA, project_orthogonally
from train.step import LOSSES, LossName, Objective, TrainingStep
from train.trainer import Trainer

META = torch.device("meta")
MODELS = {
    "plain": {},
    "shared and tied": {"n_passes": 2, "tied_unembedding": True},
    "RMS and dropout": {"normalization_type": "RMS", "act_fn": "gelu_new", "dropout": 0.1},
    "no norm": {"normalization_type": None, "act_fn": "silu"},
}
TRAININGS = {
    "adamw": {},
    "muon": {"optimizer": "muon"},
    "filters": {"grokfast": True, "orthogonal_gradient": True, "decay": "matrices"},
    "stablemax": {"loss": "stablemax"},
}


def small_model(**changes: Any) -> HookedTransformer:
    shape = {"n_layers": 2, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 32}
    sizes = {"d_vocab": 20, "n_ctx": 3, "act_fn": "relu"}
    return HookedTransformer(ModelConfig(**(shape | sizes | changes)))


def some_batch(device: torch.device, rows: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 20, (rows, 3), generator=generator)
    at = torch.randint(1, 3, (rows,), generator=generator)
    return Batch(tokens.to(device), at.to(device), tokens[:, 0].to(device))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", MODELS)
def test_a_step_makes_every_tensor_where_the_model_is(model: str, loss: LossName) -> None:
    moved = small_model(**MODELS[model]).to(META).train()
    objective = Objective(moved, LOSSES[loss], "fp32")
    parameters, slow_part = list(moved.parameters()), GrokfastEMA(0.9, 2.0)
    for _ in range(2):
        moved.zero_grad()
        found = objective(*some_batch(META))
        found.backward()
        project_orthogonally(parameters)
        slow_part(parameters)
    assert found.device == META
    assert {p.grad.device for p in parameters if p.grad is not None} == {META}


def test_a_tensor_from_elsewhere_would_be_noticed() -> None:
    moved = small_model().to(META)
    with pytest.raises(HopscopeError, match="on the CPU but the model is on meta"):
        Objective(moved, LOSSES["cross_entropy"], "fp32")(*some_batch(torch.device("cpu")))


class HostQuestions(TorchDispatchMode):
    """Counts operations whose result the host waits for."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name.startswith(self.WAITS):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("training", TRAININGS)
def test_a_step_asks_the_host_nothing(training: str) -> None:
    changes = {f"training__{key}": value for key, value in TRAININGS[training].items()}
    recipe = tiny_recipe(model__dropout=0.1, **changes)  # dropout: the path that a GPU takes
    corpus = build_corpus(recipe)
    config = ModelConfig.from_recipe(recipe.model, len(corpus.vocab), corpus.n_ctx, 0)
    group = Group(torch.device("cpu"))
    trainer = Trainer(recipe, corpus, HookedTransformer(config), "bf16", group)
    with HostQuestions() as questions:
        for _ in range(8):  # past the end of an epoch
            trainer.advance()
    assert questions.found == []
    with HostQuestions() as questions:
        trainer.check_finite()
    assert questions.found == ["nonzero"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("training", ["adamw", "filters", "stablemax"])
def test_captured_steps_train_as_ordinary_ones_do(training: str) -> None:
    group = Group(torch.device("cuda"))
    section = TrainingSection.model_validate(TRAININGS[training])
    after, batch = [], some_batch(group.device, rows=64)
    for captured in (False, True):
        model = small_model().to(group.device)
        step = TrainingStep(model, section, "fp32", group)
        if not captured:
            step._do = step._compute
        for _ in range(10):
            step.optimizer.set_learning_rate(1e-3)
            loss = step(batch)
        after.append([loss.clone(), *(p.detach() for p in model.parameters())])
    for ordinary, replayed in zip(*after, strict=True):
        torch.testing.assert_close(replayed, ordinary, rtol=1e-4, atol=1e-5)
