"""The compiled kernels do what PyTorch's operations do, and training works without them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.model.config import ModelConfig
from circuits.model.cpu import kernels as module
from circuits.model.cpu.compiled_ops import CompiledOps
from circuits.model.cpu.prefix_sharing import QueryNodes, prefix_tree
from circuits.model.cpu.torch_ops import TorchOps
from circuits.model.hook_free import fast_logits
from circuits.model.transformer import HookedTransformer

DTYPES = {torch.bfloat16: "bf16", torch.float32: "fp32"}
missing = any(module.kernels(dtype) is None for dtype in DTYPES)
needs_kernels = pytest.mark.skipif(missing, reason="no C compiler, or no OpenMP of GNU's")
BF16 = torch.bfloat16
LIBRARY = Path("" if missing else module.kernels(BF16)._name)
"""As this user has compiled it."""
SHAPES = [(4, 24), (2, 32), (3, 5), (1, 16), (2, 64), (5, 7)]
"""Heads and their width: those that are unrolled, and others."""


def _config(n_heads: int = 4, d_head: int = 24, **changes) -> ModelConfig:
    shape = {"n_layers": 2, "n_heads": n_heads, "d_head": d_head, "d_model": n_heads * d_head}
    return ModelConfig(**(shape | {"n_ctx": 5, "d_vocab": 12, "init_range": 0.2} | changes))


def _both(cfg: ModelConfig, dtype: torch.dtype = BF16) -> tuple[TorchOps, CompiledOps]:
    """Exact operations, and the compiled ones."""
    return TorchOps(cfg, torch.float32), CompiledOps(cfg, dtype, module.kernels(dtype))


def _normal(*size: int, seed: int = 0) -> torch.Tensor:
    """Numbers that bf16 holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator).to(BF16).float()


def _close(found: torch.Tensor, exact: torch.Tensor) -> None:
    error = 0.01 if found.dtype == BF16 else 1e-5
    torch.testing.assert_close(found.float(), exact, rtol=error, atol=error)


@pytest.fixture(params=DTYPES, ids=DTYPES.values())
def dtype(request):
    return request.param


@pytest.fixture(params=[1, 2, 3], ids=lambda n: f"{n} threads")
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@needs_kernels
@pytest.mark.parametrize("rows", [slice(None), torch.tensor([3, 3, 0, 6])], ids=["all", "some"])
@pytest.mark.parametrize("moved", [True, False], ids=["delta", "no delta"])
def test_sum_and_norm_are_those_of_pytorch(threads, dtype, rows, moved):
    exact, ours = _both(_config(), dtype)
    resid, weights = _normal(7, 96), (_normal(96, seed=1), _normal(96, seed=2))
    delta = _normal(7, 96, seed=3)[rows] if moved else None
    total, out, saved = exact.add_norm(resid, rows, delta, weights)
    cast = None if delta is None else delta.to(dtype)
    total_, out_, saved_ = ours.add_norm(resid, rows, cast, weights)
    torch.testing.assert_close(total_, total)
    _close(out_, out)
    for a, b in zip(saved_[1:], saved[1:], strict=True):
        torch.testing.assert_close(a.flatten(), b.flatten())


@needs_kernels
@pytest.mark.parametrize("add", [True, False], ids=["with more", "alone"])
@pytest.mark.parametrize("rows", [None, slice(2, None), torch.tensor([3, 3, 0, 6])])
def test_gradients_of_the_norm_are_those_of_pytorch(threads, dtype, rows, add):
    exact, ours = _both(_config(), dtype)
    weights = (_normal(96, seed=1), _normal(96, seed=2))
    *_, saved = exact.add_norm(_normal(7, 96), slice(None), None, weights)
    *_, saved_ = ours.add_norm(_normal(7, 96), slice(None), None, weights)
    dout = _normal(7, 96, seed=3)
    also = None if rows is None else dout.flip(0)[rows]
    more = {"rows": slice(None) if rows is None else rows, "add": dout * 2 if add else None}
    dx, dweights = exact.norm_backward(dout.clone(), saved, weights, also=also, **more)
    cast = None if also is None else also.to(dtype)
    dx_, dweights_ = ours.norm_backward(dout.to(dtype), saved_, weights, also=cast, **more)
    torch.testing.assert_close(dx_, dx, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dweights_, dweights, rtol=1e-4, atol=1e-4)


