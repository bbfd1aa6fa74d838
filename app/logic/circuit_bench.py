"""A circuit to work with: any choice of its edges is judged on the questions it was found on.

Everything but the chosen edges is ablated: to its mean over the questions, or to what stands in a
question with another answer. `circuits.circuit.faithfulness` says what is measured; the metric is
the logit difference between a question's answer and that of the question in whose place it stands
(`analyses.circuits.ablations.other_answers`). With the mean, the accuracy of the discovered circuit
is the one that circuit_discovery stored.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from analyses.circuits.ablations import other_answers
from analyses.circuits.stored_circuit import ANALYSIS, stored_circuit
from analyses.fitting import catalog_entry
from analyses.questions.examples import draw_examples
from analyses.stored import stored_result
from circuits.circuit.ablated_run import Ablation
from circuits.circuit.circuit import Circuit
from circuits.circuit.contrast_runs import ContrastRuns
from circuits.circuit.faithfulness import Faithfulness, Judge, normalized, score
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from circuits.statistics import wilson

MOST_SIZES = 41
"""Sizes at which a circuit's strongest edges are judged beforehand: one or more per edge up to 40
edges, as many in even steps of the logarithm beyond."""


@dataclass(frozen=True)
class SizeTable:
    """The strongest edges, by their number: [size, (value, low, high)]."""

    sizes: tuple[int, ...]
    faithfulness: Float[np.ndarray, "size 3"]
    accuracy: Float[np.ndarray, "size 3"]


@dataclass(frozen=True, eq=False)
class Bench:
    """The circuit of a checkpoint with the runs that any choice of its edges is judged on."""

    circuit: Circuit
    """As it was discovered."""
    runs: ContrastRuns
    step: int
    """The step that discovery measured."""
    split: str
    options: dict[str, Any]
    """Those of the stored result."""

    @classmethod
    def of(cls, run: Run, model: Any, step: int, split: str, heads: bool, how: Ablation) -> Bench:
        """The discovered circuit of a checkpoint beside its runs.

        Args:
            run: The run.
            model: Its model at the step.
            step: A checkpoint; the edges are those of the measured step nearest to it.
            split: The questions.
            heads: Whether attention heads are told apart.
            how: What everything else is ablated to.

        Raises:
            HopscopeError: if there is no such result.
        """
        told: dict[str, Any] = {"heads": True} if heads else {}
        result = stored_result(run, ANALYSIS, **told)
        if result is None:
            raise HopscopeError(missing(run, heads))
        steps = result["step"].values
        nearest = int(steps[np.abs(steps - step).argmin()])
        circuit = stored_circuit(run, nearest, split, ablation=how, **told)
        options = json.loads(result.attrs["options"])
        examples = draw_examples(run.corpus, split, options["examples"], options["seed"])
        tokens, answer = examples.queries.tokens, examples.queries.answer
        partner = torch.from_numpy(other_answers(answer.numpy()))
        runs = circuit.runs_between(
            model, tokens, tokens[partner], answer=answer, other=answer[partner]
        )
        return cls(circuit, runs, nearest, split, options)

    @cached_property
    def ranked(self) -> tuple[int, ...]:
        """Indices of the measured candidates, the largest share first, whatever its sign."""
        sizes = [
            -1.0 if edge.share is None else abs(edge.share) for edge in self.circuit.candidates
        ]
        order = np.argsort(-np.array(sizes), kind="stable")
        return tuple(int(i) for i in order if sizes[i] >= 0)

    @cached_property
    def found(self) -> frozenset[int]:
        """Indices of the discovered circuit's edges."""
        return frozenset(i for i, edge in enumerate(self.circuit.candidates) if edge.kept)

    def judged(self, kept: Collection[int]) -> Faithfulness:
        """How faithful and how complete the candidates of these indices are."""
        return self._judge([self.circuit.all_edges[i] for i in kept])

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self.runs, self.circuit.all_edges, self.circuit.ablation)

    @cached_property
    def by_size(self) -> SizeTable:
        """Faithfulness and accuracy of the strongest edges alone, for every size."""
        edges, rows = self.circuit.all_edges, self._judge.rows
        sizes = _sizes(len(self.ranked))
        logits = [self._judge.logits([edges[i] for i in self.ranked[:size]]) for size in sizes]
        table = np.stack([score(self.runs, found) for found in logits])
        right = [(found.argmax(-1) == self.runs.answer).cpu().numpy()[rows] for found in logits]
        hits = np.stack(right).sum(1)
        n = np.full(len(hits), int(rows.sum()))
        accuracy = np.stack([hits / n, *wilson(hits, n)], -1)
        shares = normalized(table, self._judge.ends, rows)
        return SizeTable(sizes, np.array([[s.value, s.low, s.high] for s in shares]), accuracy)

    def kept(self, size: int | None, base: Collection[int], toggled: Collection[int]) -> set[int]:
        """The chosen edges: the `size` strongest, or those of a base, but for toggled ones."""
        start = set(base) if size is None else set(self.ranked[:size])
        return start ^ {i for i in toggled if 0 <= i < len(self.circuit.candidates)}

    def chosen(self, kept: Collection[int]) -> Circuit:
        """The circuit of these candidates."""
        return self.circuit.keeping(self.circuit.candidates[i].name for i in kept)


def missing(run: Run, heads: bool) -> str:
    """What to run where there is no stored circuit, or why there is none for this run."""
    try:
        catalog_entry(ANALYSIS, run.corpus.task, bridged=run.bridged, text=run.corpus.text)
    except HopscopeError as error:
        return str(error)
    more = " --set heads=true" if heads else ""
    return (
        f"The circuit of this run {'with attention heads told apart ' if heads else ''}has not "
        f"been measured; run `hopscope analyze {run.path} {ANALYSIS}{more}` and reload."
    )


def _sizes(n: int) -> tuple[int, ...]:
    if n < MOST_SIZES:
        return tuple(range(n + 1))
    return (0, *np.unique(np.geomspace(1, n, MOST_SIZES - 1).round().astype(int)).tolist())


def script(bench: Bench, run_path: Path, step: int, kept: Collection[int]) -> str:
    """A Python script that runs a circuit and prints what the page shows of it."""
    circuit, options = bench.chosen(kept), bench.options
    told = ", heads=True" if circuit.heads else ""
    how = "" if circuit.ablation == "mean" else f", ablation={circuit.ablation!r}"
    names = "".join(f"    {edge.name!r},\n" for edge in circuit.edges)
    drawn = f"{options['examples']}, {options['seed']}"
    return f"""from analyses import stored_circuit
from analyses.circuits.ablations import other_answers
from analyses.questions.examples import draw_examples
from circuits import open_run

run = open_run({str(run_path)!r})
found = stored_circuit(run, {bench.step}, {bench.split!r}{how}{told})
circuit = found.keeping([
{names}])
questions = draw_examples(run.corpus, {bench.split!r}, {drawn}).queries
others = questions.take(other_answers(questions.answer.numpy()))
judged = circuit.faithfulness(
    run.model({step}), questions.tokens, others.tokens, answer=questions.answer, other=others.answer
)
print(circuit)
print("faithfulness", judged.restricted.value)
print("right alone", judged.restricted_accuracy.value)
print("right without", judged.excluded_accuracy.value)
print("whole model", judged.full_accuracy.value, "of", judged.n)
"""
