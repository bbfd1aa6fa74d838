"""Where a run and its data come from, in a few lines, with the licence of the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from app.logic.run_words import facts_in_words
from circuits import __version__
from circuits.recipes.toml import recipe_toml
from circuits.runs.run import Run

LICENCES = {
    "geonames": "Facts from GeoNames (geonames.org), CC BY 4.0.",
    "two_wiki": "Facts from 2WikiMultiHopQA, Apache License 2.0.",
    "two_hop_fact": "Facts from TwoHopFact or SOCRATES (Google DeepMind), CC BY 4.0.",
    "hopping_too_late": "Facts from HoppingTooLate (Biran et al.), MIT License.",
    "mquake": "Facts from MQuAKE (Princeton NLP), MIT License.",
    "lre": "Facts from LRE (Hernandez et al.), MIT License.",
    "grokked_composition": "Random facts, made for this run; no rights of others.",
    "grokked_comparison": "Random facts, made for this run; no rights of others.",
}
"""By the name of a source; of others nothing is known."""
UNKNOWN = "Not stated. Ask whoever published the run before you use its facts elsewhere."


class Fact(NamedTuple):
    """A line of the provenance."""

    what: str
    value: str


def provenance(run: Run, licence: str = "") -> Iterator[Fact]:
    """The lines of a run.

    Args:
        run: The run.
        licence: What to say of its data; "" for what is known of its source.
    """
    manifest = run.manifest
    yield Fact("Data", facts_in_words(run))
    yield Fact("Licence of the data", licence or licence_of(run))
    yield Fact("Model", _model(manifest["model"]))
    yield Fact("Training", f"{run.steps[-1]:,} steps, {len(run.steps)} checkpoints, {_seed(run)}")
    versions = manifest.get("versions") or {}
    if versions:
        yield Fact("Made with", ", ".join(f"{name} {v}" for name, v in versions.items()))
    if manifest.get("commit"):
        yield Fact("Code", f"hopscope {manifest.get('hopscope', '')}, commit {manifest['commit']}")
    if manifest.get("created"):
        yield Fact("Trained", str(manifest["created"]))
    yield Fact("Weights (SHA-256 of the last checkpoint)", manifest["checkpoints"][-1]["sha256"])
    yield Fact("Published with", f"hopscope {__version__}")


def recipe_text(run: Run) -> str:
    """The recipe as TOML; of a file of facts only the name, not where it lay."""
    recipe = run.recipe
    if recipe.source.path:
        source = recipe.source.model_copy(update={"path": Path(recipe.source.path).name})
        recipe = recipe.model_copy(update={"source": source})
    return recipe_toml(recipe)


def licence_of(run: Run) -> str:
    """What is known of the rights in a run's facts."""
    if not run.knows("source") or run.imported is not None:
        return UNKNOWN
    return LICENCES.get(run.recipe.source.name, UNKNOWN)


def _model(model: dict[str, object]) -> str:
    words = (("n_layers", "layers"), ("d_model", "wide"), ("n_heads", "heads"))
    found = [f"{model[key]} {word}" for key, word in words if model.get(key) is not None]
    return ", ".join(found) or "not stated"


def _seed(run: Run) -> str:
    return f"seed {run.recipe.seed}" if run.imported is None else "seed unknown"
