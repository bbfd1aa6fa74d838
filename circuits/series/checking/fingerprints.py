"""A fingerprint of every tensor of a step: of its type, shape and bytes, not of the file.

Two files with equal tensors may differ, since safetensors writes several metadata keys in random
order. Tensors are read in order of the file, a chunk at a time; in the same pass, numbers that are
not finite are counted and a fixed sample of coordinates is kept. The hash is XXH3 with 128 bits: it
runs at the speed of memory, and nobody has a reason to forge equal weights.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
import xxhash
from torch import Tensor

from circuits.runs.checkpoints import TensorEntry, read_header
from circuits.series.step_files import BrokenStep, StepFiles

CHUNK = 2**20
"""Bytes read at a time, so that all passes over a chunk find it in the processor's cache."""

Array = np.ndarray


@dataclass(frozen=True)
class TensorPrint:
    """What is kept of one tensor."""

    dtype: str
    """As PyTorch names it, e.g. "bfloat16"."""
    shape: tuple[int, ...]
    digest: str
    """Hash of dtype, shape and bytes."""
    not_finite: int
    """How many numbers are NaN or infinite."""
    sample: Array
    """Values at a fixed random sample of coordinates, fp32; empty unless floating-point."""

    @property
    def floating(self) -> bool:
        """Whether it holds floating-point numbers."""
        return "float" in self.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class StepPrint:
    """The fingerprints of one step's tensors, by name."""

    tensors: dict[str, TensorPrint]
    sha256: tuple[str, ...] = field(default=())
    """SHA-256 of each file, if asked for."""

    @property
    def digest(self) -> str:
        """Hash of all tensors with their names; the order in the file does not matter."""
        text = "\n".join(f"{name} {one.digest}" for name, one in sorted(self.tensors.items()))
        return xxhash.xxh3_128_hexdigest(text.encode())


def step_print(files: StepFiles, sampled: int, *, sha256: bool = False) -> StepPrint:
    """Fingerprint a step in one pass over its files, in the memory of a chunk.

    Args:
        files: From `find_series`.
        sampled: Coordinates kept of each tensor, at most.
        sha256: Also hash the files as files, in the same pass; safetensors only.

    Raises:
        HopscopeError: if a file is not whole, or holds a pickle of more than tensors.

    >>> from circuits.series import find_series
    >>> prints = step_print(find_series("assets/demo").steps[100], 64)
    >>> one = prints.tensors["embed.W_E"]
    >>> one.dtype, one.shape, one.not_finite, one.sample.shape
    ('bfloat16', (302, 96), 0, (64,))
    """
    tensors: dict[str, TensorPrint] = {}
    digests = []
    for path in files.weights:
        if files.kind == "safetensors":
            found, digest = _safetensors_prints(path, sampled, sha256)
            digests += [digest] if digest else []
        else:
            found = _torch_prints(path, sampled)
        tensors |= found
    return StepPrint(tensors, tuple(digests))


def _safetensors_prints(
    path: Path, sampled: int, sha256: bool
) -> tuple[dict[str, TensorPrint], str]:
    entries = sorted(read_header(path).items(), key=lambda item: item[1].begin)
    whole = hashlib.sha256()
    found = {}
    with path.open("rb", buffering=0) as file:
        begin = file.read(8)
        begin += file.read(int.from_bytes(begin, "little"))
        whole.update(begin if sha256 else b"")
        for name, entry in entries:
            chunks = _chunks_of_file(file, path, entry.end - entry.begin)
            if sha256:
                chunks = _also_hashed(chunks, whole)
            found[name] = _print(name, entry, chunks, sampled)
    return found, whole.hexdigest() if sha256 else ""


def _chunks_of_file(file, path: Path, n_bytes: int) -> Iterator[Array]:  # type: ignore[no-untyped-def]
    buffer = np.empty(min(CHUNK, n_bytes), np.uint8)
    while n_bytes > 0:
        chunk = buffer[: min(CHUNK, n_bytes)]
        if file.readinto(chunk) != len(chunk):
            raise BrokenStep(path, "was cut off while it was read")
        n_bytes -= len(chunk)
        yield chunk


