"""The run folder: its format, described here and nowhere else, and how it is read.

```
recipe.toml            the resolved recipe, all defaults filled in
corpus.json            graph, vocabulary and splits: names and report ...
corpus.safetensors     ... and arrays (see circuits/corpus.py)
metrics.jsonl          one evaluation per line, rising in "step"; a last line without its line
                       break is being written and not yet read
checkpoints/step_00001234.safetensors   the model's state dict after 1,234 optimizer steps
manifest.json          written last and always whole: what it lists is there
results/<analysis>.zarr, figures/       made later by analyses and export
resume/                optimizer and random state (train/state.py); removed when finished
.lock                  held by the process that trains
```
`manifest.json` holds `schema` (this format's version), `hopscope` and `versions` (of libraries),
`commit` (of the working tree, or null), `created`, `seed`, `recipe_sha256` (of recipe.toml),
`model` (ModelConfig), `state` ("training", "stopped" or "finished"), `checkpoints` (rows step,
sha256, bytes), `grok`,
`baselines`, `device`, `precision`, `kernels` ("compiled", or "pytorch" where there is no C
compiler), `threads`, `seconds` (spent training) and `notes` (sentences).
Steps are those that the manifest lists: other files in the folder are never guessed at. A file's
name is made from its step, so no text from the manifest becomes a path. A run may be opened while
it is being trained; `Run.refreshed()` reads what has come since.
"""

from __future__ import annotations

import json
import math
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock

from circuits.checkpoints import checkpoint_name, file_sha256, load_checkpoint, read_header
from circuits.errors import HopscopeError
from circuits.recipe import Recipe, parse_recipe

if TYPE_CHECKING:  # a run is listed without the seconds that pandas and the model take
    import pandas as pd

    from circuits.corpus import Corpus
    from circuits.knowledge_graph import KnowledgeGraph
    from circuits.model import HookedTransformer
    from circuits.queries import Queries
    from circuits.vocab import Vocab

SCHEMA_VERSION = 1
MANIFEST, RECIPE, METRICS, LOCK = "manifest.json", "recipe.toml", "metrics.jsonl", ".lock"
CHECKPOINTS, RESUME = "checkpoints", "resume"

MOST_STEPS = 10**12 - 1
"""A step beyond it comes from no training."""

RunState = Literal["training", "stopped", "finished"]


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder that has been opened for reading."""

    path: Path
    recipe: Recipe
    manifest: dict[str, Any]

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {len(self.steps)} checkpoints, {self.state})"

    @cached_property
    def steps(self) -> list[int]:
        """Optimizer steps with a checkpoint, rising; 0 is the untrained model."""
        return sorted(self._digests)

    @cached_property
    def _digests(self) -> dict[int, str]:
        return {int(row["step"]): str(row["sha256"]) for row in self.manifest["checkpoints"]}

    @property
    def state(self) -> RunState:
        """Whether it is being trained, was interrupted, or is done.

        A run whose process died still says "training" in its manifest; no one holds its lock.
        """
        recorded: RunState = self.manifest["state"]
        if recorded == "training" and not is_locked(self.path):
            return "stopped"
        return recorded

    @property
    def recipe_changed(self) -> bool:
        """Whether recipe.toml is not the one that the run was started with."""
        recorded = self.manifest.get("recipe_sha256")  # older runs have none
        return recorded is not None and recorded != file_sha256(self.path / RECIPE)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Accuracy of answerers that use a shortcut of the graph, per split."""
        return dict(self.manifest.get("baselines", {}))

    @property
    def grok(self) -> dict[str, Any]:
        """memorization_step, grok_step and delay_ratio so far (None: not yet)."""
        return dict(self.manifest.get("grok", {}))

    @cached_property
    def corpus(self) -> Corpus:
        """The graph with its splits, as trained."""
        from circuits.corpus import Corpus

        return Corpus.load(self.path)

    @property
    def graph(self) -> KnowledgeGraph:
        """The augmented knowledge graph."""
        return self.corpus.graph

    @property
    def vocab(self) -> Vocab:
        """The vocabulary of the model."""
        return self.corpus.vocab

    @property
    def results_dir(self) -> Path:
        """Where analyses store their results."""
        return self.path / "results"

    @property
    def figures_dir(self) -> Path:
        """Where exported figures go."""
        return self.path / "figures"

    def queries(self, split: str) -> Queries:
        """The queries of a split, e.g. "id_test"."""
        return self.corpus.queries(split)

    def rows(self) -> list[dict[str, Any]]:
        """All evaluations as dicts, rising in step."""
        return read_metrics(self.path / METRICS)

    def metrics(self) -> pd.DataFrame:
        """All evaluations: "step", "accuracy/<split>", "loss/<split>", "norm/weights", ..."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def checkpoint_path(self, step: int) -> Path:
        """File of a listed step; refuses one that a link would lead out of the folder."""
        if step not in self._digests:
            raise HopscopeError(
                f"{self.path} has no checkpoint of step {step}; it has {describe_steps(self.steps)}"
            )
        path = self.path / CHECKPOINTS / checkpoint_name(step)
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise HopscopeError(f"{path} leads out of the run folder; that is not followed.")
        return path

    def model(self, step: int | None = None, device: str = "cpu") -> HookedTransformer:
        """The model after `step` optimizer steps (None: the last checkpoint), eval mode, fp32."""
        from circuits.config import ModelConfig
        from circuits.model import HookedTransformer

        if not self.steps:
            raise HopscopeError(f"{self.path} has no checkpoint yet; wait, or train it again.")
        step = self.steps[-1] if step is None else int(step)
        config = ModelConfig.from_json(self.manifest["model"])
        there = sum(prod(e.shape) for e in read_header(self.checkpoint_path(step)).values())
        if config.n_matrix_weights > there:  # nothing is allocated because a manifest claims it
            raise _incomplete(
                self.path,
                f"{MANIFEST} tells of a model of at least {config.n_matrix_weights:,} weights, the "
                f"checkpoint of step {step} has {there:,}",
            )
        model = HookedTransformer(config)
        self.load_weights(model, step)
        return model.to(device).eval()

    def load_weights(self, model: HookedTransformer, step: int) -> None:
        """Give a model of this run the weights of another checkpoint, quicker than a new model."""
        path = self.checkpoint_path(step)
        shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
        model.load_state_dict(load_checkpoint(path, shapes, sha256=self._digests[step]))

    def damaged_steps(self) -> list[int]:
        """Steps whose checkpoint is missing or is not the file that was written."""
        folder = self.path / CHECKPOINTS
        return [
            step
            for step in self.steps
            if file_sha256(folder / checkpoint_name(step)) != self._digests[step]
        ]

    def refreshed(self) -> Run:
        """The run as it is now on disk."""
        return open_run(self.path)


def open_run(path: str | Path) -> Run:
    """Open a run folder.

    Raises:
        HopscopeError: if there is no run, or it is half written, damaged, or of a newer format.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise HopscopeError(f"{folder} is no run folder; train one with `hopscope train RECIPE`.")
    _check_entries(folder)
    manifest = _read_manifest(folder)
    try:
        table = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _incomplete(folder, f"{RECIPE} cannot be read: {error}") from error
    return Run(folder, parse_recipe(table, str(folder / RECIPE)), manifest)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of a metrics file; a last line still being written is left out."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = _parse(line)
        except (ValueError, RecursionError):
            row = None
        if not _is_evaluation(row, after=rows[-1]["step"] if rows else -1):
            raise HopscopeError(
                f"{path}, line {number} is damaged; delete that line or train the run again."
            )
        rows.append(row)
    return rows


