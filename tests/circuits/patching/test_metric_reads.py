"""What a metric of `patch_grid` may read: everything, and it always reads true numbers."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from slow_patching import assert_close, last_logit, model_with, prompts, slow_grid
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.transformer_lens_4 import to_bridge
from circuits.patching import COMPONENTS, HEAD_COMPONENTS, patch_grid
from circuits.patching.lazy_logits import LazyLogits, lazy_logits
from circuits.runs.run import open_run

DEMO = Path(__file__).parents[3] / "assets" / "demo"


def share_right_at(position: int, answers: Tensor) -> Callable[[Tensor], Tensor]:
    """The share of prompts whose top token at a position is the answer: a step function."""
    return lambda logits: (logits[:, position].argmax(-1) == answers).float().mean()


def discrete_case() -> tuple[Any, Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """The clean run's top tokens at position 1 out of 200: noise hardly ever has them on top."""
    model = model_with(d_vocab=200, init_range=0.6)
    generator = torch.Generator().manual_seed(3)
    clean, corrupted = torch.randint(200, (2, 40, 3), generator=generator)
    top, other = (model(tokens)[:, 1].argmax(-1) for tokens in (clean, corrupted))
    rows = (top != other).nonzero()[:6, 0]
    return model, clean[rows], corrupted[rows], share_right_at(1, top[rows])


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_metric_that_reads_an_earlier_position_gets_true_numbers(component: str) -> None:
    model, clean, corrupted, metric = discrete_case()
    grid = patch_grid(model, clean, corrupted, component, metric)  # type: ignore[arg-type]
    expected = slow_grid(model, clean, corrupted, component, lambda x: metric(x)[None])[..., 0]
    assert_close(grid, expected)
    if component == "resid_pre":
        assert expected.max() > 0  # there is something to miss
        assert float(metric(model(corrupted))) == 0


def test_a_discrete_metric_of_an_earlier_position_equals_transformerlens_patching() -> None:
    from transformer_lens import patching as theirs

    model, clean, corrupted, metric = discrete_case()
    bridge = to_bridge(model)
    _, cache = bridge.run_with_cache(clean)
    expected = theirs.get_act_patch_resid_pre(bridge, corrupted, cache, metric)
    assert expected.max() > 0
    assert_close(patch_grid(model, clean, corrupted, "resid_pre", metric), expected.detach())


def test_the_bridge_as_top_token_of_the_demo_is_counted_where_it_is() -> None:
    run = open_run(DEMO)
    model, queries = run.model(), run.queries("id_test")
    clean, corrupted = queries.tokens[300:316], queries.tokens[800:816]
    metric = share_right_at(1, queries.bridges[300:316, 0])
    expected = slow_grid(model, clean, corrupted, "resid_pre", lambda x: metric(x)[None])[..., 0]
    assert expected[0, 0] > 0  # the subject, where there is something to miss
    assert expected[1, 1] > 0  # the first relation after a block
    assert_close(patch_grid(model, clean, corrupted, metric=metric), expected)


