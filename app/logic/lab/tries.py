"""What was tried in the patching lab during a session: a table, a comparison, JSON and a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from app.logic.lab.patch_lab import Operation
from app.logic.lab.record import SOURCES, LabRecord

MOST = 50
"""Tries that are remembered, the newest ones."""
COMPARED = 5
"""Answers of a try that are compared."""


@dataclass(frozen=True)
class LabTry:
    """One operation on one question at one checkpoint, and what came of it."""

    run: str
    path: str
    step: int
    question: str
    donor: str
    receiver: tuple[int, ...]
    lender: tuple[int, ...]
    operation: Operation
    places: str
    """The cells in words."""
    target: int
    """(First) token of the answer that the swapped bridge gives."""
    target_name: str
    shares: tuple[float, float]
    """Its probability before and after."""
    before: tuple[tuple[str, float], ...]
    """The most likely answers and their probabilities."""
    after: tuple[tuple[str, float], ...]
    wording: tuple[str, int] | None = None
    """Of a run on text: split and row of a question that is worded alike."""
    begun: str = ""
    """Of a run on text: the target as far as its first token goes."""

    @property
    def written(self) -> str:
        """What is written where."""
        heads = self.operation.heads
        which = f", heads {', '.join(map(str, heads))}" if heads else ""
        what = "" if self.operation.source == "cache" else f" ({SOURCES[self.operation.source]})"
        return f"{self.operation.component}{which}{what} at {self.places}"

    @property
    def key(self) -> tuple[Any, ...]:
        """Two tries with the same key are one."""
        return (self.path, self.step, self.receiver, self.lender, self.operation)


def try_of(record: LabRecord, path: str, step: int) -> LabTry:
    """What a record shows, to be remembered."""
    before, after = (
        tuple((answer["name"], answer["share"]) for answer in record.answers(shares)[:COMPARED])
        for shares in (record.outcome.before, record.outcome.after)
    )
    return LabTry(
        run=record.run, path=path, step=step,
        question=record.book.text(record.receiver), donor=record.book.text(record.donor),
        receiver=record.receiver, lender=record.donor, operation=record.operation,
        places="; ".join(f"layer {at}, {record.positions[p]}" for at, p in record.operation.cells),
        target=record.book.first_token(record.target),
        target_name=record.book.name(record.target),
        shares=(
            float(record.outcome.before[record.target]),
            float(record.outcome.after[record.target]),
        ),
        before=before, after=after,
        wording=record.wording, begun=record.book.begun(record.target),
    )  # fmt: skip


def remembered(tries: Sequence[LabTry], new: LabTry) -> list[LabTry]:
    """The tries with a new one, unless it is there already; of too many the oldest go."""
    if any(old.key == new.key for old in tries):
        return list(tries)
    return [*tries, new][-MOST:]


def tries_table(tries: Sequence[LabTry]) -> pd.DataFrame:
    """A row per try, the newest first."""
    rows = [
        {
            "try": number,
            "step": one.step,
            "written": one.written,
            "before": _spoken(one.before[0]),
            "after": _spoken(one.after[0]),
            "question": one.question,
            "donor": one.donor,
        }
        for number, one in enumerate(tries, 1)
    ]
    return pd.DataFrame(rows[::-1])


def side_by_side(tries: Sequence[LabTry], numbers: Sequence[int]) -> pd.DataFrame:
    """A column per try; settings that are the same in all of them are left out.

    Args:
        tries: The compared ones.
        numbers: What each is called.
    """
    settings = {
        "run": [one.run for one in tries],
        "step": [f"{one.step:,}" for one in tries],
        "question": [one.question for one in tries],
        "donor": [one.donor for one in tries],
        "written": [one.written for one in tries],
    }
    rows = {name: values for name, values in settings.items() if len(set(values)) > 1}
    rows["swapped answer"] = [
        f"{one.target_name}: {one.shares[0]:.1%} → {one.shares[1]:.1%}" for one in tries
    ]
    for when in ("before", "after"):
        for i in range(COMPARED):
            answers = [getattr(one, when) for one in tries]
            rows[f"{when} {i + 1}"] = [_spoken(a[i]) if i < len(a) else "" for a in answers]
    table = pd.DataFrame(rows, index=[f"try {number}" for number in numbers]).T
    return table.rename_axis("")


def _spoken(answer: tuple[str, float]) -> str:
    return f"{answer[0]} {answer[1]:.1%}"


def tries_json(tries: Sequence[LabTry]) -> str:
    """The tries as JSON; patches are in the form that `circuits.Patch.from_json` reads."""
    listed = [
        {
            "run": one.run, "step": one.step, "question": one.question, "donor": one.donor,
            "tokens": list(one.receiver), "donor_tokens": list(one.lender),
            "patches": [json.loads(patch.to_json()) for patch in one.operation.patches()],
            "target": one.target_name, "target_token": one.target,
            "target_probability": {"before": one.shares[0], "after": one.shares[1]},
            "before": dict(one.before), "after": dict(one.after),
        }
        for one in tries
    ]  # fmt: skip
    return json.dumps(listed, indent=1, ensure_ascii=False)


def tries_script(tries: Sequence[LabTry]) -> str:
    """A Python script that makes all tries again and prints the probability of each target.

    In runs on text it is that of the target's first token.
    """
    listed = "".join(
        f"    ({one.path!r}, {one.step}, {one.wording!r}, {list(one.receiver)}, "
        f"{list(one.lender)},\n"
        f"     {[patch.to_json() for patch in one.operation.patches()]!r},\n"
        f"     {one.target}, {(one.begun or one.target_name)!r}),\n"
        for one in tries
    )
    return f"""import numpy as np
import torch

from circuits import Patch, open_run, run_patched

TRIES = [  # run, step, wording, question, donor, patches, token whose probability is printed, name
{listed}]


def asked(run, wording, names):
    if wording is None:  # every name is a token
        return torch.tensor([names])
    split, row = wording
    return run.queries(split)[row : row + 1].asking(np.array([names]))


for path, step, wording, receiver, donor, patches, target, name in TRIES:
    run = open_run(path)
    written = [Patch.from_json(patch) for patch in patches]
    question, source = asked(run, wording, receiver), asked(run, wording, donor)
    logits = run_patched(run.model(step=step), question, written, source)
    print(step, name, float(logits[0].softmax(-1)[target]))
"""
