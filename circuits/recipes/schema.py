"""Recipes: everything that determines a run, as TOML.

A recipe is read, overridden (`--set section.key=value`), validated and completed here, and the
completed form is stored in the run folder. It lives in `circuits`, not in `train`, because a run
folder cannot be read without it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from circuits.errors import HopscopeError
from circuits.remote.addresses import as_url
from circuits.settings import parse_setting, validated

# The words of recipes. The code that implements them imports these, so each is spelt only once.
AugmentationMode = Literal["true_facts", "densify", "new_entities"]
Task = Literal["composition", "comparison"]
MultiValued = Literal["drop", "first", "mark"]
"""Policy for (subject, relation) keys with several objects: leave all their facts out, keep the
first one as the source lists them, or keep all and never ask a question over them."""
ActFn = Literal["relu", "gelu", "gelu_new", "silu"]
NormalizationType = Literal["LN", "RMS"]
StoredDtype = Literal["bf16", "fp32"]


class Section(BaseModel):
    """A table of a recipe: unknown keys are refused, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSection(Section):
    """Where the facts come from."""

    name: str = "geonames"
    """geonames, two_wiki, triples, grokked_composition or grokked_comparison."""
    path: str | None = None
    """File of a source that reads one; relative to the recipe."""
    multi_valued: MultiValued = "drop"
    """What happens to (subject, relation) keys with several objects."""
    leave_out_relations: tuple[str, ...] = ()
    """Relations whose facts are not taken, e.g. inverses and duplicates of others."""
    options: dict[str, Any] = {}
    """Options of that source, which validates them."""


class AugmentationSection(Section):
    """How the graph is made denser and how many inferred facts are trained."""

    phi: float | None = Field(default=None, gt=0)
    """Trained inferred facts per ID atomic fact. Facts are added until that many exist; if there
    are more, a random subset is trained. None: train all and add nothing."""
    least_phi_r: float | None = Field(default=None, gt=0)
    """Raise every relation's own phi_r at least to this."""
    modes: tuple[AugmentationMode, ...] = ("true_facts", "densify")
    """Ways to add facts, tried in this order; empty: never add any."""
    correct_share: float | None = Field(default=None, ge=0, le=1)
    """Share of true facts among those added; None: as many true ones as available."""
    growth: float = Field(default=2.0, ge=1)
    """`densify` adds up to this many times the fewest facts that reach the goal (and always up to
    as many as the graph has), to spread questions over more bridges. 1: the fewest."""
    type_relation: str | None = None
    """Relation whose objects are the types of its subjects ("instance of"); None: types are learned
    from the facts."""
    acyclic: bool = False
    protect: tuple[str, ...] = ()
    """Facts "subject -relation-> object" that no added fact may contradict."""
    preset: Literal["wild_composition", "wild_comparison"] | None = None
    """The sizes of *Wild*, Table 2."""


class SplitsSection(Section):
    """What is trained and what is tested."""

    task: Task = "composition"
    comparison_form: Literal["same", "order"] = "order"
    """`same`: do two entities share the value (yes/no); `order`: <, = or >."""
    hops: Literal[2, 3] = 2
    ood_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of atomic facts that never occur inside a trained inferred fact."""
    id_test_items: int = Field(default=1000, ge=1)
    """Held-out II queries; at most half of them if the graph has few."""
    max_test_items: int = Field(default=3000, ge=1)
    """At most this many queries are kept of every other test split."""
    returning: bool = True
    """Whether chains that end at their own subject are asked (`A -mother-> B -child-> A`). A model
    answers them by copying a token of the question."""
    stratify: Literal["none", "bridge"] = "none"
    """`bridge`: trained and test questions are drawn over all bridges in turn, so that no split is
    carried by a few of them; of one bridge's ID questions at most half become id_test."""
    heldout_real_items: int = Field(default=0, ge=0)
    """Compositions of two real ID facts held out before all others, at most a quarter of all, as
    the split heldout_real. If the source has its own questions (2WikiMultiHopQA, TwoHopFact, ...),
    those are held out instead, and what its records imply but do not ask is heldout_derived."""
    comparison_attributes: tuple[str, ...] = ()
    """Relations whose values are compared; empty: all that can be (`corpus.comparison`)."""
    train_atomic: bool = True
    identity_examples: bool = False
    """Add zero-hop examples (entity, "itself") -> entity."""
    inject_ood: Literal["none", "first_hop", "second_hop", "both_hops"] = "none"
    """Put OOD facts into `inject_per_fact` trained compositions, always with an ID partner."""
    inject_per_fact: int = Field(default=1, ge=1)