@needs_kernels
def test_a_gradient_in_fp32_is_taken_as_it_is(threads, dtype):
    exact, ours = _both(_config(), dtype)
    weights = (_normal(96, seed=1), _normal(96, seed=2))
    *_, saved = exact.add_norm(_normal(7, 96), slice(None), None, weights)
    dout = _normal(7, 96, seed=3) / 3
    found, expected = (ops.norm_backward(dout, saved, weights)[0] for ops in (ours, exact))
    torch.testing.assert_close(found, expected)


@needs_kernels
def test_casts_and_sums_are_those_of_pytorch(threads, dtype):
    exact, ours = _both(_config(), dtype)
    x, total = _normal(7, 96) / 3, torch.empty(96, dtype=dtype)
    assert torch.equal(ours.cast_and_sum(x, total), x.to(dtype))
    _close(total, x.sum(0))
    post, dpost = _normal(7, 96).relu().to(dtype), _normal(7, 96, seed=1).to(dtype)
    post[0, 0] = -0.0
    expected = exact.activate_backward(dpost.float().clone(), post.float(), torch.empty(96))
    assert torch.equal(ours.activate_backward(dpost, post, total).float(), expected)
    _close(total, expected.sum(0))


def _queries(which: str) -> tuple[QueryNodes, int]:
    tokens = torch.randint(0, 6, (50, 4), generator=torch.Generator().manual_seed(0))
    ends = torch.arange(50) % 4
    tree = prefix_tree(tokens, ends, 3, TorchOps(_config(), BF16).distinct)
    return getattr(tree, which), sum(tree.token_sizes if which == "first" else tree.sizes)


@needs_kernels
@pytest.mark.parametrize("which", ["first", "inner", "last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_attention_and_its_gradients_are_those_of_pytorch(threads, dtype, shape, which):
    exact, ours = _both(_config(*shape), dtype)
    queries, n_nodes = _queries(which)
    n = queries.lookups[-1].stop
    width = shape[0] * shape[1]
    q, kv = _normal(n - queries.first, width), _normal(n_nodes, 2 * width, seed=1)
    z, saved = exact.attend(q, kv, queries)
    z_, saved_ = ours.attend(q.to(dtype), kv.to(dtype), queries)
    _close(z_, z)
    dz = _normal(n, width, seed=2)
    if isinstance(queries.rows, slice):  # nothing depends on a node that is there for padding
        for at in queries.lookups:
            places = torch.arange(at.start, at.stop)
            dz[places[at.seen[at.start - at.stop :] != places]] = 0
    dq, dkv = exact.attend_backward(dz, n_nodes, queries, saved)
    dq_, dkv_ = ours.attend_backward(dz.to(dtype), n_nodes, queries, saved_)
    _close(dq_, dq)
    torch.testing.assert_close(dkv_, dkv, rtol=1e-4, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("changes", [{}, {"n_passes": 2}, {"n_heads": 1}], ids=str)
def test_weights_and_gradients_change_places_as_in_pytorch(threads, dtype, changes):
    cfg = _config(**changes)
    _, ours = _both(cfg, dtype)
    exact, moved = TorchOps(cfg, dtype).workspace(), ours.workspace()
    assert type(moved) is not type(exact)
    torch.manual_seed(0)
    weights = {n: torch.randn_like(p) for n, p in HookedTransformer(cfg).named_parameters()}
    for workspace in (exact, moved):
        workspace.fill(weights)
    rows = exact._weights.rows
    assert torch.equal(moved._weights.rows, rows)
    for workspace in (exact, moved):
        workspace._gradients.rows.copy_(rows.repeat(cfg.n_passes, 1) / 3)
    expected, found = exact.parameter_gradients(), moved.parameter_gradients()
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        assert found[name].dtype == torch.float32
        assert found[name].shape == weights[name].shape
        assert torch.equal(found[name], gradient), name


@needs_kernels
@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 9), min_size=1, max_size=200))
@settings(deadline=None)
def test_numbers_of_distinct_keys_are_right_for_any_keys(keys):
    given_keys = torch.tensor(keys)
    for ops in _both(_config()):
        number, first = ops.distinct(given_keys)
        assert torch.equal(given_keys[first][number], given_keys)
        assert len(first) == len(set(keys))
        assert [keys.index(keys[i]) for i in first] == first.tolist()


