"""The record of the patching lab, from which both the instrument and the figures are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from analyses.figures.specs.charts import Bars, BarSeries, HeatMap, Spec
from analyses.figures.words import words
from app.instrument.fields import Payload
from app.instrument.packing import pack
from app.instrument.payload import dump
from app.instrument.question_fields import Lab, LabAnswer
from app.logic.lab.metrics import METRICS
from app.logic.lab.patch_lab import DonorLens, Operation, Outcome
from app.logic.question_book import QuestionBook
from app.logic.question_trace import role_order
from app.logic.sentences import columns_of, sentence_of
from circuits.corpus.queries import Queries

SHOWN = 7
"""Answers before and after."""
SOURCES = {"cache": "the donor's activation", "zero": "zero", "mean": "the donors' mean"}
"""The activations that can be written, in words."""


@dataclass(frozen=True)
class LabRecord:
    """A question of a run, what is written into it, and the effect."""

    run: str
    book: QuestionBook
    receiver: tuple[int, ...]
    donor: tuple[int, ...]
    operation: Operation
    outcome: Outcome
    """Probabilities of all answers before and after."""
    target: int
    """The answer whose probability is shown."""
    effect: Float[np.ndarray, "layer position"]
    """The metric with one cell written at a time."""
    marks: Mapping[int, tuple[str, str]]
    """Sign and kind of the marked answers: the right one and the swapped one."""
    own: int | None = None
    """The question's own answer."""
    metric: str = "p_swapped"
    donor_lens: DonorLens | None = None
    """What the donor's states say; None where something else is written."""

    @property
    def measured(self) -> str:
        """What the map shows, with the answers' names."""
        own = int(self.outcome.before.argmax()) if self.own is None else self.own
        names = {"X": self.book.begun(self.target), "A": self.book.begun(own)}
        return METRICS[self.metric].title.format_map(names)

    @property
    def limits(self) -> tuple[float, float]:
        """Ends of the map's colour scale."""
        most = float(np.nanmax(np.abs(self.effect), initial=1e-6))
        return METRICS[self.metric].limits or (-most, most)

    def payload(self, timeline: Payload) -> bytes:
        """JSON for the instrument, beside what every page's timeline needs."""
        lens = self.donor_lens
        lab: Lab = {
            "said": self._said,
            "component": self.operation.component,
            "cells": [list(cell) for cell in self.operation.cells],
            "effect": pack(self.effect),
            "rows": list(self._rows),
            "positions": list(self.positions),
            "order": self._order,
            "measured": self.measured,
            "about": METRICS[self.metric].about + (", by first tokens" if self._in_text else ""),
            "limits": list(self.limits),
            "before": self.answers(self.outcome.before),
            "after": self.answers(self.outcome.after),
            "donor_tokens": list(self._donor_columns),
            "donor_names": [] if lens is None else _named(self.book, lens),
            "donor_share": pack(np.zeros(self.effect.shape) if lens is None else lens.share),
        }
        if self._in_text:
            lab["sentence"] = sentence_of(self._pair[:1])
            lab["donor_sentence"] = sentence_of(self._pair[1:])
        return dump({**timeline, "lab": lab})

    @property
    def _said(self) -> str:
        """Question, donor, what is written and what would be its doing, for a presentation."""
        question, donor = self.book.text(self.receiver), self.book.text(self.donor)
        written = f"{SOURCES[self.operation.source]} ({self.operation.component})"
        swapped = [token for token, (_, kind) in self.marks.items() if kind == "swap"]
        expected = f", which should make it {self.book.name(swapped[0])}" if swapped else ""
        return f"Question: {question}. Donor: {donor}. Written: {written}{expected}."

    @property
    def _in_text(self) -> bool:
        return self.book.text_tokens is not None

    @property
    def wording(self) -> tuple[str, int] | None:
        """Of a run on text: split and row of a question that is worded as the receiver."""
        return self.book.wording_of(self.receiver) if self._in_text else None

    @cached_property
    def _pair(self) -> Queries:
        return self.book.prompts(self.receiver, self.donor)

    @cached_property
    def _order(self) -> list[int]:
        """The positions in the order in which the question has them."""
        n = self.effect.shape[1]
        if not self._in_text:
            return list(range(n))
        return [role for role in role_order(self._pair[:1]) if role < n]

    @property
    def _donor_columns(self) -> tuple[str, ...]:
        if self._in_text:
            return columns_of(self._pair[1:])
        return tuple(self.book.name(token) for token in self.donor)

    def answers(self, shares: Float[Tensor, " d_vocab"]) -> list[LabAnswer]:
        """The most likely answers, with their marks."""
        rows: list[LabAnswer] = []
        share = shares.tolist()
        for token in _strongest(share):
            if self._in_text and not share[token]:
                continue  # less than is told apart
            mark, kind = self.marks.get(token, ("", "baseline"))
            name, size = self.book.name(token), round(share[token], 5)
            rows.append({"name": name, "share": size, "mark": mark, "kind": kind})
        return rows

    @property
    def _rows(self) -> tuple[str, ...]:
        return tuple(str(layer) for layer in range(len(self.effect)))

    @property
    def positions(self) -> tuple[str, ...]:
        """Names of the question's positions."""
        names = self.book.corpus.queries("train_inferred").positions
        return tuple(words(name) for name in names[: self.effect.shape[1]])

    def figures(self, step: int) -> list[Spec]:
        """The grid of single patches, and the answers before and after."""
        question, donor = self.book.text(self.receiver), self.book.text(self.donor)
        source, component = SOURCES[self.operation.source], self.operation.component
        about: dict[str, Any] = {
            "subtitle": f"{question}, step {step:,}; donor: {donor}; written: {source}",
            "provenance": {
                "run": self.run, "question": question, "donor": donor, "source": source,
                "step": step, "component": component,
                "cells": [list(cell) for cell in self.operation.cells],
            },
        }  # fmt: skip
        grid = HeatMap(
            name="lab_grid",
            title=f"{self.measured} with one {component} written",
            values=self.effect[:, self._order].astype(float),
            rows=self._rows,
            columns=tuple(self.positions[role] for role in self._order),
            column_label="position",
            value_label=self.metric.replace("_", " "),
            limits=self.limits,
            diverging=self.limits[0] < 0,
            **about,
        )
        return [grid, self._bars(about)]

    def _bars(self, about: Mapping[str, Any]) -> Bars:
        before, after = self.outcome.before.tolist(), self.outcome.after.tolist()
        tokens = list(dict.fromkeys([*_strongest(before), *_strongest(after)]))
        at = ", ".join(f"({layer}, {self.positions[p]})" for layer, p in self.operation.cells)
        return Bars(
            name="lab_answers",
            title=f"Answers before and after writing {self.operation.component} at "
            f"{at or 'no cell'}",
            categories=tuple(self.book.name(token) for token in tokens),
            series=tuple(
                BarSeries(label=when, values=np.array([share[t] for t in tokens]), colour=i)
                for i, (when, share) in enumerate((("before", before), ("after", after)))
            ),
            y_label="probability",
            y_limits=(0.0, 1.0),
            **about,
        )


def _named(book: QuestionBook, lens: DonorLens) -> list[list[str]]:
    return [[book.name(token) for token in row] for row in book.shown(lens.token).tolist()]


def _strongest(share: list[float]) -> list[int]:
    """The most probable tokens, the first one first."""
    return sorted(range(len(share)), key=lambda token: -share[token])[:SHOWN]
