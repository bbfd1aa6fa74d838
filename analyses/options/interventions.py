"""Options of the analyses in `analyses.interventions`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyses.options.common import AnalysisOptions, SpanOptions
from circuits.corpus.role_names import Span
from circuits.patching.patches import HEAD_COMPONENTS, Component
from circuits.statistics import LEAST_EXAMPLES

Control = Literal["bridge", "same_bridge", "random"]
CONTROLS: tuple[Control, ...] = ("bridge", "same_bridge", "random")


class AttentionKnockoutOptions(AnalysisOptions):
    """Which blocks are cut together."""

    width: int = Field(default=1, ge=1)
    """Blocks in a window, beside the window of all blocks."""
    span: Span = Field(default="through", exclude_if=lambda span: span == "through")
    """In sentences: which tokens of a role read and are read. With `through` every token belongs to
    a role, so that nothing passes beside a cut."""


class AttributionOptions(AnalysisOptions):
    """Options of attribution patching."""

    steps: int = Field(default=4, ge=1, le=100)
    """Number of points between clean and corrupted question at which the gradient is taken."""
    resamples: int = Field(default=200, ge=20, le=5000)
    """Number of bootstrap resamples of the questions, for the intervals of correlations."""


class BridgePatchingOptions(SpanOptions):
    """Options of bridge patching."""

    controls: tuple[Control, ...] = CONTROLS
    """Kinds of donor: the real one and the controls."""
    bridge: int = Field(default=1, ge=1)
    """Which bridge is swapped: 1 is the first; questions with more hops have later ones."""


class BridgeSubspaceOptions(AnalysisOptions):
    """How large the subspace is, and how it is learned."""

    rank: int = Field(default=32, ge=1)
    """Dimensions of the subspace, at most those of the model."""
    layer: int | None = Field(default=None, ge=1)
    """Layer of the state; None: where whole swaps work best on trained questions."""
    train: int = Field(default=1000, ge=20)
    """Trained questions that the subspace is learned from."""
    learn_steps: int = Field(default=150, ge=0)
    """Optimizer steps."""
    learning_rate: float = Field(default=0.02, gt=0)
    """Learning rate of Adam."""


class CausalTracingOptions(SpanOptions):
    """Options of causal tracing."""

    reference: bool = False
    """Draw one corruption per question, by the rules of *Grokked Transformers*."""
    corruptions: int = Field(default=2, ge=1, le=50)
    """Number of different corruptions per question and position, if as many exist."""
    corruption: Literal["interchange", "noise"] = "interchange"
    """Replace the token, or add Gaussian noise of three standard deviations to its embedding."""
    denoise: bool = True
    """Also write the clean state into the (first) corrupted run."""
    target_layer: int | None = Field(default=None, ge=1)
    """Trace to S[target_layer, last position] instead of the output."""


class ComparisonTracingOptions(AnalysisOptions):
    """How many corruptions, and which examples count."""

    n_corruptions: int = Field(default=3, ge=1)
    """Number of corruptions per example and position; their outcomes are averaged."""
    only_right: bool = False
    """Leave out examples that the model answers wrongly without a patch."""


class ComponentPatchingOptions(AnalysisOptions):
    """Options of component patching."""

    components: tuple[Component, ...] = ("resid_mid", "attn_out", "mlp_out", "z")
    """Any of resid_pre, resid_mid, resid_post, attn_out, mlp_out, z, q, k, v, pattern."""

    @property
    def of_states(self) -> tuple[Component, ...]:
        """The chosen components without heads."""
        return tuple(c for c in self.components if c not in HEAD_COMPONENTS)

    @property
    def of_heads(self) -> tuple[Component, ...]:
        """The chosen components with heads."""
        return tuple(c for c in self.components if c in HEAD_COMPONENTS)


class EditPropagationOptions(AnalysisOptions):
    """How many facts are changed, and how far the fine-tune goes."""

    n_edits: int = Field(default=8, ge=LEAST_EXAMPLES)
    """Number of facts to change, each in its own copy of the model."""
    max_steps: int = Field(default=60, ge=0)
    """At most this many optimizer steps per edit."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Learning rate of the fine-tune."""
    sure: float = Field(default=0.9, gt=0, lt=1)
    """The fine-tune stops once the new object has more than this probability."""
    retained: int = Field(default=128, ge=1)
    """Atomic and inferred trained questions each, not through the fact, that every step repeats."""


class InterchangeOptions(AnalysisOptions):
    """How large the subspace is, and how `fit_das` learns it."""

    rank: int = Field(default=32, ge=1)
    """Dimensions of the subspace, at most those of the model."""
    layer: int | None = Field(default=None, ge=1)
    """Layer of the state; None: where whole swaps work best on trained questions."""
    train: int = Field(default=1000, ge=20)
    """Trained questions that the subspace is learned from."""
    epochs: int = Field(default=20, ge=1)
    """Passes over them."""
    learning_rate: float = Field(default=0.01, gt=0)
    """Learning rate of Adam."""


class MixingOptions(AnalysisOptions):
    """How much is mixed in, and where the bridge is decoded."""

    strengths: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Shares of the embedding in the mixture: 0 leaves the state as it is, 1 replaces it."""
    decode_layer: int | None = None
    """Layer of the state at which the bridge is decoded; None: the last one."""


class TransferOptions(AnalysisOptions):
    """How many facts are new, and how they are learned."""

    pairs: int = Field(default=150, ge=LEAST_EXAMPLES)
    """Pairs of new facts that form a chain; fewer where the graph has fewer unused slots."""
    tune_steps: int = Field(default=1500, ge=1)
    """Optimizer steps of the fine-tune. The facts are known after a hundred; whether they move to
    where questions can use them shows later, if weight decay drives it."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Learning rate of the fine-tune."""
    weight_decay: float = Field(default=1.0, ge=0)
    """Weight decay of the fine-tune."""
    batch: int = Field(default=512, ge=5)
    """Examples per step."""