@needs_kernels
def test_a_number_that_is_none_stays_visible(dtype):
    """A training run that diverges has to be noticed."""
    _, ours = _both(_config(), dtype)
    x = _normal(7, 96)
    x[2, 5] = torch.nan
    _, out, _ = ours.add_norm(x, slice(None), None, (torch.ones(96), torch.zeros(96)))
    assert out[2].isnan().all()
    assert not out[3].isnan().any()
    x[2, 5] = torch.inf
    assert ours.cast_and_sum(x, torch.empty(96, dtype=dtype))[2, 5] == torch.inf


@needs_kernels
@pytest.mark.parametrize(
    "changes",
    [{}, {"normalization_type": "RMS"}, {"normalization_type": None, "act_fn": "gelu"}],
    ids=str,
)
def test_models_learn_the_same_with_and_without_them(monkeypatch, dtype, changes):
    found = {}
    for name, find in (("compiled", module.kernels), ("pytorch", lambda dtype: None)):
        monkeypatch.setattr("circuits.model.cpu.compiled_ops.kernels", find)
        torch.manual_seed(0)
        model = HookedTransformer(_config(**changes))
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        tokens = torch.randint(0, 12, (64, 3), generator=torch.Generator().manual_seed(1))
        losses = []
        for _ in range(25):
            logits = fast_logits(model, tokens, None, DTYPES[dtype])
            loss = torch.nn.functional.cross_entropy(logits, tokens.sum(1) % 12)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found[name] = losses
    assert found["compiled"][0] == pytest.approx(found["pytorch"][0], rel=0.01)
    assert found["compiled"][-1] < 0.9 * found["compiled"][0]
    # 1 per cent of where they began: roundings make two courses of one run
    assert found["compiled"][-1] == pytest.approx(found["pytorch"][-1], rel=0.2, abs=0.025)


@needs_kernels
@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16], ids=str)
def test_the_default_dtype_changes_nothing(dtype, default):
    model = HookedTransformer(_config())
    tokens = torch.randint(0, 12, (64, 3), generator=torch.Generator().manual_seed(1))
    found = []
    for now in (torch.float32, default):
        torch.set_default_dtype(now)
        try:
            logits = fast_logits(model, tokens, None, DTYPES[dtype])
            found.append((logits, *torch.autograd.grad(logits.sum(), [*model.parameters()])))
        finally:
            torch.set_default_dtype(torch.float32)
    for plain, other in zip(*found, strict=True):
        assert torch.equal(plain, other)


