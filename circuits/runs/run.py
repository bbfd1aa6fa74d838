"""The run folder: its format, described here and nowhere else, and how it is read.

```
recipe.toml            the resolved recipe, all defaults filled in
corpus.json            graph, vocabulary and splits: names and report ...
corpus.safetensors     ... and arrays (see circuits/corpus/storage.py)
tokenizer.json, text.json   of a text run (see circuits/text/corpus.py)
prompts.json, tokenizer.json   of questions of a file (see circuits/pretrained/asked_text.py)
metrics.jsonl          one evaluation per line, rising in "step"; an unfinished line is not read
checkpoints/step_00001234.safetensors   the model's state dict after 1,234 optimizer steps
manifest.json          written last and atomically: what it lists exists
results/<analysis>.zarr, figures/       made later by analyses and export
resume/                optimizer and random state (train/state.py), from which training goes on
.lock                  held by the process that trains
check.json             what `hopscope check` found (circuits/series/record.py)
notes.json             tags and a note of a person (circuits/runs/notes.py)
```
`manifest.json` holds `schema` (this format's version), `hopscope` and `versions` (of libraries),
`commit` (of the working tree, or null), `created`, `seed`, `recipe_sha256` (of recipe.toml),
`model` (ModelConfig), `state` ("training", "stopped" or "finished"), `checkpoints` (rows step,
sha256, bytes), `grok`, `baselines` and `diversity` (per split, see circuits/corpus), `device`,
`precision`, `kernels` ("compiled", or "pytorch" where there is no C compiler), `threads`,
`seconds` (spent training), `notes` (sentences), `continued` (rows from_step, steps: later changes
of training.steps, which recipe.toml lacks), `wandb_id` (if sent there).
A run that was imported has `imported`: `from` (the layout found), `source` (name of the folder),
`model` ("ours"), `unknown` (sections that recipe.toml leaves out, and "seed"), `conversion` (how
weights become ours) and `link`: the folder of the weights if they were left there, and then there
is no checkpoints/ (see `circuits.series`); its metrics were measured at import.
Only steps that the manifest lists count. A file's name is made from its step, so no text from the
manifest becomes a path. `Run.refreshed()` reads what was added to a run that is being trained.
"""

from __future__ import annotations

import operator
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe, parse_recipe
from circuits.remote.mirror import fetch
from circuits.runs.imported import Imported
from circuits.runs.locking import is_locked
from circuits.runs.reading import (
    check_entries,
    checkpoint_name,
    describe_steps,
    file_sha256,
    incomplete,
    read_manifest,
    read_metrics,
    state_steps,
)
from circuits.runs.remote import local_folder, refresh

if TYPE_CHECKING:  # pandas and PyTorch take seconds to import, and listing runs needs neither
    import pandas as pd

    from circuits.corpus.corpus import Corpus
    from circuits.corpus.queries import Queries
    from circuits.corpus.vocab import Vocab
    from circuits.graph.knowledge_graph import KnowledgeGraph
    from circuits.model.transformer import HookedTransformer
    from circuits.pretrained.asked_text import AskedText
    from circuits.text.corpus import TextCorpus

RECIPE, METRICS = "recipe.toml", "metrics.jsonl"
CHECKPOINTS, RESUME, RESULTS = "checkpoints", "resume", "results"

