"""How much of the model's behaviour a circuit reproduces alone, and how much is left without it.

Between the ablated run (0) and the whole model (1), on the metric's mean over prompts:

    faithfulness = (m(kept edges) - m(no edge)) / (m(all edges) - m(no edge))

as in the MIB benchmark (Mueller et al., arXiv 2504.13151, section 3.1). Intervals are percentiles
over bootstrap resamples of the prompts, of the whole ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from circuits.circuit.ablated_run import AblatedRun, Ablation, kept_logits
from circuits.circuit.contrast_runs import ContrastRuns
from circuits.circuit.nodes_and_edges import Edge
from circuits.statistics import bootstrap, resample_weights

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval over prompts; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Faithfulness:
    """A circuit held against the whole model on some prompts."""

    restricted: Estimate
    """Share of the metric that the circuit alone keeps: 1 like the whole model, 0 like the ablated
    one."""
    excluded: Estimate
    """Share of the metric that is left without the circuit: 0 if the circuit is complete."""
    restricted_accuracy: Estimate
    """Share of prompts that the circuit alone answers with t."""
    excluded_accuracy: Estimate
    full_accuracy: Estimate
    n: int
    """Number of prompts."""


def faithfulness(
    runs: ContrastRuns, edges: Sequence[Edge], kept: Collection[Edge], ablation: Ablation
) -> Faithfulness:
    """Judge the edges in `kept` on runs with one contrast, ablating with its corrupted prompts."""
    return Judge(runs, edges, ablation)(kept)


class Judge:
    """Judges choices of edges on the same runs: what no choice changes is computed once.

    Args:
        runs: Prompts with one contrast, whose corrupted prompts everything else is ablated by.
        edges: All candidates.
        ablation: As a circuit's.
    """

    def __init__(self, runs: ContrastRuns, edges: Sequence[Edge], ablation: Ablation) -> None:
        self.runs, self.edges, self.ablation = runs, edges, ablation
        self.rows = runs.contrasts[0].valid

    def __call__(self, kept: Collection[Edge]) -> Faithfulness:
        """How faithful and how complete the circuit of these edges is."""
        alone, without = self.logits(kept), self.logits(set(self.edges) - set(kept))
        scores = np.stack([score(self.runs, alone), score(self.runs, without)])
        restricted, excluded = normalized(scores, self.ends, self.rows)
        return Faithfulness(
            restricted,
            excluded,
            _accuracy(self.runs, alone, self.rows),
            _accuracy(self.runs, without, self.rows),
            self.full_accuracy,
            int(self.rows.sum()),
        )

    @cached_property
    def logits(self) -> Callable[[Collection[Edge]], Float[Tensor, "n d_vocab"]]:
        """From the edges that are kept to logits at the last position."""
        return ablated_by_corrupted(self.runs, self.edges, self.ablation)

    @cached_property
    def ends(self) -> Float[np.ndarray, "2 n"]:
        """The metric with no edge and with all edges kept."""
        full = self.runs.clean_logits
        return np.stack([score(self.runs, self.logits(())), score(self.runs, full)])

    @cached_property
    def full_accuracy(self) -> Estimate:
        """Share of prompts that the whole model answers with t."""
        return _accuracy(self.runs, self.runs.clean_logits, self.rows)


def ablated_by_corrupted(
    runs: ContrastRuns, edges: Sequence[Edge], ablation: Ablation
) -> Callable[[Collection[Edge]], Float[Tensor, "n d_vocab"]]:
    """A function from kept edges to logits; everything else is as in the corrupted prompts."""
    ablated = AblatedRun(runs.engine, runs.corrupted[0], ablation, len(runs))
    return lambda kept: kept_logits(runs.engine, runs.clean, ablated, edges, kept)


def score(runs: ContrastRuns, logits: Float[Tensor, "n d_vocab"]) -> Float[np.ndarray, " n"]:
    """The metric of each prompt under the first contrast."""
    return runs.score(0, logits).double().cpu().numpy()


def normalized(
    scores: Float[np.ndarray, "k n"],
    ends: Float[np.ndarray, "2 n"],
    rows: Bool[np.ndarray, " n"],
    reduce: Callable[[np.ndarray], np.ndarray] = lambda share: share,
) -> tuple[Estimate, ...]:
    """Mean scores on a scale from no edge (0) to all edges (1), with intervals.

    Args:
        scores: The metric with each of k sets of edges kept.
        ends: The metric with no edge and with all edges kept.
        rows: Prompts that count.
        reduce: From the shares [resample, k] to the numbers wanted [resample, *].
    """
    n = int(rows.sum())
    weights = _weights(n)
    none, full = ends
    kept, whole = (weights @ (part - none)[..., rows].T for part in (scores, full))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = kept / whole[:, None]
    found = reduce(share)
    low, high = np.percentile(found[1:], [2.5, 97.5], axis=0)
    return tuple(Estimate(*map(float, row)) for row in np.stack([found[0], low, high], -1))


@lru_cache(maxsize=4)
def _weights(n: int) -> Float[np.ndarray, "1+resamples n"]:
    """What each prompt counts in the mean and in that of each resample; drawing takes longest."""
    return np.concatenate([np.ones((1, n)), resample_weights(n, RESAMPLES, 0)]) / n


def _accuracy(runs: ContrastRuns, logits: Tensor, rows: Bool[np.ndarray, " n"]) -> Estimate:
    right = (logits.argmax(-1) == runs.answer).cpu().numpy()[rows]
    found = bootstrap(right, shares=True)
    return Estimate(float(found.mean), float(found.low), float(found.high))