class ModelSection(Section):
    """The transformer, with TransformerLens's field names. d_vocab and n_ctx follow the data."""

    n_layers: int = Field(default=4, ge=1)
    d_model: int = Field(default=128, ge=1)
    n_heads: int = Field(default=4, ge=1)
    d_head: int | None = None
    d_mlp: int | None = None
    act_fn: ActFn = "relu"
    normalization_type: NormalizationType | None = "LN"
    tied_unembedding: bool = False
    n_passes: int = Field(default=1, ge=1)
    """Cross-layer sharing: the blocks are run this many times over."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    init_range: float = Field(default=0.02, gt=0)


class TrainingSection(Section):
    """Optimizer, schedule, loss and where it runs."""

    steps: int = Field(default=3000, ge=1)
    batch_size: int = Field(default=512, ge=1)
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    decay: Literal["matrices", "all"] = "all"
    """Which parameters decay; PyTorch's AdamW, and so *Grokked*, decays all."""
    betas: tuple[float, float] = (0.9, 0.98)
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: int = Field(default=200, ge=0)
    cooldown: int = Field(default=0, ge=0)
    """The learning rate falls linearly to zero over this many last steps."""
    grokfast: bool = False
    grokfast_alpha: float = Field(default=0.98, ge=0, lt=1)
    grokfast_lambda: float = Field(default=2.0, ge=0)
    orthogonal_gradient: bool = False
    loss: Literal["cross_entropy", "stablemax"] = "cross_entropy"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    init_from: str | None = None
    """Begin with the weights of another run, "RUN@STEP"; the path is relative to the recipe. Its
    vocabulary and model must be the same."""


class CheckpointsSection(Section):
    """When and how weights are kept."""

    schedule: Literal["every", "log", "dense_then_sparse", "list", "adaptive"] = "dense_then_sparse"
    every: int = Field(default=100, ge=1)
    dense_every: int = Field(default=25, ge=1)
    dense_until: int = Field(default=1000, ge=0)
    count: int = Field(default=80, ge=2)
    """Number of log-spaced checkpoints."""
    steps: tuple[int, ...] = ()
    """The explicit list."""
    adaptive_delta: float = Field(default=0.02, gt=0, lt=1)
    """Adaptive: also keep one whenever a monitored accuracy has moved by this much."""
    dtype: StoredDtype = "bf16"
    """Number type on disk. Metrics are computed in single precision from the weights as stored, so
    that an analysis of a checkpoint finds the accuracy in metrics.jsonl."""
    budget_mb: float | None = Field(default=None, gt=0)
    """Thin out the sparse checkpoints beyond this size on disk."""
    resume_seconds: float = Field(default=10.0, ge=0)
    """Save the resume state at the first evaluation after this time; 0: at every one."""


class EvaluationSection(Section):
    """What is measured while training."""

    every: int = Field(default=100, ge=1)
    items: int = Field(default=2000, ge=1)
    """At most this many queries per split, always the same ones."""
    stop_at_id_accuracy: float | None = Field(default=None, gt=0, le=1)
    tensorboard: bool = False
    wandb: bool = False


class TextSection(Section):
    """How facts and questions are put into words and tokens; a recipe without it asks by name."""

    tokenizer: str = "bpe"
    """`bpe`: byte-level BPE trained on the facts; `names`: one token per name and word; or a
    tokenizer.json by path (relative to the recipe) or by its name on the Hugging Face hub."""
    vocab_size: int = Field(default=512, ge=258)
    """Tokens of `bpe`: 256 bytes, two marks, and merges."""
    facts: tuple[str, ...] = ("The {relation} of {subject} is {object}.",)
    """Statements of facts, for all relations without statements of their own."""
    statements: dict[str, tuple[str, ...]] = {}
    """Statements of single relations; words in [brackets] stand for the relation."""
    phrases: dict[str, tuple[str, ...]] = {}
    """Noun phrases of relations, as in "the ... of {subject}"."""
    questions: tuple[str, ...] = (
        "What is the {relation_2} of the {relation_1} of {subject}?",
        "Name the {relation_2} of the {relation_1} of {subject}.",
        "{subject} has a {relation_1}: what is its {relation_2}?",
    )
    questions_of_three: tuple[str, ...] = (
        "What is the {relation_3} of the {relation_2} of the {relation_1} of {subject}?",
        "Name the {relation_3} of the {relation_2} of the {relation_1} of {subject}.",
    )
    comparisons: tuple[str, ...] = (
        "Are {entity_1} and {entity_2} in the same {attribute}?",
        "Do {entity_1} and {entity_2} share the same {attribute}?",
    )
    paraphrases: int = Field(default=1, ge=1)
    """At most this many wordings are used: the first ones. Every fact is trained in all of its
    wordings; each question has one, drawn by the recipe's seed."""
    separator: str = ""
    """What stands between a question and its answer, e.g. " Answer:"."""
    paragraphs: int = Field(default=0, ge=0)
    """Facts per passage: every fact is trained as the first sentence of a passage that goes on with
    other facts of the same entity. 0: sentences on their own."""
    distractors: int = Field(default=0, ge=0)
    """Facts of other entities that are mixed into each passage behind its first sentence."""
    loss: Literal["answer", "all"] = "answer"
    """Predict the answer's tokens only, or all tokens of a text."""

    @model_validator(mode="after")
    def _has_wordings(self) -> TextSection:
        if self.distractors and not self.paragraphs:
            raise ValueError("distractors are mixed into passages; set paragraphs as well")
        tables = {"facts": self.facts, "questions": self.questions} | {
            "questions_of_three": self.questions_of_three,
            "comparisons": self.comparisons,
        }
        tables |= {f"statements.{name}": given for name, given in self.statements.items()}
        tables |= {f"phrases.{name}": given for name, given in self.phrases.items()}
        for key, given in tables.items():
            if not given or not all(words.strip() for words in given):
                raise ValueError(f"{key} has no words; leave it out or give at least one")
        return self


