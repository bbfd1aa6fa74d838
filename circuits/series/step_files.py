"""The files of one checkpoint: weights, configuration and tokenizer, found without loading any.

Weights are safetensors (one file, or shards with or without an index), or else files of
`torch.save`. Files of the optimizer and of the random state are left aside.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from circuits.errors import HopscopeError

SAFETENSORS = ".safetensors"
TORCH = (".bin", ".pth", ".pt")
"""Endings of files that `torch.save` writes; read only where weights-only loading accepts them."""
PICKLES = (".pkl", ".pickle", ".ckpt", ".joblib")
"""Endings of files that run code when they are opened; never read."""
_NOT_WEIGHTS = re.compile(
    r"(optimizer|scheduler|scaler|rng_state|training_args|trainer_state|adapter_)", re.IGNORECASE
)
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")
_TOKENIZER = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json",
              "special_tokens_map.json", "tokenizer.model", "spiece.model")  # fmt: skip
_LFS = b"version https://git-lfs"

Kind = Literal["safetensors", "torch"]


class BrokenStep(HopscopeError):
    """The files of a step are not whole; `problem` says what is wrong, without the remedy."""

    def __init__(self, path: Path, problem: str) -> None:
        self.problem = f"{path} {problem}"
        super().__init__(f"{self.problem}; download it again.")


@dataclass(frozen=True)
class StepFiles:
    """The files of one step.

    >>> from circuits.series import find_series
    >>> found = find_series("assets/demo").steps[100]
    >>> [path.name for path in found.weights], found.kind
    (['step_00000100.safetensors'], 'safetensors')
    """

    folder: Path
    weights: tuple[Path, ...]
    """Shards in order; each tensor lies in one of them."""
    config: Path | None = None
    tokenizer: tuple[Path, ...] = ()
    """Files that decide the vocabulary."""

    @property
    def kind(self) -> Kind:
        """How the weights are written."""
        return "safetensors" if self.weights[0].suffix == SAFETENSORS else "torch"


def step_files(folder: Path) -> StepFiles:
    """The files of a folder that holds one checkpoint.

    Raises:
        BrokenStep: naming the file that is missing, cut off, or not what its name says.
    """
    names = {path.name for path in folder.iterdir()}
    weights = _weights(folder, names)
    for path in weights:
        check_whole(path)
    return StepFiles(
        folder,
        weights,
        folder / "config.json" if "config.json" in names else None,
        tuple(folder / name for name in _TOKENIZER if name in names),
    )


def has_weights(folder: Path) -> bool:
    """Whether files of a checkpoint lie directly in this folder."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    return bool(weight_names(names)) or any(name.endswith(".index.json") for name in names)


def weight_names(names: Iterable[str]) -> list[str]:
    """Names of files that may hold weights, sorted; safetensors alone where there are any."""
    may = sorted(name for name in names if not _NOT_WEIGHTS.match(name))
    safe = [name for name in may if name.endswith(SAFETENSORS)]
    return safe or [name for name in may if name.endswith(TORCH)]


def check_whole(path: Path) -> None:
    """Refuse a file that cannot be whole, by its first bytes and its size; no tensor is read.

    Raises:
        BrokenStep: saying what the file is instead.
    """
    from circuits.runs.checkpoints import Damaged, read_header

    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(len(_LFS))
    except OSError as error:
        raise BrokenStep(path, f"cannot be read ({error.strerror})") from error
    if begin == _LFS:
        raise BrokenStep(path, "is a git-lfs pointer and not the weights (run `git lfs pull`)")
    if size == 0:
        raise BrokenStep(path, "is empty")
    if path.suffix == SAFETENSORS:
        try:
            read_header(path)
        except Damaged as error:
            raise BrokenStep(path, f"is not a whole safetensors file: {error.problem}") from None
    elif begin[:2] == b"PK" and not zipfile.is_zipfile(path):  # its table of contents is at the end
        raise BrokenStep(path, "is cut off: it has no end")


def _weights(folder: Path, names: set[str]) -> tuple[Path, ...]:
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if index in names:
            return _indexed(folder, index, names)
    found = weight_names(names)
    if not found:
        raise _no_weights(folder, names)
    for name in ("model.safetensors", "pytorch_model.bin"):
        if name in found:
            return (folder / name,)
    if match := _SHARD.fullmatch(found[0]):
        stem, _, of, ending = match.groups()
        return _all_there(
            folder, [f"{stem}-{i:05d}-of-{of}{ending}" for i in range(1, int(of) + 1)], names
        )
    if len(found) > 1:
        raise BrokenStep(folder, f"has several files of weights, {found[0]} and {found[1]}")
    return (folder / found[0],)


def _indexed(folder: Path, index: str, names: set[str]) -> tuple[Path, ...]:
    try:
        table = json.loads((folder / index).read_text(encoding="utf-8"))
        shards = sorted(set(map(str, table["weight_map"].values())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BrokenStep(folder / index, "is not a list of shards") from None
    if outside := next((name for name in shards if Path(name).name != name), None):
        raise BrokenStep(folder / index, f"names a shard outside of its folder, {outside!r}")
    return _all_there(folder, shards, names)


def _all_there(folder: Path, shards: list[str], names: set[str]) -> tuple[Path, ...]:
    missing = [name for name in shards if name not in names]
    if missing or not shards:
        lacks = missing[0] if missing else "every shard"
        raise BrokenStep(folder, f"lacks {lacks}, {len(missing)} of {len(shards)} shards")
    return tuple(folder / name for name in shards)


def _no_weights(folder: Path, names: set[str]) -> BrokenStep:
    if half := sorted(n for n in names if n.endswith((".incomplete", ".part", ".crdownload"))):
        return BrokenStep(folder, f"holds half a download, {half[0]}, and no weights")
    if pickles := sorted(n for n in names if n.endswith(PICKLES)):
        return BrokenStep(
            folder, f"holds only pickles ({pickles[0]}), which run code when they are opened"
        )
    if any(name.startswith("adapter_") for name in names):
        return BrokenStep(folder, "holds an adapter and not the weights of a model")
    return BrokenStep(folder, "holds no weights" if names else "is empty")