@pytest.mark.parametrize("component", ["resid_pre", "z"])
def test_the_metric_is_called_once_per_cell_and_only_on_patched_runs(component: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    expected = slow_grid(model, clean, corrupted, component)
    for reads in (last_logit, lambda logits: logits.sum((1, 2))):
        seen: list[np.ndarray] = []

        def metric(logits: Tensor, reads: Any = reads, seen: list = seen) -> Tensor:
            seen.append(last_logit(logits).numpy().copy())
            return reads(logits)

        grid = patch_grid(model, clean, corrupted, component, metric)  # type: ignore[arg-type]
        n_cells = grid.isel(example=0).size
        assert len(seen) == n_cells
        true = expected.reshape(n_cells, -1)
        apart = np.abs(np.stack(seen)[:, None] - true[None]).max(-1).min(1)
        assert apart.max() < 1e-5  # every call saw a cell's run: no noise, no unpatched run


def test_a_metric_that_looks_further_on_some_cells_only_is_right_on_all() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    turning_point = float(slow_grid(model, clean, corrupted, "resid_pre").mean())

    def metric(logits: Tensor) -> Tensor:
        mean = last_logit(logits).mean()
        return mean if mean < turning_point else logits[:, 0].mean()

    expected = slow_grid(model, clean, corrupted, "resid_pre", lambda x: metric(x)[None])
    assert_close(patch_grid(model, clean, corrupted, "resid_pre", metric), expected[..., 0])


@pytest.mark.parametrize("positions", [[0], [1, 0], [2], [0, 2]])
def test_chosen_positions_get_true_logits_everywhere(positions: list[int]) -> None:
    model, (clean, corrupted) = model_with(), prompts()

    def metric(logits: Tensor) -> Tensor:
        return logits[..., 2].sum(-1)

    grid = patch_grid(model, clean, corrupted, "attn_out", metric, positions=positions)
    assert_close(grid, slow_grid(model, clean, corrupted, "attn_out", metric)[:, positions])


TRUE = torch.randn(6, 3, 7, generator=torch.Generator().manual_seed(0))
ROWS = torch.arange(6)
READ_THE_LAST = {
    "index": lambda x: x[:, -1],
    "ellipsis": lambda x: x[..., -1, :],
    "number": lambda x: x[:, 2, 3],
    "slice": lambda x: x[:, -1:],
    "list": lambda x: x[:, [-1]],
    "rows and positions": lambda x: x[ROWS, torch.full((6,), 2), ROWS],
    "mask of rows": lambda x: x[ROWS > 2, -1],
    "select": lambda x: x.select(1, -1),
    "narrow": lambda x: torch.narrow(x, 1, 2, 1),
    "probabilities": lambda x: x.softmax(-1)[:, -1],
    "log probabilities": lambda x: F.log_softmax(x, dim=2)[:, -1, 0],
    "top token": lambda x: x.softmax(-1).argmax(dim=-1)[:, -1],
    "shape": lambda x: x[0, -1] * x.shape[1] * len(x) * x.ndim,
}
READ_MORE = {
    "index": lambda x: x[:, 1],
    "slice": lambda x: x[:, -2:],
    "one row": lambda x: x[-1],
    "positions by row": lambda x: x[ROWS, ROWS % 3],
    "mask": lambda x: x[x > 0],
    "sum": lambda x: x.sum(),
    "softmax over positions": lambda x: x.softmax(1)[:, -1],
    "softmax of one row over positions": lambda x: x[0].softmax(0)[-1],
    "top of all": lambda x: x.argmax(),
    "probabilities": lambda x: x.softmax(-1)[:, 0],
    "top token": lambda x: x.argmax(-1)[:, 0],
    "comparison": lambda x: 1 + x > 1,
    "unbind": lambda x: x.unbind(1)[0],
    "detached": lambda x: x.detach()[:, 0],
    "data": lambda x: x.data,
    "einops": lambda x: rearrange(x, "b p v -> p b v")[0],
    "einsum": lambda x: torch.einsum("bpv->v", x),
    "stack": lambda x: torch.stack([x, x]),
    "numpy": lambda x: torch.tensor(x.numpy()),
    "array": lambda x: torch.tensor(np.asarray(x)),
    "list": lambda x: torch.tensor(x.tolist()),
    "rows": lambda x: torch.stack(list(x)),
    "number": lambda x: torch.tensor(float(x[0, 0, 0])),
    "as_tensor": lambda x: torch.as_tensor(x) + 0,
    "vmap": lambda x: torch.func.vmap(lambda row: row[0, 3])(x),
    "operator below Python's functions": lambda x: torch.ops.aten.sum.default(x),
    "autograd function": lambda x: Squared.apply(x),
    "dlpack": lambda x: torch.from_dlpack(x),
    "deepcopy": lambda x: copy.deepcopy(x),
    "saved": lambda x: saved_and_loaded(x),
}


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * x


def saved_and_loaded(x: Tensor) -> Tensor:
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    return torch.load(file)


def lazy(asked: list[str]) -> Tensor:
    """`TRUE`, of which only the last position is there at first."""

    def before() -> Tensor:
        asked.append("before")
        return TRUE[:, :-1].clone()

    return lazy_logits(TRUE[:, -1].clone(), 3, before)


@pytest.mark.parametrize("name", READ_THE_LAST)
def test_reading_the_last_position_computes_no_other(name: str) -> None:
    asked: list[str] = []
    found = READ_THE_LAST[name](lazy(asked))
    torch.testing.assert_close(found, READ_THE_LAST[name](TRUE))
    assert not asked
    assert not isinstance(found, LazyLogits)


@pytest.mark.parametrize("name", READ_MORE)
def test_reading_anything_else_computes_all_of_them(name: str) -> None:
    asked: list[str] = []
    found = READ_MORE[name](lazy(asked))
    torch.testing.assert_close(torch.Tensor.add(found, 0), READ_MORE[name](TRUE.clone()) + 0)
    assert asked


def test_writing_into_lazy_logits_is_writing_into_logits() -> None:
    def masked_first(x: Tensor) -> Tensor:
        x[:, -1, 3] = -torch.inf
        return x.argmax(-1)

    def view_of_the_last(x: Tensor) -> Tensor:
        last = x[:, -1]
        last[:] = 0
        total = x.sum((0, 2))
        last += 1
        return torch.stack([total, x.sum((0, 2))])

    def probabilities_before_a_change(x: Tensor) -> Tensor:
        p = x.softmax(-1)
        x[:, 0] = 0
        return p[:, 0]

    for change in (masked_first, view_of_the_last, probabilities_before_a_change):
        torch.testing.assert_close(change(lazy([])), change(TRUE.clone()))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda logits: None, "the metric gave a NoneType"),
        (lambda logits: "high", "the metric gave a str"),
        (lambda logits: logits[:, -1], r"of shape \(9, 13\) for 9 examples"),
        (lambda logits: logits[:3, -1, 0], r"of shape \(3,\) for 9 examples"),
    ],
)
def test_a_metric_that_gives_no_number_is_told_so(metric: Any, message: str) -> None:
    model, (clean, corrupted) = model_with(), prompts()
    with pytest.raises(HopscopeError, match=message):
        patch_grid(model, clean, corrupted, metric=metric)


