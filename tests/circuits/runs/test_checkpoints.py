"""Checkpoints come back as they were written, and bad ones are refused before they are read."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch

from circuits.errors import HopscopeError
from circuits.runs.checkpoints import (
    load_checkpoint,
    read_header,
    save_checkpoint,
)
from circuits.runs.reading import checkpoint_name

WEIGHTS = {"a.W": torch.arange(6.0).reshape(2, 3), "b.b": torch.tensor([0.1, -2.0])}
SHAPES = {name: tuple(weight.shape) for name, weight in WEIGHTS.items()}


def write_raw(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_fp32_weights_come_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / checkpoint_name(7)
    digest = save_checkpoint(path, WEIGHTS, step=7, dtype="fp32")
    loaded = load_checkpoint(path, SHAPES, sha256=digest)
    assert all(torch.equal(loaded[name], weight) for name, weight in WEIGHTS.items())


def test_bf16_weights_come_back_as_fp32_rounded_once(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, WEIGHTS, step=0)
    loaded = load_checkpoint(path, SHAPES)
    assert loaded["b.b"].dtype == torch.float32
    assert torch.equal(loaded["b.b"], WEIGHTS["b.b"].bfloat16().float())
    assert path.stat().st_size < 400


def test_names_sort_like_steps() -> None:
    assert checkpoint_name(1234) == "step_00001234.safetensors"
    assert checkpoint_name(123456789) == "step_123456789.safetensors"


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        (b"{not json", b"", "not JSON"),
        ([1, 2], b"", "not a table"),
        (b"[" * 200_000, b"", "not JSON"),
        ({"w": {"dtype": "F32", "shape": [1]}}, b"", "malformed"),
        ({"w": 3}, b"", "malformed"),
        ({"w": entry([1], 0, 4, "PICKLE")}, b"abcd", "malformed"),
        ({"w": entry([-1], 0, 4)}, b"abcd", "whole number"),
        ({"w": entry([True], 0, 4)}, b"abcd", "whole number"),
        ({"w": entry([2], 0, 4)}, b"abcd", "shape"),
        ({"w": entry([2**40], 0, 2**42)}, b"abcd", "are there"),
        ({"w": entry([1], 4, 8)}, b"abcdefgh", "gap"),
        ({"v": entry([1], 0, 4), "w": entry([1], 0, 4)}, b"abcd", "overlap"),
        ({"w": entry([1], 0, 4)}, b"abcdefgh", "are there"),
    ],
)
def test_a_wrong_header_is_refused_naming_file_and_problem(
    tmp_path: Path, header: object, data: bytes, said: str
) -> None:
    path = write_raw(tmp_path / "bad.safetensors", header, data)
    with pytest.raises(HopscopeError, match=said) as caught:
        load_checkpoint(path)
    assert "bad.safetensors" in str(caught.value)


def test_a_header_longer_than_the_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(HopscopeError, match="claims"):
        read_header(path)
    path.write_bytes(b"abc")
    with pytest.raises(HopscopeError, match="claims"):
        read_header(path)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.safetensors"
    torch.save({"w": torch.zeros(2)}, path)
    with pytest.raises(HopscopeError, match="damaged"):
        load_checkpoint(path)


def test_a_checkpoint_of_another_model_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, WEIGHTS, step=0)
    for shapes, said in (
        ({**SHAPES, "c": (1,)}, "'c' is not in it"),
        ({"a.W": (2, 3)}, "unknown here"),
        ({**SHAPES, "a.W": (3, 2)}, "has shape"),
    ):
        with pytest.raises(HopscopeError, match=said):
            load_checkpoint(path, shapes)


def test_integers_are_no_weights(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "w.safetensors", {"w": entry([1], 0, 4, "I32")}, b"abcd")
    with pytest.raises(HopscopeError, match="not weights"):
        load_checkpoint(path, {"w": (1,)})


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    digest = save_checkpoint(path, WEIGHTS, step=0)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(HopscopeError, match="SHA-256"):
        load_checkpoint(path, SHAPES, sha256=digest)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match="cannot be read"):
        load_checkpoint(tmp_path / "none.safetensors")