class Recipe(Section):
    """A whole recipe. Equal recipes give equal runs on the same machine.

    >>> recipe = load_recipe("train/recipes/demo.toml", ["training.steps=500"])
    >>> recipe.source.name, recipe.training.steps, recipe.model.d_model
    ('geonames', 500, 96)
    """

    seed: int = 0
    source: SourceSection = SourceSection()
    augmentation: AugmentationSection = AugmentationSection()
    splits: SplitsSection = SplitsSection()
    model: ModelSection = ModelSection()
    training: TrainingSection = TrainingSection()
    checkpoints: CheckpointsSection = CheckpointsSection()
    evaluation: EvaluationSection = EvaluationSection()
    text: TextSection | None = None

    def absolute(self) -> Recipe:
        """The same recipe with absolute paths, for a process that may run in another folder."""
        found = self
        if self.source.path is not None:
            path = str(Path(self.source.path).absolute())
            found = found.model_copy(
                update={"source": self.source.model_copy(update={"path": path})}
            )
        if self.training.init_from is not None and as_url(self.training.init_from) is None:
            run = str(Path(self.training.init_from).absolute())
            found = found.with_training(init_from=run)
        if self.text is not None and self.text.tokenizer.endswith(".json"):
            file = str(Path(self.text.tokenizer).absolute())
            found = found.model_copy(
                update={"text": self.text.model_copy(update={"tokenizer": file})}
            )
        return found

    def with_training(self, **changes: Any) -> Recipe:
        """The same recipe with other values in [training]; they are not validated."""
        return self.model_copy(update={"training": self.training.model_copy(update=changes)})


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a TOML recipe and apply `section.key=value` overrides.

    Args:
        path: The file. `source.path` and `training.init_from` in it are relative to its folder.
        overrides: As typed after `--set`. Paths in them are relative to the working directory.

    Raises:
        HopscopeError: if the file is missing or malformed, a key is unknown or a value is out of
            range.

    >>> load_recipe("train/recipes/demo.toml", ["training.l=1e-3"])
    Traceback (most recent call last):
    circuits.errors.HopscopeError: ... unknown recipe key 'l'. Did you mean 'lr'? Allowed: ...
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except IsADirectoryError as error:
        raise HopscopeError(
            f"{path} is a folder, not a recipe; name a TOML file in it, recipe.toml if it is a run."
        ) from error
    except OSError as error:
        raise HopscopeError(f"recipe {path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HopscopeError(f"recipe {path} is not valid TOML: {error}.") from error
    for section, key in (("source", "path"), ("training", "init_from")):
        inner = table.get(section)
        if (
            isinstance(inner, dict)
            and isinstance(given := inner.get(key), str)
            and not as_url(given)
        ):
            inner[key] = str(path.parent / given)
    words = table.get("text")
    if isinstance(words, dict) and str(words.get("tokenizer", "")).endswith(".json"):
        words["tokenizer"] = str(path.parent / words["tokenizer"])
    return parse_recipe(table, str(path), overrides)


def parse_recipe(table: dict[str, Any], where: str, overrides: Iterable[str] = ()) -> Recipe:
    """Apply overrides to a nested table and validate it; `where` names its origin in errors.

    An override that names another source drops the recipe's path, options and relations to leave
    out, which belong to the source that it names itself.
    """
    overrides = list(overrides)
    for override in sorted(overrides, key=lambda text: not text.startswith("source.name=")):
        source = table.get("source")
        before = source.get("name") if isinstance(source, dict) else None
        _apply_override(table, override)
        if before is not None and table["source"]["name"] != before:
            kept = ("name", "multi_valued")
            table["source"] = {k: v for k, v in table["source"].items() if k in kept}
    return validated(Recipe, table, where, "recipe key")


def _apply_override(table: dict[str, Any], override: str) -> None:
    form, example = "section.key=value", "--set training.steps=500"
    key, value = parse_setting(override, form, example)
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise HopscopeError(f"override {override!r}: {section!r} is a value, not a section.")
    table[last] = value
