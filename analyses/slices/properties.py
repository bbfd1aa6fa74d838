"""What is known of each question of a split: names, shortcuts, and when it is answered rightly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from analyses.slices.slice import NAMES, WORDS, NoneInSlice, Slice, no_question_has
from analyses.stored import Reader, reader
from circuits.corpus.names import TRAIN
from circuits.corpus.queries import Queries
from circuits.corpus.shortcuts import shortcut_answers
from circuits.errors import HopscopeError, listed, unknown_name
from circuits.runs.run import Run

ANSWER_LENSES = ("logit_lens", "comparison_lens")
"""Analyses that store the rank of the answer at the last state: 0 is a right answer."""


class SplitQuestions:
    """The questions of a split of a run, by their properties.

    Args:
        run: An opened run.
        split: Name of a split, e.g. "id_test".
        read: How stored results are read; None: `analyses.stored.reader`.

    Raises:
        HopscopeError: if there is no such split.

    >>> from circuits import open_run
    >>> questions = SplitQuestions(open_run("assets/demo"), "id_test")
    >>> len(questions.queries), questions.names("relation_2")[:2].tolist()
    (1000, ['next city east', 'time zone'])
    >>> questions.right.shape
    (25, 300)
    """

    def __init__(self, run: Run, split: str, read: Reader | None = None) -> None:
        if split not in run.corpus.splits:
            raise unknown_name("split", split, run.corpus.splits)
        self.run, self.split, self.read = run, split, read or reader(run)

    @property
    def queries(self) -> Queries:
        """All questions of the split."""
        return self.run.corpus.queries(self.split)

    @property
    def named(self) -> list[str]:
        """The conditions on names that these questions have."""
        positions = set(self.queries.positions)
        bridge = ["bridge"] if self.queries.kind == "composition" else []
        there = {*positions, *bridge, "answer"}
        return [name for name in NAMES if name in there]

    def ids(self, name: str) -> Int[np.ndarray, " n"]:
        """Token ids of a name in every question.

        Raises:
            NoneInSlice: if these questions have none of this kind.
        """
        if name not in self.named:
            there = ", ".join(self.named)
            raise NoneInSlice(
                f"Questions of {self.split} have no {WORDS[name]}; they have: {there}."
            )
        queries = self.queries
        if name == "answer":
            return queries.answer_ids
        if name == "bridge":
            return queries.bridge_ids[:, 0]
        return queries.asked_ids[:, queries.positions.index(name)]

    def names(self, name: str) -> np.ndarray:
        """The names themselves."""
        vocab = self.run.vocab
        known = np.array([*vocab.entities, *vocab.relations, *vocab.specials], object)
        return known[self.ids(name)]

    def asked(self, name: str) -> list[str]:
        """The distinct names there, sorted."""
        return sorted({self.run.vocab.name(token) for token in np.unique(self.ids(name)).tolist()})

    def is_called(self, name: str, value: str) -> Bool[np.ndarray, " n"]:
        """Whether each question has this name there.

        Raises:
            NoneInSlice: if none has it.
        """
        ids = self.ids(name)
        vocab = self.run.vocab
        mine = [token for token in np.unique(ids).tolist() if vocab.name(token) == value]
        if not mine:
            known = self.asked(name)
            why = no_question_has(name, value, known, self.split)
            raise NoneInSlice(f"{why} Allowed: {listed(known)}.")
        return np.isin(ids, mine)

    @cached_property
    def shortcut(self) -> Bool[np.ndarray, " n"]:
        """Whether some shortcut of the graph gives the right answer.

        Raises:
            HopscopeError: if it is not known what was trained.
        """
        corpus = self.run.corpus
        if not len(corpus.splits.get(TRAIN, ())):
            raise HopscopeError(
                f"{self.run.path} does not say which compositions were trained, so it is unknown "
                "what a shortcut would answer; leave shortcut out of the slice."
            )
        given = shortcut_answers(corpus, self.queries)
        right = [answers == self.queries.answer_ids for answers in given.values()]
        return np.logical_or.reduce(right)

    @cached_property
    def _judged(self) -> tuple[xr.DataArray, Int[np.ndarray, " known"]]:
        """Ranks of the answers (step, example) and the rows of the questions that have one."""
        for name in ANSWER_LENSES:
            lens = self._stored(name)
            if lens is not None and self.split in lens["split"].values and "rank_example" in lens:
                one = lens.sel(split=self.split)
                at = {"layer": -1, "position": -1}
                rank = (
                    one["rank_example"].sel(target="answer").isel(at).transpose("step", "example")
                )
                rows = one["example_row"].values
                return rank[:, rows >= 0], rows[rows >= 0].astype(np.int64)
        which = ANSWER_LENSES[self.run.corpus.task == "comparison"]
        raise HopscopeError(
            f"Which questions of {self.split} are answered correctly is read from the {which}, "
            f"which has no result for them; run `hopscope analyze {self.run.path} {which}`."
        )

    def _stored(self, name: str) -> xr.Dataset | None:
        try:
            return self.read(name)
        except HopscopeError:  # of another task, or another version: as if it was not there
            return None

    @property
    def known_rows(self) -> Int[np.ndarray, " known"]:
        """Rows of the questions whose answers are stored at every step."""
        return self._judged[1]

    @property
    def steps(self) -> list[int]:
        """Steps at which the answers are stored."""
        return [int(step) for step in self._judged[0]["step"].values]

    @cached_property
    def right(self) -> Bool[np.ndarray, "step known"]:
        """Whether the model answers each question of `known_rows` rightly, by step."""
        return self._judged[0].values == 0

    @cached_property
    def learned(self) -> Float[np.ndarray, " known"]:
        """Step from which on each question is right at every later one; infinite: never."""
        stays = np.logical_and.accumulate(self.right[::-1])[::-1]
        steps = np.array([*self.steps, np.inf])
        return steps[np.where(stays.any(0), stays.argmax(0), len(self.steps))]

    def rows(self, chosen: Slice) -> Int[np.ndarray, " k"]:
        """Rows of the questions in a slice, rising; possibly none.

        Raises:
            NoneInSlice: if a name does not occur in this split.
            HopscopeError: if what the slice asks is not stored.
        """
        keep = np.ones(len(self.queries), bool)
        for name, value in chosen.named.items():
            keep &= self.is_called(name, value)
        if chosen.shortcut is not None:
            keep &= self.shortcut == chosen.shortcut
        if chosen.right is not None:
            keep &= self._known(lambda: self.right[self._at(chosen.step)] == chosen.right)
        if (between := chosen.learned_range) is not None:
            low, high = between
            keep &= self._known(lambda: (self.learned >= low) & (self.learned <= high))
        return np.flatnonzero(keep)

    def measured(self, chosen: Slice) -> Bool[np.ndarray, " known"]:
        """Which of the questions whose answers are stored are in a slice.

        Raises:
            HopscopeError: if no answers are stored, or not what the slice asks.
        """
        known = self.known_rows
        try:
            return np.isin(known, self.rows(chosen))
        except NoneInSlice:
            return np.zeros(len(known), bool)

    def _known(self, says: Callable[[], Bool[np.ndarray, " known"]]) -> Bool[np.ndarray, " n"]:
        known = np.zeros(len(self.queries), bool)
        known[self.known_rows] = says()
        return known

    def _at(self, step: int | None) -> int:
        if step is None:
            return len(self.steps) - 1
        return int(np.abs(np.array(self.steps) - step).argmin())
