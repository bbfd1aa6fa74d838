"""The hook-free path against the hooked one."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.cpu.compiled_ops import ops_for
from circuits.model.cpu.prefix_sharing import prefix_tree
from circuits.model.cpu.torch_ops import TorchOps
from circuits.model.hook_free import fast_logits, plain_logits
from circuits.model.transformer import HookedTransformer

VARIANTS = {
    "relu": {},
    "rms_gelu": {"normalization_type": "RMS", "act_fn": "gelu"},
    "no_norm_tied": {"normalization_type": None, "tied_unembedding": True, "init_range": 0.1},
    "two_passes_silu": {"n_passes": 2, "act_fn": "silu"},
    "three_layers": {"n_layers": 3},
    "one_layer": {"n_layers": 1},
    "wide_heads_gelu_new": {"d_head": 16, "act_fn": "gelu_new"},
}
LENGTHS = {
    "all_at_the_end": (3, None),
    "atomic_and_two_hops": (3, (1, 2)),
    "atomic_only_but_padded": (3, (1, 1)),
    "any_position": (4, (0, 3)),
    "one_token": (1, None),
    "five_tokens": (5, None),
}


def _model(**changes) -> HookedTransformer:
    shape = {"n_layers": 2, "d_model": 32, "n_ctx": 5, "d_vocab": 12, "n_heads": 4}
    model = HookedTransformer(ModelConfig(**(shape | {"init_range": 0.2} | changes)))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # biases and norms too, or their gradients would go untested
        for name, parameter in model.named_parameters():
            if ".W_" not in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


def _batch(length: int, span: tuple[int, int] | None, rows: int = 40):
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(0, 12, (rows, length), generator=generator)
    if span is None:
        return tokens, None
    return tokens, torch.randint(span[0], span[1] + 1, (rows,), generator=generator)


def _gradients(model: HookedTransformer, logits: torch.Tensor) -> dict[str, torch.Tensor]:
    answers = torch.arange(len(logits)) % logits.shape[1]
    names, parameters = zip(*model.named_parameters(), strict=True)
    loss = F.cross_entropy(logits, answers)
    found = torch.autograd.grad(loss, parameters, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def _hooked(model: HookedTransformer, tokens, predict_at) -> torch.Tensor:
    at = torch.full((len(tokens),), tokens.shape[1] - 1) if predict_at is None else predict_at
    return model(tokens)[torch.arange(len(tokens)), at]


@pytest.mark.parametrize("path", [fast_logits, plain_logits])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_and_gradients_equal_the_hooked_path(variant, lengths, path):
    model = _model(**VARIANTS[variant])
    tokens, predict_at = _batch(*LENGTHS[lengths])
    expected, got = _hooked(model, tokens, predict_at), path(model, tokens, predict_at)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=2e-5)
    exact, ours = _gradients(model, expected), _gradients(model, got)
    for name in exact:
        torch.testing.assert_close(ours[name], exact[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bf16_errs_no_more_than_autocast(variant):
    model = _model(**VARIANTS[variant])
    tokens, predict_at = _batch(3, (1, 2), rows=256)
    exact = _hooked(model, tokens, predict_at)
    exact_gradients = _gradients(model, exact)

    def errors(logits):
        gradients = _gradients(model, logits)
        off = sum((gradients[n] - exact_gradients[n]).square().sum() for n in gradients)
        return (logits - exact).square().mean().sqrt(), off.sqrt()

    assert fast_logits(model, tokens, predict_at, "bf16").dtype == torch.float32
    ours = errors(fast_logits(model, tokens, predict_at, "bf16"))
    autocast = errors(plain_logits(model, tokens, predict_at, "bf16"))
    assert ours[0] <= 1.5 * autocast[0]
    assert ours[1] <= 1.5 * autocast[1]


def test_the_compiled_path_equals_the_hooked_path():
    """Traced only, without a C++ toolchain: it shows the numbers and an unbroken graph."""
    model = _model()
    tokens, predict_at = _batch(3, (1, 2))
    compiled = torch.compile(partial(fast_logits, model), backend="aot_eager", fullgraph=True)
    expected, got = _hooked(model, tokens, predict_at), compiled(tokens, predict_at)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=2e-5)
    exact, ours = _gradients(model, expected), _gradients(model, got)
    for name in exact:
        torch.testing.assert_close(ours[name], exact[name], rtol=1e-4, atol=1e-5, msg=name)


def test_training_without_hooks_follows_training_with_them():
    hooked, fast = _model(), _model()
    tokens, predict_at = _batch(3, (1, 2))
    for model, logits in ((hooked, _hooked), (fast, fast_logits)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            answers = torch.arange(len(tokens)) % 12
            F.cross_entropy(logits(model, tokens, predict_at), answers).backward()
            optimizer.step()
    for a, b in zip(hooked.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_two_forward_passes_before_their_backward_passes_do_not_disturb_each_other():
    model = _model()
    tokens, _ = _batch(3, None)
    first, second = fast_logits(model, tokens[:20]), fast_logits(model, tokens[20:])
    (first.sum() + second.square().sum()).backward()
    ours = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    logits = model(tokens)[:, -1]
    (logits[:20].sum() + logits[20:].square().sum()).backward()
    for a, p in zip(ours, model.parameters(), strict=True):
        torch.testing.assert_close(a, p.grad, rtol=1e-4, atol=1e-4)


def test_a_copied_model_has_its_own_workspace():
    model = _model()
    tokens, _ = _batch(3, None)
    before = fast_logits(model, tokens)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.W_E.mul_(2)
    torch.testing.assert_close(fast_logits(twin, tokens), twin(tokens)[:, -1], rtol=1e-5, atol=1e-5)
    assert torch.equal(fast_logits(model, tokens), before)


def test_dropout_acts_in_training_only():
    model = _model(dropout=0.5)
    tokens, _ = _batch(3, None)
    assert not torch.equal(fast_logits(model, tokens), fast_logits(model, tokens))
    model.eval()
    torch.testing.assert_close(
        fast_logits(model, tokens), model(tokens)[:, -1], rtol=1e-5, atol=1e-5
    )


def _apart(parameter: torch.Tensor) -> torch.Tensor:
    """The same numbers, not side by side in memory."""
    twice = torch.stack([parameter, parameter], -1).detach()
    return twice[..., 0]


CAST = {
    "float64": lambda model: model.double(),
    "bfloat16": lambda model: model.bfloat16(),
    "not_contiguous": lambda model: model.load_state_dict(
        {name: _apart(value) for name, value in model.state_dict().items()}, assign=True
    ),
}


@pytest.mark.parametrize("cast", CAST)
def test_parameters_of_any_dtype_and_layout_are_taken(cast):
    model = _model()
    CAST[cast](model)
    same_numbers = copy.deepcopy(model).float()
    tokens, predict_at = _batch(3, (1, 2))
    expected, got = (
        _hooked(same_numbers, tokens, predict_at),
        fast_logits(model, tokens, predict_at),
    )
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=2e-5)
    exact, ours = _gradients(same_numbers, expected), _gradients(model, got)
    error = 1e-2 if cast == "bfloat16" else 1e-4
    for name, parameter in model.named_parameters():
        assert ours[name].dtype == parameter.dtype
        torch.testing.assert_close(ours[name].float(), exact[name], rtol=error, atol=error)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_autocast_and_the_type_of_the_tokens_change_nothing(precision):
    model = _model()
    tokens, predict_at = _batch(3, (1, 2))
    expected = fast_logits(model, tokens, predict_at, precision)
    exact = _gradients(model, expected)
    with torch.autocast("cpu", torch.bfloat16):
        got = fast_logits(model, tokens.int(), predict_at.int(), precision)
        ours = _gradients(model, got)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    for name in exact:
        torch.testing.assert_close(ours[name], exact[name], rtol=1e-5, atol=1e-5)


def test_heads_too_wide_for_a_threads_stack_are_left_to_pytorch():
    model = _model(n_layers=1, n_heads=1, d_head=900_000, d_model=2, d_mlp=2)
    tokens, _ = _batch(2, None, rows=2)
    assert type(ops_for(model.cfg, torch.float32)) is TorchOps
    with torch.no_grad():
        torch.testing.assert_close(
            fast_logits(model, tokens), model(tokens)[:, -1], rtol=1e-4, atol=1e-4
        )


def test_gradients_taken_twice_are_refused():
    model = _model()
    loss = fast_logits(model, _batch(3, None)[0]).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="taken once"):
        loss.backward()


def test_rows_that_begin_alike_share_their_nodes():
    tokens = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 5, 3], [1, 5, 0]])
    distinct = ops_for(_model().cfg, torch.float32).distinct
    tree = prefix_tree(tokens.repeat(16, 1), torch.tensor([2, 2, 2, 1]).repeat(16), 2, distinct)
    token_of_node = tree.tokens[tree.first.rows]
    assert tree.sizes == (32, 32, 32)  # 1, 2 and 3 distinct prefixes, padded
    assert tree.token_sizes == (32, 32, 32)
    assert token_of_node[:1].tolist() == [1]
    assert sorted(token_of_node[32:34].tolist()) == [2, 5]
    assert sorted(token_of_node[64:67].tolist()) == [3, 3, 4]
    assert token_of_node[tree.last.rows[tree.predicted]].tolist() == [3, 4, 3, 5] * 16


def test_the_same_batch_gives_the_same_bits():
    model = _model(n_layers=3, d_model=64)
    tokens, predict_at = _batch(3, (1, 2), rows=2048)
    once, again = (
        _gradients(model, fast_logits(model, tokens, predict_at, "bf16")) for _ in range(2)
    )
    assert all(torch.equal(once[name], again[name]) for name in once)


@pytest.mark.parametrize("permanent", [False, True])
def test_a_model_with_hooks_is_refused_and_free_of_them_it_is_not(permanent):
    model = _model()
    tokens, _ = _batch(3, None)
    expected = fast_logits(model, tokens)
    name = "blocks.0.hook_mlp_out"
    model.add_hook(name, lambda out, hook: out * 0, is_permanent=permanent)
    with pytest.raises(
        HopscopeError, match=f"hooks were added to {name}, .* or use the model itself"
    ):
        fast_logits(model, tokens)
    model.reset_hooks(including_permanent=True)
    assert torch.equal(fast_logits(model, tokens), expected)
