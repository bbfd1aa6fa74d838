"""The questions of a site: those of the example swaps first, then one of each kind in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from analyses.figures.words import split_of
from app.instrument.fields import Payload
from app.logic.comparison_book import book_of_corpus
from app.logic.lab.example_swaps import example_swaps
from app.logic.question_book import QuestionBook
from circuits.runs.run import Run

if TYPE_CHECKING:
    import xarray as xr

ASKED_OF = ("id_test", "ood_test", "train_inferred")
"""Splits that questions are chosen from, in turn."""
SPREAD = 16
"""In how many even steps the rows of a split are walked."""

Chosen = tuple[str, tuple[int, ...], tuple[int, ...] | None]
"""Split, question and donor, as token ids."""


@dataclass(frozen=True)
class PublishedQuestion:
    """A question with what every checkpoint makes of it."""

    split: str
    text: str
    donor: str
    """The question whose states are swapped in; "" without one."""
    payload: bytes


def published_questions(
    run: Run, datasets: Mapping[str, xr.Dataset], timeline: Payload, most: int
) -> tuple[PublishedQuestion, ...]:
    """At most so many questions, put to every checkpoint.

    Args:
        run: The run.
        datasets: Its stored results, for a swap that works and one that does not.
        timeline: What the page's timeline needs, which every payload has.
        most: The most questions; 0 for none, which also spares loading the models.
    """
    if most < 1:
        return ()
    from app.logic.asking import ask_every_checkpoint

    book = book_of_corpus(run.corpus)
    found = []
    for split, tokens, donor in islice(_different(_chosen(run, book, datasets)), most):
        record = ask_every_checkpoint(run, run.path.name, book, tokens, donor, lambda _: None)
        lent = "" if donor is None else book.text(donor)
        about = split_of(split).short
        payload = record.payload(timeline)
        found.append(PublishedQuestion(about, book.text(tokens), lent, payload))
    return tuple(found)


def _chosen(run: Run, book: QuestionBook, datasets: Mapping[str, xr.Dataset]) -> Iterator[Chosen]:
    if run.corpus.task == "composition":
        for swap in example_swaps(book, datasets.get("bridge_patching")):
            yield "id_test", swap.question, swap.donor
    in_turn = (_spread(book, split) for split in ASKED_OF if len(run.corpus.splits.get(split, ())))
    for together in zip_longest(*in_turn):
        for found in together:
            if found is not None:
                split, tokens = found
                donors = book.donors(book.asked(tokens), limit=1)
                yield split, tokens, donors[0] if donors else None


def _spread(book: QuestionBook, split: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Questions from all over a split, each with three different names."""
    n = len(book.corpus.splits[split])
    stride = max(1, n // SPREAD)
    for start in range(stride):
        for row in range(start, n, stride):
            tokens = book.tokens_at(split, row)
            asked = book.asked(tokens)
            if len({tokens[0], asked.values[0], asked.answer}) == 3:
                yield split, tokens


def _different(chosen: Iterator[Chosen]) -> Iterator[Chosen]:
    """Each question once."""
    seen = set()
    for split, tokens, donor in chosen:
        if tokens not in seen:
            seen.add(tokens)
            yield split, tokens, donor
