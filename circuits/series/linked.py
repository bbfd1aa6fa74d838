"""Weights of a run that refers to them: a step is read where it lies, converted, used and dropped.

The manifest holds the folder, how its tensors become ours, and the SHA-256 of each step's files: a
file that has changed since the import is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from circuits.errors import HopscopeError
from circuits.model.config import ModelConfig
from circuits.series.converting import Conversion, converted, digest
from circuits.series.folders import find_series
from circuits.series.step_files import StepFiles


def linked_weights(manifest: Mapping[str, Any], step: int, *, sha256: str) -> dict[str, Tensor]:
    """The state dict of a step in fp32.

    Raises:
        HopscopeError: if the folder or the step has gone, or a file is not the one imported.
    """
    entry = manifest["imported"]
    files = imported_step(_folder(entry), step, sha256=sha256)
    how = Conversion.from_json(entry["conversion"], ModelConfig.from_json(manifest["model"]))
    return {name: weight.float() for name, weight in converted(files, how).items()}


def imported_step(folder: Path, step: int, *, sha256: str) -> StepFiles:
    """The files of a step, if they are those that were imported.

    Raises:
        HopscopeError: if the step has gone, or a file is not the one imported.
    """
    steps = find_series(folder, allow_broken=True).steps
    if step not in steps:
        raise HopscopeError(
            f"{folder} has no whole checkpoint of step {step} any more; put it back, or import the "
            "series again."
        )
    if digest(steps[step]) != sha256:
        raise HopscopeError(
            f"the weights of step {step} in {folder} are not those that were imported; import the "
            "series again."
        )
    return steps[step]


def folder_of(path: Path, manifest: Mapping[str, Any]) -> Path:
    """Where an imported run in folder `path` has its weights."""
    entry = manifest["imported"]
    return _folder(entry) if entry.get("link") else path / "checkpoints"


def imported_digests(folder: Path) -> dict[int, str]:
    """SHA-256 of the files of every step in a folder of weights that is whole."""
    steps = find_series(folder, allow_broken=True).steps
    return {step: digest(files) for step, files in steps.items()}


def _folder(entry: Mapping[str, Any]) -> Path:
    folder = Path(str(entry["link"]))
    if not folder.is_dir():
        raise HopscopeError(
            f"the run refers to weights in {folder}, which is not there; mount or move the folder "
            "back, or import the series again."
        )
    return folder