def _also_hashed(chunks: Iterator[Array], whole: hashlib._Hash) -> Iterator[Array]:
    for chunk in chunks:
        whole.update(chunk.data)
        yield chunk


def _torch_prints(path: Path, sampled: int) -> dict[str, TensorPrint]:
    found = {}
    for name, tensor in load_torch(path).items():
        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        entry = TensorEntry(tensor.dtype, tuple(tensor.shape), 0, flat.nbytes)
        chunks = (flat[i : i + CHUNK] for i in range(0, flat.nbytes, CHUNK))
        found[name] = _print(name, entry, chunks, sampled)
    return found


def load_torch(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save`, mapped from disk where its format allows that.

    Raises:
        BrokenStep: if weights-only loading refuses the file, or it holds no tensors by name.
    """
    try:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format before PyTorch 1.6 cannot be mapped
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BrokenStep(
            path, "is a pickle of more than tensors, which could run code; save it as safetensors"
        ) from error
    except Exception as error:  # torch raises many types for damaged files
        raise BrokenStep(
            path, f"is not a readable file of weights ({type(error).__name__})"
        ) from error
    if (
        isinstance(state, Mapping)
        and len(inner := [v for v in state.values() if _is_state(v)]) == 1
    ):
        state = inner[0]  # {"model": state_dict, "step": 100}
    if not _is_state(state):
        raise BrokenStep(path, "holds no tensors by name")
    return {str(name): t for name, t in state.items() if isinstance(t, Tensor)}


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(t, Tensor) for t in value.values())


def _print(name: str, entry: TensorEntry, chunks: Iterator[Array], sampled: int) -> TensorPrint:
    dtype = str(entry.dtype).removeprefix("torch.")
    digest = xxhash.xxh3_128(f"{dtype}{list(entry.shape)}".encode())
    width, n_floats = entry.dtype.itemsize, prod(entry.shape)
    floating = entry.dtype.is_floating_point
    at = _coordinates(name, n_floats, sampled) if floating else np.zeros(0, np.int64)
    kept, position, not_finite = [], 0, 0
    for chunk in chunks:
        digest.update(chunk.data)
        if floating:
            not_finite += _count_not_finite(chunk, entry.dtype)
            end = position + len(chunk) // width
            inside = at[np.searchsorted(at, position) : np.searchsorted(at, end)] - position
            kept.append(chunk.reshape(-1, width)[inside])
            position = end
    sample = np.concatenate(kept) if kept else np.zeros((0, width), np.uint8)
    values = torch.from_numpy(sample.copy()).view(entry.dtype).float().numpy().reshape(-1)
    return TensorPrint(
        dtype, entry.shape, digest.hexdigest(), not_finite, values if floating else values[:0]
    )


def _coordinates(name: str, n: int, sampled: int) -> Array:
    """The coordinates kept of a tensor, rising: the same in every step, and in every run."""
    if n <= sampled:
        return np.arange(n)
    rng = np.random.default_rng(crc32(name.encode()))
    return np.unique(rng.integers(n, size=sampled))


_EXPONENT = {
    torch.float64: (np.uint64, 0x7FF0000000000000),
    torch.float32: (np.uint32, 0x7F800000),
    torch.float16: (np.uint16, 0x7C00),
    torch.bfloat16: (np.uint16, 0x7F80),
    torch.float8_e5m2: (np.uint8, 0x7C),
    torch.float8_e4m3fn: (np.uint8, 0x7F),
}
"""The type of the bits, and the exponent that NaN and infinity have (e4m3: the whole of NaN)."""


def _count_not_finite(chunk: Array, dtype: torch.dtype) -> int:
    bits, exponent = _EXPONENT[dtype]
    numbers = chunk.view(bits) & bits(exponent)
    if numbers.max(initial=0) < exponent:
        return 0
    return int((numbers == exponent).sum())