@pytest.mark.parametrize("position", [-1, 0])
def test_a_compiled_metric_gets_true_numbers(position: int) -> None:
    model, (clean, corrupted) = model_with(), prompts()

    def metric(logits: Tensor) -> Tensor:
        return logits[:, position, 3].mean()

    compiled = torch.compile(metric, backend="eager", fullgraph=True)
    expected = patch_grid(model, clean, corrupted, metric=metric)
    assert_close(patch_grid(model, clean, corrupted, metric=compiled), expected)


def test_floats_arrays_and_half_precision_are_numbers_too() -> None:
    model, (clean, corrupted) = model_with(), prompts()
    expected = patch_grid(model, clean, corrupted, metric=lambda x: x[:, -1, 0])
    for metric in (
        lambda x: x[:, -1, 0].bfloat16(),
        lambda x: x[:, -1, 0].half(),
        lambda x: x.numpy()[:, -1, 0],
        lambda x: x[:, -1, 0].tolist(),
    ):
        assert_close(patch_grid(model, clean, corrupted, metric=metric), expected, atol=0.02)
    mean = patch_grid(model, clean, corrupted, metric=lambda x: float(x[:, -1, 0].mean()))
    assert_close(mean, expected.mean("example"))


@pytest.mark.parametrize("component", ["resid_pre", *HEAD_COMPONENTS])
def test_a_bf16_model_is_patched_as_exactly_as_by_its_hooks(component: str) -> None:
    model, (clean, corrupted) = model_with().bfloat16(), prompts()
    grid = patch_grid(model, clean, corrupted, component, last_logit)  # type: ignore[arg-type]
    by_hooks = slow_grid(model, clean, corrupted, component, lambda x: last_logit(x).float())
    exact = slow_grid(model.float(), clean, corrupted, component)
    assert grid.dtype == np.float32
    off, off_by_hooks = (np.sqrt(np.square(x - exact).mean()) for x in (grid.values, by_hooks))
    assert 0 < off < 1.5 * off_by_hooks


@pytest.mark.parametrize("component", ["resid_pre", *HEAD_COMPONENTS])
def test_a_double_model_is_patched_in_double(component: str) -> None:
    model, (clean, corrupted) = model_with().double(), prompts()
    grid = patch_grid(model, clean, corrupted, component, last_logit)  # type: ignore[arg-type]
    expected = slow_grid(model, clean, corrupted, component)
    np.testing.assert_allclose(grid, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_the_recovered_difference_is_there_in_any_precision(dtype: torch.dtype) -> None:
    model, (clean, corrupted) = model_with().to(dtype), prompts()
    grid = patch_grid(model, clean, corrupted, "resid_post")
    assert_close(grid[-1], [0, 0, 1], atol=0.03)
