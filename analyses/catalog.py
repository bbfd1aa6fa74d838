"""The catalog of analyses: command line, walk, dashboard and documentation iterate over it.

An analysis is a module with two names: `Options`, a subclass of `AnalysisOptions`, and
`run(model, examples, options) -> xarray.Dataset`, a pure function for one checkpoint and one split
(dims without `step` and `split`, which the walk adds; per-example variables have the dim
`example` first and end in `_example`). Adding an analysis is adding its file and its entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from circuits.errors import HopscopeError, unknown_name
from circuits.recipes.schema import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from analyses.questions.examples import Examples
    from circuits.model.transformer import HookedTransformer


class AnalysisOptions(BaseModel):
    """Options that every analysis has; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    examples: int = Field(default=300, ge=5)
    """Examples per split, drawn once and the same for every checkpoint."""
    seed: int = 0
    """Of the draw of examples and of everything else that is random."""


@dataclass(frozen=True)
class Analysis:
    """An entry of the catalog; the module is imported when it is first used."""

    name: str
    title: str
    about: str
    """Two sentences: what it measures and how to read it."""
    module: str
    tasks: tuple[Task, ...] = ("composition",)
    version: int = 1
    """Raised whenever the same options would give other numbers, so that old results are not
    mixed with new ones."""
    splits: tuple[str, ...] = ("train_inferred", "id_test", "ood_test")
    """Splits analyzed unless others are named."""
    default_steps: Literal["all", "last"] = "all"
    """Checkpoints analyzed unless others are named; "last" for what is too costly for all."""

    @property
    def run(self) -> Callable[[HookedTransformer, Examples, Any], xr.Dataset]:
        """The function for one checkpoint and one split."""
        return import_module(self.module).run

    @property
    def options_type(self) -> type[AnalysisOptions]:
        """Its options."""
        return import_module(self.module).Options

    def options(self, given: Mapping[str, Any]) -> AnalysisOptions:
        """Validated options."""
        try:
            return self.options_type.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = self.options_type.model_fields
                raise unknown_name(f"option of {self.name}", key, known) from None
            raise HopscopeError(
                f"{self.name}: {key} = {first['input']!r} is refused: {first['msg']}."
            ) from None


