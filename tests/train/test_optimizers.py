"""Every optimizer switch against an answer known beforehand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from circuits.recipes.schema import TrainingSection
from train.fused_adamw import FusedAdamW
from train.gradients import GrokfastEMA, project_orthogonally
from train.optimizers import MatrixView, Optimizer, is_hidden_matrix, is_matrix
from train.step import cross_entropy, stablemax
from train.trainer import learning_rate


def parameter(values: list[float]) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


def with_gradient(weight: nn.Parameter, gradient: Tensor) -> nn.Parameter:
    weight.grad = gradient.clone()
    return weight


def test_the_first_adamw_step_is_decay_and_one_learning_rate() -> None:
    weight = with_gradient(parameter([1.0, -2.0]), torch.tensor([5.0, -0.1]))
    training = TrainingSection(lr=0.1, weight_decay=0.5)
    optimizer = Optimizer([("W_in", weight)], training)
    optimizer.set_learning_rate(0.1)
    optimizer.step()
    expected = torch.tensor([1 * 0.95 - 0.1, -2 * 0.95 + 0.1])
    torch.testing.assert_close(weight.detach(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("decay", "bias_after"), [("all", 0.95), ("matrices", 1.0)])
def test_decay_reaches_biases_only_if_asked(decay: str, bias_after: float) -> None:
    weight = with_gradient(parameter([1.0]), torch.zeros(1))
    bias = with_gradient(parameter([1.0]), torch.zeros(1))
    training = TrainingSection(lr=0.1, weight_decay=0.5, decay=decay)
    Optimizer([("attn.W_Q", weight), ("attn.b_Q", bias)], training).step()
    assert weight.item() == pytest.approx(0.95)
    assert bias.item() == pytest.approx(bias_after)


def test_per_head_biases_are_no_matrices_and_embeddings_no_hidden_ones() -> None:
    assert is_matrix("blocks.0.attn.W_Q")
    assert not is_matrix("blocks.0.attn.b_Q")
    assert is_hidden_matrix("blocks.0.mlp.W_in")
    assert not is_hidden_matrix("embed.W_E")
    assert not is_hidden_matrix("unembed.W_U")


def test_muon_moves_a_matrix_along_an_orthogonal_one() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(8, 8))
    with_gradient(weight, torch.randn(8, 8))
    training = TrainingSection(optimizer="muon", lr=1.0, weight_decay=0.0)
    other = with_gradient(parameter([0.0]), torch.ones(1))
    Optimizer([("mlp.W_in", weight), ("b_in", other)], training).step()
    values = torch.linalg.svdvals(weight.detach())
    # 0.2 sqrt(max side) per Moonlight; Newton-Schulz brings singular values into about 0.7..1.2
    scale = 0.2 * math.sqrt(8)
    assert values.max() < 1.35 * scale
    assert values.min() > 0.3 * scale
    assert other.item() == pytest.approx(-1.0, abs=1e-4)


@pytest.mark.parametrize("name", ["attn.W_Q", "attn.W_O"])
def test_heads_become_one_matrix_and_come_back(name: str) -> None:
    shape = (2, 3, 4) if name == "attn.W_O" else (2, 4, 3)
    heads = torch.randn(shape)
    view = MatrixView.of(name, nn.Parameter(heads))
    assert view.matrix.shape == ((6, 4) if name == "attn.W_O" else (4, 6))
    assert torch.equal(view.restore(view.matrix.detach()), heads)
    x = torch.randn(4)
    if name == "attn.W_Q":  # the one matrix maps as all heads together do
        together = x @ view.matrix.detach()
        torch.testing.assert_close(together, torch.einsum("m,hmd->hd", x, heads).flatten())


def test_grokfast_adds_the_running_mean_of_gradients() -> None:
    weight = parameter([0.0])
    filter_ = GrokfastEMA(alpha=0.5, amplification=2.0)
    filter_([with_gradient(weight, torch.tensor([1.0]))])
    assert weight.grad is not None
    assert weight.grad.item() == 3.0  # mu = 1, g + 2 mu
    filter_([with_gradient(weight, torch.tensor([3.0]))])
    assert weight.grad.item() == 7.0  # mu = (1 + 3) / 2


def test_the_projected_gradient_is_orthogonal_and_as_long() -> None:
    weight = with_gradient(parameter([1.0, 0.0]), torch.tensor([3.0, 4.0]))
    project_orthogonally([weight])
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.tensor([0.0, 5.0]))
    project_orthogonally([with_gradient(weight, torch.tensor([2.0, 0.0]))])
    assert weight.grad.tolist() == [0.0, 0.0]


def test_stablemax_of_known_logits() -> None:
    logits = torch.tensor([[3.0, 0.0, -1.0]])  # s = 4, 1, 1/2
    loss = stablemax(logits, torch.tensor([2]))
    assert loss.item() == pytest.approx(math.log(5.5 / 0.5))


def test_stablemax_keeps_a_gradient_where_softmax_has_none() -> None:
    for loss, alive in ((cross_entropy, False), (stablemax, True)):
        logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
        loss(logits, torch.tensor([0])).sum().backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert bool((logits.grad != 0).any()) is alive


def test_learning_rates_at_known_steps() -> None:
    constant = TrainingSection(steps=110, lr=1.0, warmup=10)
    assert [learning_rate(constant, s) for s in (1, 5, 10, 110)] == [0.1, 0.5, 1.0, 1.0]
    linear = TrainingSection(steps=109, lr=1.0, warmup=10, schedule="linear")
    assert learning_rate(linear, 60) == pytest.approx(0.5)
    assert learning_rate(linear, 109) == pytest.approx(0.01)
    cosine = TrainingSection(steps=109, lr=1.0, warmup=10, schedule="cosine")
    assert learning_rate(cosine, 60) == pytest.approx(0.5)
    assert 0 < learning_rate(cosine, 109) < 0.01


def test_a_cooldown_brings_the_last_steps_linearly_to_zero() -> None:
    training = TrainingSection(steps=100, warmup=0, lr=1.0, cooldown=20)
    rates = [learning_rate(training, s) for s in (1, 80, 91, 100)]
    assert rates == pytest.approx([1.0, 1.0, 0.5, 0.05])


@pytest.mark.parametrize("settings", [{"optimizer": "muon"}, {"grokfast": True}, {}])
def test_an_optimizer_put_back_goes_on_as_if_never_stopped(settings: dict[str, object]) -> None:
    training = TrainingSection(lr=0.01, **settings)

    def fresh() -> list[tuple[str, nn.Parameter]]:
        torch.manual_seed(0)
        return [
            ("mlp.W_in", nn.Parameter(torch.randn(4, 6))),
            ("b_in", nn.Parameter(torch.randn(6))),
        ]

    def step(optimizer: Optimizer, named: list[tuple[str, nn.Parameter]], seed: int) -> None:
        torch.manual_seed(seed)
        for _, weight in named:
            weight.grad = torch.randn_like(weight)
        optimizer.step()

    whole = fresh()
    optimizer = Optimizer(whole, training)
    step(optimizer, whole, 1)
    state = {name: value.clone() for name, value in optimizer.state().items()}
    weights = [weight.detach().clone() for _, weight in whole]
    step(optimizer, whole, 2)

    again = fresh()
    for (_, weight), kept in zip(again, weights, strict=True):
        weight.data.copy_(kept)
    second = Optimizer(again, training)
    second.load_state(state)
    step(second, again, 2)
    for (_, a), (_, b) in zip(whole, again, strict=True):
        assert torch.equal(a, b)


def test_adamw_in_one_call_of_its_kernel_gives_the_bits_of_pytorchs_own_step() -> None:
    def weights() -> list[torch.nn.Parameter]:
        draw = torch.Generator().manual_seed(0)
        return [torch.nn.Parameter(torch.randn(n, generator=draw)) for n in (3, 17, 260)]

    found = []
    for shorter in (False, True):
        own = weights()
        groups = [{"params": own[:2]}, {"params": own[2:], "weight_decay": 0.0}]
        adamw = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.95), fused=True)
        stepped = FusedAdamW(adamw) if shorter else adamw
        draw = torch.Generator().manual_seed(1)
        for i in range(5):
            adamw.param_groups[0]["lr"] = 0.1 / (i + 1)
            for weight in own:
                weight.grad = torch.randn(len(weight), generator=draw)
            stepped.step()
        found.append((own, adamw.state_dict()["state"]))
    (theirs, state), (ours, same_state) = found
    assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))
    for i, values in state.items():
        assert all(torch.equal(values[key], same_state[i][key]) for key in values)
