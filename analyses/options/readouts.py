"""Options of the analyses in `analyses.readouts`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from analyses.options.common import AnalysisOptions
from circuits.statistics import LEAST_EXAMPLES


class AttentionOptions(AnalysisOptions):
    """What is stored."""

    keep_examples: bool = False
    """Store the pattern of every example, not only the mean."""


class CoverageOptions(AnalysisOptions):
    """More examples than elsewhere, for each k-cutoff needs its own."""

    examples: int = Field(default=1000, ge=5)
    """Examples per split."""


class LearningCoefficientOptions(AnalysisOptions):
    """How the posterior is sampled."""

    lr: float = Field(default=1e-6, gt=0)
    """Step size of SGLD (its epsilon)."""
    n_beta: float | None = Field(default=None, gt=0)
    """Inverse temperature times the number of examples; None: n / log n of the training set."""
    localization: float = Field(default=1e5, ge=0)
    """Strength of the pull to the checkpoint."""
    chains: int = Field(default=3, ge=1)
    """Independent chains."""
    burn_in: int = Field(default=100, ge=0)
    """Steps of a chain that are thrown away."""
    draws: int = Field(default=100, ge=2)
    """Steps of a chain that count."""
    batch: int = Field(default=512, ge=2)
    """Training examples per step."""
    heads: bool = True
    """Whether each head has a coefficient of its own."""


class ProbeOptions(AnalysisOptions):
    """What the probes are, and which state is mapped."""

    classifier: Literal["ridge", "logistic"] = "ridge"
    """`logistic` is stricter and far slower."""
    penalty: float = Field(default=1.0, gt=0)
    """L2 penalty, for states scaled to unit variance."""
    n_train: int = Field(default=2000, ge=20)
    """Number of trained questions that the probes learn from."""
    n_folds: int = Field(default=3, ge=2)
    """Number of folds into which the first hops are dealt."""
    map_layer: int | None = None
    """Layer of the mapped state; None: depth - 1, the last state that another block reads."""
    map_position: str = "relation_1"
    """Position of the mapped state."""
    map_bridges: int = Field(default=6, ge=1)
    """How many bridges are on the map; the most frequent ones are chosen."""
    map_points: int = Field(default=30, ge=1)
    """At most this many states per bridge are on the map."""


class JacobianLensOptions(AnalysisOptions):
    """What the Jacobians are averaged over."""

    prompts: int = Field(default=100, ge=20)
    """Number of trained questions."""
    last_position: bool = True
    """Count the last position, where the answer is; `JacobianLens.fit` does not."""


class SparseProbeOptions(AnalysisOptions):
    """Which bridges are told, and from how many numbers."""

    bridges: int = Field(default=8, ge=LEAST_EXAMPLES)
    """How many bridges; the most frequent ones are chosen."""
    k: tuple[Annotated[int, Field(ge=1)], ...] = (1, 4, 16)
    """How many neurons a probe sees."""
    site: Literal["mlp", "stream"] = "mlp"
    """What a block's probe chooses from: its neurons, or the numbers of its output."""
    penalty: float = Field(default=0.01, gt=0)
    """L2 penalty of the probe, for standardized numbers."""


class TraceClassOptions(AnalysisOptions):
    """What counts as decoded, and what counts as fake."""

    lens: Literal["tuned", "logit"] = "tuned"
    """`logit` is the plain logit lens."""
    top_k: int = Field(default=1, ge=1)
    """The bridge is decoded if its 0-based rank is below this."""
    position: str = "relation_1"
    """Position at which the lens reads."""
    first_layer: int = 1
    """First state at which the lens reads."""
    last_layer: int | None = None
    """Last state at which the lens reads; None: depth - 1. A state that cannot reach the answer
    never counts."""
    generalizing: float = 0.8
    """A model with a higher accuracy than this counts as generalizing."""
    recovered: float = 0.5
    """The bridge counts as recovered if at least this share of right answers have it decoded."""


class TunedLensOptions(AnalysisOptions):
    """How the translators are fitted."""

    n_train: int = Field(default=512, ge=20)
    """Number of trained questions whose states the translators learn from."""
    penalty: float = Field(default=1.0, gt=0)
    """Penalty of the ridge solution, for states scaled to unit variance."""
    adam_steps: int = Field(default=60, ge=0)
    """Adam steps after the ridge solution; 0 keeps that solution."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam."""
    batch: int = Field(default=512, ge=1)
    """States per Adam step."""

    def fitting(self) -> dict[str, Any]:
        """Settings of `TunedLens.fit_states`."""
        names = {"penalty", "adam_steps", "learning_rate", "batch", "seed"}
        return self.model_dump(include=names)


class WeightOptions(AnalysisOptions):
    """What to compute besides norms and ranks."""

    gradients: bool = True
    """Also compute the gradient-weight cosine, which takes backward passes."""
    batches: int = Field(default=10, ge=2)
    """Number of parts of the examples, for the cosine's interval."""