RunState = Literal["training", "stopped", "finished"]


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder that has been opened for reading.

    >>> run = open_run("assets/demo")
    >>> run.steps[:3], run.state
    ([0, 100, 200], 'finished')
    >>> run.queries("id_test")[0].text, run.model(step=100).cfg.n_layers
    ('Abuja -farthest city-> Yokohama -next city east-> Tokyo', 2)
    >>> float(run.metrics().set_index("step")["accuracy/id_test"].loc[6000]) > 0.95
    True
    """

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
        """Whether the run is being trained, was interrupted, or is finished.

        A run whose process died still says "training" in its manifest; nobody holds its lock.
        """
        recorded: RunState = self.manifest["state"]
        if recorded == "training" and not is_locked(self.path):
            return "stopped"
        return recorded

    @property
    def imported(self) -> Imported | None:
        """What is known of a run that others trained; None for one of ours."""
        return Imported.of(self.manifest)

    def knows(self, section: str) -> bool:
        """Whether this section of the recipe (or "seed") says how the run was made."""
        return self.imported is None or section not in self.imported.unknown

    @property
    def seed(self) -> int | None:
        """The seed of the recipe; None where it is unknown."""
        return self.recipe.seed if self.knows("seed") else None

    @property
    def link(self) -> str | None:
        """Folder of the weights of an imported run that only refers to them."""
        return None if self.imported is None else self.imported.link

    @property
    def recipe_changed(self) -> bool:
        """Whether recipe.toml is not the one that the run was started with."""
        recorded = self.manifest.get("recipe_sha256")  # older runs have none
        return recorded is not None and recorded != file_sha256(self.path / RECIPE)

    @property
    def bridged(self) -> bool:
        """Whether the models are not ours but bridges of TransformerLens (an imported series)."""
        imported = self.manifest.get("imported")
        return isinstance(imported, dict) and imported.get("model") == "bridge"

    @property
    def given(self) -> bool:
        """Whether its models are loaded by somebody's function (`open_series`)."""
        imported = self.manifest.get("imported")
        return isinstance(imported, dict) and bool(imported.get("given"))

    @cached_property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Accuracy of answerers that use a shortcut of the graph, per split.

        Computed from the corpus for runs that are older than the present shortcuts.
        """
        stored = dict(self.manifest.get("baselines", {}))
        lookups = {"attribute_entity_1", "attribute_entity_2"}  # older runs have one of the two
        older = any(len(lookups & rates.keys()) == 1 for rates in stored.values())
        if "diversity" in self.manifest and not older:
            return stored
        from circuits.corpus.shortcuts import baselines

        return baselines(self.corpus)

    @cached_property
    def diversity(self) -> dict[str, dict[str, Any]]:
        """Count and effective number of bridges, pairs and answers, per question split.

        Computed from the corpus for runs that are older than this record.
        """
        if "diversity" in self.manifest:
            return dict(self.manifest["diversity"])
        from circuits.corpus.diversity import diversity

        return diversity(self.corpus)

    @property
    def grok(self) -> dict[str, Any]:
        """memorization_step, grok_step and delay_ratio so far (None: not yet)."""
        return dict(self.manifest.get("grok", {}))

    @cached_property
    def corpus(self) -> Corpus:
        """The graph with its splits, as trained; the questions of a text run are sentences."""
        return worded.as_corpus() if (worded := self.text or self.asked_text) else self._by_name

    @cached_property
    def _by_name(self) -> Corpus:
        from circuits.corpus import storage

        return storage.load(self.path)  # with a token per name

    @cached_property
    def text(self) -> TextCorpus | None:
        """How questions are put into words and tokens; None where a name is a token."""
        if self.recipe.text is None:
            return None
        from circuits.text.corpus import load_text

        return load_text(self.path, self._by_name)

    @cached_property
    def asked_text(self) -> AskedText | None:
        """The prompts of a file that an imported series is asked; None: it has none."""
        if not (self.manifest.get("imported") or {}).get("prompts"):
            return None
        from circuits.pretrained.asked_text import load_asked_text

        return load_asked_text(self.path, self._by_name)

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
        return self.path / RESULTS

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

    @property
    def last_step(self) -> int:
        """Saved optimizer steps: a stopped run resumes from here."""
        last_rows = [row["step"] for row in self.rows()[-1:]]
        return max([0, *last_rows, *self.steps[-1:], *state_steps(self.path / RESUME)])

    def checked_step(self, step: Any) -> int:
        """The step as an integer, if the run has a checkpoint of it.

        Raises:
            HopscopeError: if it is not a whole number (100.7, True, "100") or has no checkpoint.
        """
        try:
            number = None if isinstance(step, bool) else operator.index(step)
        except TypeError:
            number = None
        if number is None:
            raise HopscopeError(
                f"step {step!r} is not a whole number; {self.path} has checkpoints of the steps "
                f"{describe_steps(self.steps)}"
            )
        if number not in self._digests:
            raise HopscopeError(
                f"{self.path} has no checkpoint of step {number}; it has "
                f"{describe_steps(self.steps)}"
            )
        return number

    def checkpoint_path(self, step: int) -> Path:
        """File of a listed step; refuses a link that leads out of the folder."""
        path = self.path / CHECKPOINTS / checkpoint_name(self.checked_step(step))
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise HopscopeError(f"{path} leads out of the run folder; that is not followed.")
        fetch(path)
        return path

    def model(self, step: int | None = None, device: str = "cpu") -> HookedTransformer:
        """The model at a checkpoint, in eval mode and fp32.

        A `HookedTransformer`; where the run is an imported series of another architecture
        (`bridged`) a `BridgedModel`. `circuits.model.protocol` has what both can do.

        Args:
            step: One of `steps`; None: the last. Without one, or if it is damaged, HopscopeError.
            device: Device of the weights, as PyTorch names it.
        """
        from circuits.runs.models import load_model

        return load_model(self, step, device)

    def load_weights(self, model: HookedTransformer, step: int) -> None:
        """Load another checkpoint into a model of this run; faster than making a new model."""
        from circuits.runs.models import step_weights

        model.load_state_dict(step_weights(self, model, step))

    def digest(self, step: int) -> str:
        """SHA-256 of the file of a listed step, as it was written."""
        return self._digests[self.checked_step(step)]

    def damaged_steps(self) -> list[int]:
        """Steps whose checkpoint is missing or is not the file that was written."""
        from circuits.runs.models import digests_on_disk

        there = digests_on_disk(self)
        return [step for step in self.steps if there.get(step) != self._digests[step]]

    def refreshed(self) -> Run:
        """The run as it is now, on disk or in its bucket."""
        refresh(self.path)
        return open_run(self.path)


def open_run(path: str | Path, *, check: bool = False) -> Run:
    """Open a run folder for reading; the run may still be training.

    Args:
        path: The folder, e.g. "runs/mine", or a URL, e.g. "s3://bucket/runs/mine".
        check: Also read every checkpoint and refuse the run if `circuits.series.check_series` finds
            anything wrong with them.

    Raises:
        HopscopeError: if the folder does not hold a run, or the run is half written, damaged, or of
            a newer format.

    >>> open_run("assets/demo")
    Run('assets/demo': 25 checkpoints, finished)
    """
    folder = local_folder(path)
    if not folder.is_dir():
        raise HopscopeError(
            f"{folder} is not a run folder; train one with `hopscope train RECIPE`."
        )
    check_entries(folder)
    manifest = read_manifest(folder)
    try:
        table = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise incomplete(folder, f"{RECIPE} cannot be read: {error}") from error
    recipe = parse_recipe(table, str(folder / RECIPE))
    if continued := manifest.get("continued"):
        recipe = recipe.with_training(steps=continued[-1]["steps"])
    run = Run(folder, recipe, manifest)
    if check:
        from circuits.series.checking.check import refuse_findings

        refuse_findings(folder)
    return run