_ENTRIES = (
    Analysis(
        "logit_lens",
        "Logit lens",
        "Decodes every residual state with the final norm and the unembedding and ranks the "
        "bridge, the later relations and the answer. A mean reciprocal rank near 1 says that the "
        "token can be read off there.",
        "analyses.readouts.logit_lens",
    ),
    Analysis(
        "causal_tracing",
        "Causal tracing",
        "Overwrites one residual state with its value for a corrupted question, and the other way "
        "round. The share of answers that flip is the strength of the path from that state.",
        "analyses.interventions.causal_tracing",
        version=2,
    ),
    Analysis(
        "bridge_patching",
        "Bridge patching",
        "Writes a state of one question into another with a different bridge and counts how often "
        "the answer becomes the other bridge's. Placebo donors show what patching does by itself.",
        "analyses.interventions.bridge_patching",
    ),
    Analysis(
        "trace_classes",
        "Trace classes",
        "Sorts questions by whether the bridge is decoded on the way and whether the answer is "
        "right. Right answers without the bridge are the mark of fake grokking.",
        "analyses.readouts.trace_classes",
        version=2,
        splits=("train_inferred", "id_test", "ood_test", "io_test", "oi_test"),
    ),
    Analysis(
        "probes",
        "Probes and geometry of the bridge",
        "Trains a linear probe for the bridge at every state and judges it on first hops it has "
        "not seen, beside shuffled labels. Cosines say how alike states with the same bridge "
        "are, and how close to its embedding.",
        "analyses.readouts.probes",
        version=2,
    ),
    Analysis(
        "tuned_lens",
        "Tuned lens",
        "The logit lens after an affine translator per layer that is trained at each "
        "checkpoint. It reads what a state would become, where the plain lens assumes the last "
        "layer's basis.",
        "analyses.readouts.tuned_lens",
        version=2,
    ),
    Analysis(
        "back_patching",
        "Back-patching",
        "Writes a late state of a question into an earlier layer of the same question. Wrong "
        "answers that it mends, beyond what another question's state mends, were computed too "
        "late.",
        "analyses.interventions.back_patching",
        tasks=("composition", "comparison"),
    ),
    Analysis(
        "mixing",
        "Mixing the bridge back in",
        "Adds the embedding of the decoded bridge to the state at relation 1 and asks for the "
        "answer. If accuracy rises more than with a random entity, hop two lacked the bridge in "
        "that form.",
        "analyses.interventions.mixing",
    ),
    Analysis(
        "attention",
        "Attention patterns and head scores",
        "How much every head attends from each position to each other, and what its output adds "
        "to the logit of the bridge and of the answer. A head of the circuit reads the subject "
        "at relation 1, or relation 1 at the last position.",
        "analyses.readouts.attention",
        tasks=("composition", "comparison"),
    ),
    Analysis(
        "weights",
        "Weights and gradients",
        "Norms and effective ranks of all parameters, and the cosine between gradient and "
        "weights. A cosine near -1 says that training only scales the weights up.",
        "analyses.readouts.weights",
        version=2,
        tasks=("composition", "comparison"),
        splits=("train_inferred",),
    ),
    Analysis(
        "component_patching",
        "Component patching",
        "Overwrites the output of one attention layer, head or MLP at one position with its value "
        "for a corrupted question. How far the answer's logit falls says which token of the "
        "question that component carries there.",
        "analyses.interventions.component_patching",
        splits=("id_test",),
    ),
    Analysis(
        "path_patching",
        "Path patching",
        "Lets what one component writes for a corrupted question reach one single later "
        "component, all others staying as they were. The fall of the answer's logit is what runs "
        "along that edge.",
        "analyses.circuits.path_patching",
        splits=("id_test",),
        default_steps="last",
    ),
    Analysis(
        "attribution",
        "Attribution patching",
        "Predicts the effect of patching every component from gradients, at the cost of a few "
        "backward passes. Its correlation with real patching says how far the prediction holds.",
        "analyses.interventions.attribution",
        version=2,
        splits=("id_test",),
        default_steps="last",
    ),
    Analysis(
        "circuit_discovery",
        "The circuit",
        "Finds the edges between components that carry the answer, by path patching against "
        "placebo patches. Restricted to a faithful circuit the model answers as before, and "
        "without a complete one it cannot.",
        "analyses.circuits.discovery",
        version=3,
        splits=("train_inferred", "id_test"),
    ),
    Analysis(
        "route_ablation",
        "Only the two-hop route, and without its bridge",
        "Cuts every edge past the bridge, or every edge that carries the bridge, at all steps "
        "alike. Accuracy and loss of the two models say how much of the answer composes and how "
        "much is shortcut.",
        "analyses.circuits.route_ablation",
        version=3,
        splits=("train_inferred", "id_test"),
    ),
    Analysis(
        "edit_propagation",
        "Edit propagation",
        "Changes one atomic fact by a small fine-tune and asks the two-hop questions that go "
        "through it. A model that composes gives the new answers, one that has memorized keeps "
        "the old ones.",
        "analyses.interventions.edit_propagation",
        version=2,
        splits=("id_test", "ood_test"),
        default_steps="last",
    ),
    Analysis(
        "comparison_tracing",
        "Causal tracing of comparisons",
        "Overwrites one state with its value for a question whose attribute or entity was "
        "replaced so that the label changes. The share of answers that are then not right is the "
        "strength of that state; beside it the accuracy without a patch.",
        "analyses.interventions.comparison_tracing",
        tasks=("comparison",),
    ),
    Analysis(
        "comparison_lens",
        "Logit lens of comparisons",
        "Ranks the two compared values and the label at every state. A value that is readable "
        "at its entity's position has been looked up there.",
        "analyses.readouts.comparison_lens",
        tasks=("comparison",),
    ),
)

CATALOG: dict[str, Analysis] = {entry.name: entry for entry in _ENTRIES}


def catalog_entry(name: str, task: Task) -> Analysis:
    """The analysis of this name, if it fits the task."""
    if name not in CATALOG:
        raise unknown_name("analysis", name, CATALOG)
    entry = CATALOG[name]
    if task not in entry.tasks:
        fitting = [other.name for other in CATALOG.values() if task in other.tasks]
        raise HopscopeError(
            f"{name} is for the task {' or '.join(entry.tasks)} and this run's task is {task}; "
            f"analyses for it: {', '.join(fitting) or 'none'}."
        )
    return entry
