"""Checkpoints: weights as safetensors, written atomically and checked before use.

A checkpoint may be untrusted, so it is never unpickled, and its header is checked against the size
of the file and against the model before any memory is allocated. The format is described at
https://github.com/huggingface/safetensors#format: eight bytes with the length of the header (little
endian), the header as JSON, then the tensors without gaps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.recipes.schema import StoredDtype
from circuits.runs.reading import MANIFEST, incomplete

DTYPES: dict[str, torch.dtype] = {
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Dtypes that a file may hold, by their safetensors name; ours are written in a few of them."""

MAX_HEADER_BYTES = 16 * 2**20
"""Far above any model of ours: 150,000 tensors fit."""

STORED: dict[StoredDtype, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}
"""Dtypes in which a checkpoint can be written, by their name in a recipe."""


@dataclass(frozen=True)
class TensorEntry:
    """The header's entry for one tensor."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int
    """Byte range after the header."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> str:
    """Write tensors as they are; returns the SHA-256 of the file.

    Equal tensors give equal files if the metadata has only one key: the library writes several keys
    in an order that changes from call to call.
    """
    whole = {name: _own_memory(tensor.detach().cpu()) for name, tensor in tensors.items()}
    content = safetensors.torch.save(whole, metadata)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def _own_memory(tensor: Tensor) -> Tensor:
    """The tensor, contiguous and with its own storage: safetensors refuses shared memory."""
    if tensor.untyped_storage().nbytes() != tensor.nbytes:
        return tensor.clone(memory_format=torch.contiguous_format)
    return tensor.contiguous()


def stored_copy(weights: Mapping[str, Tensor], dtype: StoredDtype) -> dict[str, Tensor]:
    """A copy of the weights as they will be on disk; later steps do not change it."""
    return {
        name: weight.detach().to("cpu", STORED[dtype], copy=True)
        for name, weight in weights.items()
    }


def save_checkpoint(
    path: Path, weights: Mapping[str, Tensor], *, step: int, dtype: StoredDtype = "bf16"
) -> str:
    """Write a model's state dict in `dtype`; returns the SHA-256 of the file."""
    return save_tensors(path, stored_copy(weights, dtype), {"step": str(step)})


def checkpoint_bytes(weights: Mapping[str, Tensor], dtype: StoredDtype) -> int:
    """Size on disk of a checkpoint of these weights (the header is estimated)."""
    return sum(w.numel() for w in weights.values()) * STORED[dtype].itemsize + 120 * len(weights)


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Read and check a header; no tensor is read and nothing it claims is allocated.

    Raises:
        HopscopeError: naming the file and what is wrong with it.
    """
    if path.exists() and not path.is_file():  # a pipe or a device would never end
        raise _damaged(path, "it is not a regular file")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise _damaged(path, f"its header claims {length:,} bytes of a {size:,}-byte file")
            text = file.read(length)
    except OSError as error:
        raise HopscopeError(f"checkpoint {path} cannot be read ({error.strerror}).") from error
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(path, "its header is not JSON") from None
    if not isinstance(table, dict):
        raise _damaged(path, "its header is not a table of tensors")
    table.pop("__metadata__", None)
    entries = {name: _entry(path, name, value) for name, value in table.items()}
    _check_ranges(path, entries, size - 8 - length)
    return entries


def refuse_larger(run: Path, step: int, path: Path, n_weights: int) -> None:
    """Refuse a checkpoint with fewer weights than the manifest of its run tells of.

    Memory for a model is never allocated on the word of a manifest.
    """
    there = sum(prod(entry.shape) for entry in read_header(path).values())
    if n_weights > there:
        raise incomplete(
            run,
            f"{MANIFEST} tells of a model of at least {n_weights:,} weights, the checkpoint of "
            f"step {step} has {there:,}",
        )


def load_checkpoint(
    path: Path,
    expected: Mapping[str, tuple[int, ...]] | None = None,
    *,
    sha256: str | None = None,
) -> dict[str, Tensor]:
    """Read a checkpoint as fp32 CPU tensors.

    Args:
        path: The file.
        expected: Shape of every tensor of the model; if given, names, shapes and a floating dtype
            are checked before anything is read.
        sha256: The file's digest in the manifest.

    Raises:
        HopscopeError: naming the file and the problem.
    """
    entries = read_header(path)
    if expected is not None:
        _check_expected(path, entries, expected)
    tensors = _read_tensors(path, sha256)
    return {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}


def load_tensors(path: Path, *, sha256: str | None = None) -> dict[str, Tensor]:
    """Read tensors in the dtype in which they are stored, after the same checks."""
    read_header(path)
    return _read_tensors(path, sha256)


def _read_tensors(path: Path, sha256: str | None) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HopscopeError(f"checkpoint {path} cannot be read ({error.strerror}).") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise _damaged(path, "its SHA-256 is not the one in the manifest")
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # the library's own error type is not exported in all versions
        raise _damaged(path, f"safetensors refuses it: {error}") from error


def _entry(path: Path, name: str, value: Any) -> TensorEntry:
    try:
        dtype = DTYPES[value["dtype"]]
        shape = tuple(value["shape"])
        begin, end = value["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, f"the entry of {name[:80]!r} is malformed") from None
    if any(type(number) is not int or number < 0 for number in (*shape, begin, end)):
        raise _damaged(path, f"the entry of {name[:80]!r} has a size that is not a whole number")
    if end - begin != prod(shape) * dtype.itemsize:
        raise _damaged(path, f"{name[:80]!r} has shape {shape} but {end - begin:,} bytes")
    return TensorEntry(dtype, shape, begin, end)


def _check_ranges(path: Path, entries: dict[str, TensorEntry], available: int) -> None:
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position:
            raise _damaged(path, f"the bytes of {name[:80]!r} overlap others or leave a gap")
        position = entry.end
    if position != available:
        raise _damaged(path, f"its tensors need {position:,} bytes and {available:,} are there")


def _check_expected(
    path: Path, entries: dict[str, TensorEntry], expected: Mapping[str, tuple[int, ...]]
) -> None:
    if missing := sorted(expected.keys() - entries.keys()):
        raise _damaged(path, f"the model's {missing[0]!r} is not in it", len(missing) - 1)
    if foreign := sorted(entries.keys() - expected.keys()):
        raise _damaged(path, f"it holds {foreign[0][:80]!r}, unknown here", len(foreign) - 1)
    for name, shape in expected.items():
        entry = entries[name]
        if entry.shape != tuple(shape):
            raise _damaged(path, f"{name!r} has shape {entry.shape} and not {tuple(shape)}")
        if not entry.dtype.is_floating_point:
            raise _damaged(path, f"{name!r} holds {entry.dtype} and not weights")


class Damaged(HopscopeError):
    """A file is not a whole checkpoint; `problem` says why, for callers with another remedy."""

    def __init__(self, path: Path, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"checkpoint {path} is damaged or not of this run: {problem}; "
            "use another step or train it again."
        )


def _damaged(path: Path, problem: str, more: int = 0) -> Damaged:
    return Damaged(path, problem + (f" (and {more} more)" if more > 0 else ""))