@pytest.fixture
def no_library_yet(monkeypatch, tmp_path):
    """A user whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module.kernels.cache_clear()
    yield tmp_path
    module.kernels.cache_clear()


@pytest.mark.parametrize(("name", "value"), [("HOPSCOPE_KERNELS", "off"), ("CC", "no-such-cc")])
def test_without_a_compiler_pytorch_does_everything(no_library_yet, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert module.kernels(BF16) is None
    assert not (no_library_yet / "cache").exists()


@needs_kernels
def test_a_compiler_that_fails_is_named_and_pytorch_does_everything(no_library_yet, monkeypatch):
    monkeypatch.setenv("CC", "false")
    with pytest.warns(UserWarning, match=r"compiled.*/false --version` failed.*HOPSCOPE_KERNELS"):
        assert module.kernels(BF16) is None


@needs_kernels
def test_what_a_compiler_says_is_told(no_library_yet, monkeypatch):
    monkeypatch.setenv("CC", "cc -include no-such-header.h")
    with pytest.warns(UserWarning, match=r"no-such-header\.h: No such file"):
        assert module.kernels(BF16) is None


@needs_kernels
def test_part_of_a_library_is_not_loaded_but_compiled_anew(no_library_yet):
    whole = no_library_yet / "cache" / "hopscope" / LIBRARY.name
    whole.parent.mkdir(parents=True, mode=0o700)
    content = LIBRARY.read_bytes()
    whole.write_bytes(content[: int(0.99 * len(content))])
    assert module.kernels(BF16)
    assert whole.read_bytes() == content


@needs_kernels
def test_a_cache_that_others_may_write_to_is_not_used(no_library_yet):
    folder = no_library_yet / "cache" / "hopscope"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.warns(UserWarning, match="others may write to"):
        assert module.kernels(BF16) is None


@needs_kernels
def test_processes_that_compile_at_once_all_get_them(no_library_yet):
    code = "from circuits.model.cpu.kernels import *; assert kernels(torch.bfloat16)"
    crowd = [subprocess.Popen([sys.executable, "-W", "error", "-c", code]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in crowd] == [0, 0]
    (library,) = (no_library_yet / "cache" / "hopscope").iterdir()
    assert library.suffix == ".so"


@needs_kernels
def test_a_compiler_of_another_language_and_an_unreadable_command_are_told(
    no_library_yet, monkeypatch
):
    compiler = no_library_yet / "compiler"
    compiler.write_text('#!/bin/sh\nexec cc -Dadd_norm=renamed "$@"\n')  # as C++ would
    compiler.chmod(0o755)
    for command, message in ((str(compiler), "no function add_norm"), ("cc 'x", "quotation")):
        monkeypatch.setenv("CC", command)
        module.kernels.cache_clear()
        with pytest.warns(UserWarning, match=message):
            assert module.kernels(BF16) is None


MAPS = "7f00-7f01 r-xp 00000000 fe:01 1234 {}"


@pytest.mark.parametrize(
    ("loaded", "found"),
    [
        (["my env/torch/libgomp-a3.so.1"], "my env/torch/libgomp-a3.so.1"),
        (["torch/libgomp.so.1", "sklearn.libs/libgomp-d2.so"], "torch/libgomp.so.1"),
        (["lib/libgomp.so.1"], "lib/libgomp.so.1"),
        (["lib/libiomp5.so", "sklearn.libs/libgomp-d2.so"], None),
        (["torch/libgomp.so.1 (deleted)"], None),
        (["lib/libomp.so"], None),
    ],
    ids=str,
)
def test_the_openmp_of_pytorch_is_told_from_others(monkeypatch, tmp_path, loaded, found):
    """Next to PyTorch lies what is in a folder `torch`."""
    for name in loaded:
        path = tmp_path / name.removesuffix(" (deleted)")
        path.parent.mkdir(parents=True, exist_ok=True)
        if "deleted" not in name:
            path.touch()
    maps = tmp_path / "maps"
    maps.write_text(
        "\n".join([MAPS.format(tmp_path / name) for name in loaded] + ["7f02 rw-p 0 0 0"])
    )
    monkeypatch.setattr(module, "MAPS", maps)
    home = "my env" if loaded[0].startswith("my env") else ""
    monkeypatch.setattr(module.torch, "__file__", str(tmp_path / home / "torch" / "__init__.py"))
    expected = None if found is None else tmp_path / found
    assert module._loaded_openmp() == expected
