"""Where the steps of a series lie: the layout of a folder is recognized, and nothing is loaded.

Layouts, the first that fits:

1. "hopscope run": a run folder, see `circuits.runs.run`;
2. "hub cache": a repository in the cache of `huggingface_hub`, with a reference for each revision
   (`refs/step1000` names a folder in `snapshots/`);
3. "step folders": a folder for each step, `checkpoint-1000` (Hugging Face's Trainer, the *Grokked
   Transformers* code), `step1000`, `stage1-step1000-tokens5B` or plainly `1000`;
4. "model": the folder of one checkpoint, a series of one step;
5. "state dicts": a file for each step, `model_1000.pth` or `step_1000.safetensors`
   (TransformerLens).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from circuits.errors import HopscopeError
from circuits.runs.reading import (
    MANIFEST,
    MOST_STEPS,
    checkpoint_name,
    describe_steps,
    read_manifest,
)
from circuits.series.step_files import (
    BrokenStep,
    StepFiles,
    check_whole,
    has_weights,
    step_files,
    weight_names,
)

Layout = Literal["hopscope run", "hub cache", "step folders", "model", "state dicts"]

_NAMED = re.compile(r"(?:^|[-_.])(?:checkpoint|ckpt|global_?step|step|iter)[-_=]?(\d+)(?!\d)")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class FoundSeries:
    """The steps of a series and the files of each; rising.

    >>> from circuits.series import find_series
    >>> find_series("assets/demo")
    FoundSeries('assets/demo': 25 steps, hopscope run)
    """

    path: Path
    layout: Layout
    steps: dict[int, StepFiles]
    broken: dict[int, str] = field(default_factory=dict)
    """Steps whose files are not whole, and what is wrong; empty unless they were allowed."""

    def __repr__(self) -> str:
        return f"FoundSeries({str(self.path)!r}: {len(self.steps)} steps, {self.layout})"


def find_series(source: str | Path, *, allow_broken: bool = False) -> FoundSeries:
    """List the steps of a series on disk and the files of each; no tensor is read.

    Args:
        source: A folder in one of the layouts above.
        allow_broken: List steps whose files are not whole in `broken` instead of refusing them.

    Raises:
        HopscopeError: naming the folder, or the file that is not whole.

    >>> series = find_series("assets/demo")
    >>> list(series.steps)[:3], series.steps[100].weights[0].name
    ([0, 100, 200], 'step_00000100.safetensors')
    """
    folder = Path(source)
    if not folder.is_dir():
        raise _not_a_folder(folder)
    try:
        layout, files = _steps(folder)
    except OSError as error:
        raise HopscopeError(f"{folder} cannot be read ({error.strerror}).") from error
    found, broken = {}, {}
    for step, get in sorted(files.items()):
        try:
            found[step] = get()
        except BrokenStep as error:
            broken[step] = error.problem
            if not allow_broken:
                raise
    if not found:
        raise HopscopeError(f"{next(iter(broken.values()))}; {folder} has no step that is whole.")
    return FoundSeries(folder, layout, found, broken)


Files = dict[int, Callable[[], StepFiles]]
"""How the files of each step are found; one step may be broken while others are whole."""


def wanted_series(
    source: str | Path, wanted: Collection[int] | None, *, one: bool = False
) -> FoundSeries:
    """The series in a folder, or some of its steps.

    Args:
        source: See `find_series`.
        wanted: Steps; None: all.
        one: Whether a single checkpoint will do.


    Raises:
        HopscopeError: if it lacks a step, or is not a series that others made.
    """
    series = find_series(source)
    if wanted is not None:
        if missing := sorted(set(wanted) - series.steps.keys()):
            raise HopscopeError(
                f"{series.path} has no step {missing[0]}; it has {describe_steps([*series.steps])}"
            )
        series = replace(series, steps={step: series.steps[step] for step in sorted(wanted)})
    if series.layout == "hopscope run":
        raise HopscopeError(f"{series.path} is a run already; open it as it is.")
    if len(series.steps) == 1 and not one:
        raise HopscopeError(
            f"{series.path} is one checkpoint and not a series; give the folder that holds a "
            "checkpoint for each of several steps, e.g. checkpoint-1000."
        )
    return series


def _steps(folder: Path) -> tuple[Layout, Files]:
    if (folder / MANIFEST).is_file() and (folder / "recipe.toml").is_file():
        return "hopscope run", _of_run(folder)
    if (folder / "refs").is_dir() and (folder / "snapshots").is_dir():
        return "hub cache", _of_cache(folder)
    inside = sorted(folder.iterdir())
    by_step = _numbered([path for path in inside if path.is_dir()], folder)
    if by_step:
        return "step folders", {step: _in_folder(path) for step, path in by_step.items()}
    names = weight_names(path.name for path in inside if path.is_file())
    flat = [folder / name for name in names if "-of-" not in name]
    numbered = _numbered(flat, folder, by_file=True)
    if numbered and not _is_model(folder):
        return "state dicts", {step: _one_file(path) for step, path in numbered.items()}
    if has_weights(folder):
        return "model", {step_of(folder.name) or 0: _in_folder(folder)}
    raise _no_series(folder, inside)


def _is_model(folder: Path) -> bool:
    """Whether the files of this folder are those of one checkpoint, whatever their names."""
    return any((folder / name).is_file() for name in ("model.safetensors", "pytorch_model.bin"))


def _found(files: StepFiles) -> StepFiles:
    return files


def _in_folder(folder: Path) -> Callable[[], StepFiles]:
    return lambda: step_files(folder)


def _one_file(path: Path) -> Callable[[], StepFiles]:
    def files() -> StepFiles:
        check_whole(path)
        config = path.parent / "config.json"
        return StepFiles(path.parent, (path,), config if config.is_file() else None)

    return files


def _of_run(folder: Path) -> Files:
    manifest = read_manifest(folder)
    imported = manifest.get("imported")
    if isinstance(imported, dict) and isinstance(imported.get("link"), str):
        linked = find_series(imported["link"])
        return {step: partial(_found, files) for step, files in linked.steps.items()}
    steps = sorted(int(row["step"]) for row in manifest["checkpoints"])
    if not steps:
        raise HopscopeError(f"{folder} has no checkpoint yet; wait, or train it again.")
    checkpoints = folder / "checkpoints"
    if isinstance(imported, dict) and imported.get("model") == "bridge":
        stored = {step: checkpoints / Path(checkpoint_name(step)).stem for step in steps}
        return {step: _in_folder(path) for step, path in stored.items()}
    return {step: _one_file(checkpoints / checkpoint_name(step)) for step in steps}


def _of_cache(folder: Path) -> Files:
    references = [path for path in sorted((folder / "refs").rglob("*")) if path.is_file()]
    steps = {}
    for step, path in _numbered(references, folder).items():
        commit = path.read_text(encoding="utf-8", errors="replace").strip()
        if not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise HopscopeError(f"{path} does not name a snapshot; download the revision again.")
        steps[step] = _snapshot(folder / "snapshots" / commit)
    if not steps:
        raise HopscopeError(f"{folder} has no revision whose name says a step, e.g. step1000.")
    return steps


def _snapshot(folder: Path) -> Callable[[], StepFiles]:
    def files() -> StepFiles:
        if not folder.is_dir():
            raise BrokenStep(folder, "was never downloaded")
        return step_files(folder)

    return files


def step_of(name: str, *, by_file: bool = False) -> int | None:
    """The step that a name says, if it does.

    Args:
        name: Of a folder, a revision or a file.
        by_file: In a file's name, a number alone counts too, if there is only one.

    >>> step_of("checkpoint-500"), step_of("stage1-step1000-tokens5B"), step_of("data2")
    (500, 1000, None)
    >>> step_of("model_300.pth", by_file=True)
    300
    """
    stem = re.sub(r"\.(safetensors|bin|pth|pt)$", "", name) if by_file else name
    if match := _NAMED.search(stem.lower()):
        numbers = [match[1]]
    else:
        numbers = _NUMBER.findall(stem)
        if len(numbers) != 1 or not (by_file or stem.isdecimal()):
            return None
    step = int(numbers[0])
    return step if step <= MOST_STEPS else None


def _numbered(paths: list[Path], folder: Path, by_file: bool = False) -> dict[int, Path]:
    """The paths whose names say a step; two of one step are refused."""
    found: dict[int, Path] = {}
    for path in paths:
        step = step_of(path.name, by_file=by_file)
        if step is None:
            continue
        if step in found:
            raise HopscopeError(
                f"{folder} has two checkpoints of step {step}, {found[step].name} and {path.name}; "
                "keep one of them, or give a folder of links to those you mean."
            )
        found[step] = path
    return found


def _not_a_folder(path: Path) -> HopscopeError:
    if path.exists():
        return HopscopeError(f"{path} is a file; give the folder that holds the series.")
    return HopscopeError(
        f"{path} is not a folder here, and nothing is downloaded; get each step with `hf download "
        "NAME --revision step1000 --local-dir SERIES/step1000` and give the folder SERIES."
    )


def _no_series(folder: Path, inside: list[Path]) -> HopscopeError:
    if not inside:
        return HopscopeError(f"{folder} is empty; give a folder with a checkpoint for each step.")
    try:
        step_files(folder)
    except BrokenStep as error:
        return HopscopeError(
            f"{error.problem}; give a folder with a checkpoint for each step, e.g. checkpoint-1000."
        )
    raise AssertionError("a folder with weights has a layout")