def _is_evaluation(row: Any, *, after: int) -> bool:
    """Whether this is a row of finite numbers of a later step."""
    return (
        isinstance(row, dict)
        and all(type(v) in (int, float) and abs(v) <= sys.float_info.max for v in row.values())
        and type(row.get("step")) is int
        and after < row["step"] <= MOST_STEPS
    )


def _parse(text: str | bytes) -> Any:
    """JSON without NaN and without infinity in any spelling, which Python would take."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number


def is_locked(folder: Path) -> bool:
    """Whether a process is training in this folder (on a read-only disk: surely not)."""
    if not (folder / LOCK).exists():
        return False
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:
        return False


def describe_steps(steps: list[int]) -> str:
    """A list of steps in a few words, for errors."""
    if len(steps) > 12:
        return f"{len(steps)} of them, {', '.join(map(str, steps[:5]))}, ... {steps[-1]}."
    return f"{', '.join(map(str, steps)) or 'none'}."


def _check_entries(folder: Path) -> None:
    """Refuse links out of the folder, and pipes and devices, which would never end.

    A link to a folder elsewhere would also let a resumed run write and delete there.
    """
    inside = folder.resolve()
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise HopscopeError(f"{folder} cannot be read ({error.strerror}).") from error
    for path in entries:
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise HopscopeError(
                f"{path} is a link out of the run folder, which is not followed; put what it "
                "leads to in its place, or delete it."
            )
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise HopscopeError(f"{path} is neither a file nor a folder; delete it.")


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = _parse((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _incomplete(folder, f"it has no {MANIFEST}, which is written last") from None
    except OSError as error:
        raise HopscopeError(f"{folder / MANIFEST} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError):
        raise _incomplete(folder, f"{MANIFEST} is not JSON") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if type(schema) is not int:
        raise _incomplete(folder, f"{MANIFEST} has no schema version")
    if schema > SCHEMA_VERSION:
        raise HopscopeError(
            f"{folder} was made by a newer Hopscope (run format {schema}, this one reads up to "
            f"{SCHEMA_VERSION}); update with `pip install -U hopscope`."
        )
    _check_manifest(folder, manifest)
    return manifest


def _check_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    rows = manifest.get("checkpoints")
    well_formed = (
        isinstance(rows, list)
        and all(_is_checkpoint(row) for row in rows)
        and all(isinstance(manifest.get(key, {}), dict) for key in ("grok", "baselines"))
        and isinstance(manifest.get("notes", []), list)
        and isinstance(manifest.get("model"), dict)
        and manifest.get("state") in ("training", "stopped", "finished")
    )
    if not well_formed:
        raise _incomplete(
            folder,
            f"{MANIFEST} lacks its checkpoints (steps of 0 to {MOST_STEPS:,} with a SHA-256), "
            "model or state",
        )
    steps = [row["step"] for row in manifest["checkpoints"]]
    if twice := [step for step, n in Counter(steps).items() if n > 1]:
        raise _incomplete(folder, f"{MANIFEST} lists the checkpoint of step {twice[0]} twice")


def _is_checkpoint(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and type(row.get("step")) is int
        and 0 <= row["step"] <= MOST_STEPS
        and isinstance(row.get("sha256"), str)
    )


def _incomplete(folder: Path, problem: str) -> HopscopeError:
    return HopscopeError(
        f"{folder} is a half-written or damaged run: {problem}; train it again into a new folder."
    )
