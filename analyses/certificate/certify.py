"""Certify a run: measure what is missing at one step, judge it, and say what follows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyses.certificate.criteria import (
    bridge_decoded,
    bridge_used,
    generalizes,
    memorized,
    of_text,
    second_hop,
)
from analyses.certificate.further import subspace_used, transfers
from analyses.certificate.judging import Criterion, percent
from analyses.certificate.verdict import Verdict, verdict
from analyses.fitting import catalog_entry
from analyses.stored import Reader, reader, stored_result, usable_splits
from circuits.corpus.names import ID_TEST, OOD_TEST, TRAIN
from circuits.errors import HopscopeError, unknown_name
from circuits.runs.grok import GENERALIZED, MEMORIZED
from circuits.runs.run import Run, open_run
from circuits.statistics import LEAST_EXAMPLES

if TYPE_CHECKING:
    import xarray as xr

EVIDENCE, SUBSPACE, TRANSFER = "evidence", "bridge_subspace", "transfer"
"""The analyses that a certificate rests on; the last two only if they were made."""


@dataclass(frozen=True)
class Certificate:
    """What a checkpoint is shown to do, criterion by criterion."""

    run: str
    step: int
    split: str
    """Split of the unseen questions."""
    verdict: Verdict
    criteria: tuple[Criterion, ...]
    history: str = ""
    """When the run memorized and generalized, in words; "" if it has not memorized."""
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The verdict as a sentence with its step and the numbers that it rests on most."""
        said = f"the model {self.verdict}"
        if self.verdict == "cannot be told":
            said = "it cannot be told whether the model composes"
        beyond, used = self["generalizes"], self["used"]
        trained = percent(self["memorized"].value)
        return (
            f"At step {self.step:,} {said}: {trained} of the trained questions are right; of the "
            f"unseen, {beyond.finding}; {used.finding}."
        )

    def __getitem__(self, name: str) -> Criterion:
        """A criterion by name, e.g. "used"."""
        for criterion in self.criteria:
            if criterion.name == name:
                return criterion
        raise unknown_name("criterion", name, [c.name for c in self.criteria])

    def to_json(self) -> dict[str, Any]:
        """As plain values; numbers that do not exist are null."""
        return {
            "run": self.run,
            "step": self.step,
            "split": self.split,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "history": self.history,
            "criteria": [criterion.to_json() for criterion in self.criteria],
            "provenance": self.provenance,
        }


def certify(
    run: Run | str | Path,
    *,
    step: int | None = None,
    split: str = ID_TEST,
    transfer: bool = False,
    progress: bool = True,
) -> Certificate:
    """Whether a run composes: a verdict from criteria with intervals (see `analyses.certificate`).

    What is not stored yet is measured at this step and stored in the run's results.

    Args:
        run: A run of two-hop composition, or its folder.
        step: Checkpoint; None: the last.
        split: Split of the unseen questions.
        transfer: Also learn new facts by a fine-tune, which takes longer.
        progress: Show a progress bar.

    Raises:
        HopscopeError: if the run has another task, no checkpoint or no such step or split.

    >>> certificate = certify("assets/demo")
    >>> certificate.verdict
    'composes through the bridge in part'
    >>> used = certificate["used"]
    >>> used.status, round(used.value, 2), used.n
    ('fail', 0.56, 1000)
    """
    run = run if isinstance(run, Run) else open_run(run)
    at = _checked(run, step, split)
    if transfer:
        catalog_entry(TRANSFER, run.corpus.task, bridged=run.bridged, text=run.corpus.text)
    _measure(run, EVIDENCE, at, _splits(split), progress)
    found = stored_certificate(run, at, split)
    assert found is not None
    coarse = found["generalizes"].status == "pass" and found["used"].status == "fail"
    coarse &= not run.corpus.text  # a subspace is judged by first tokens
    if coarse:  # the whole state may hold more than the bridge
        _measure(run, SUBSPACE, at, _own(split), progress)
    if transfer:
        _measure(run, TRANSFER, at, _own(split), progress)
    return (stored_certificate(run, at, split) if coarse or transfer else None) or found


def stored_certificate(
    run: Run, step: int | None = None, split: str = ID_TEST, read: Reader | None = None
) -> Certificate | None:
    """The certificate of what is stored, without measuring; None if there is none.

    Args:
        run: An opened run.
        step: Checkpoint; None: the last that has one.
        split: Split of the unseen questions.
        read: Reader of the run's results (`analyses.stored.reader`); None: a new one.
    """
    read = reader(run) if read is None else read
    steps = certified_steps(run, split, read)
    at = steps[-1] if steps and step is None else step
    if at is None or at not in steps:
        return None
    evidence = _stored(run, read, EVIDENCE, _splits(split))
    assert evidence is not None
    others = {"transfer": TRANSFER} | ({} if of_text(evidence) else {"subspace": SUBSPACE})
    more = {key: _at(_stored(run, read, name, _own(split)), at) for key, name in others.items()}
    criteria = judged(evidence.sel(step=at), split, **more)
    record = json.loads(evidence.attrs.get("provenance", "{}"))
    return Certificate(
        run.path.resolve().name, at, split, verdict(criteria), criteria, history(run, at), record
    )


def certified_steps(run: Run, split: str = ID_TEST, read: Reader | None = None) -> list[int]:
    """The steps that have evidence for this split, rising."""
    evidence = _stored(run, reader(run) if read is None else read, EVIDENCE, _splits(split))
    if evidence is None or split not in evidence["split"].values:
        return []
    return [int(step) for step in evidence["step"].values]


def judged(
    evidence: xr.Dataset,
    split: str,
    subspace: xr.Dataset | None = None,
    transfer: xr.Dataset | None = None,
) -> tuple[Criterion, ...]:
    """Every criterion of one step of the evidence, in the order in which they are read."""
    criteria = [memorized(evidence), generalizes(evidence, split)]
    if split == ID_TEST:
        criteria.append(generalizes(evidence, OOD_TEST, decides=False))
    criteria += [bridge_decoded(evidence, split), bridge_used(evidence, split)]
    if subspace is not None:
        criteria.append(subspace_used(subspace, split))
    criteria.append(second_hop(evidence, split))
    if transfer is not None:
        criteria.append(transfers(transfer, split))
    return tuple(criteria)


def history(run: Run, step: int) -> str:
    """When the run memorized and generalized by the grok rule, up to a step."""
    memorized_at, grokked_at = (run.grok.get(k) for k in ("memorization_step", "grok_step"))
    if memorized_at is None or memorized_at > step:
        return ""
    told = f"{MEMORIZED:.0%} of the trained questions were right at step {memorized_at:,}"
    if grokked_at is None or grokked_at > step:
        return f"{told}, {GENERALIZED:.0%} of the unseen ID questions not yet."
    later = f", {grokked_at / memorized_at:.1f} times as late" if memorized_at else ""
    return f"{told}, {GENERALIZED:.0%} of the unseen ID questions at step {grokked_at:,}{later}."


def why_refused(run: Run) -> str:
    """Why a run cannot be certified, whatever the step; "" if it can.

    >>> from circuits import open_run
    >>> why_refused(open_run("assets/demo"))
    ''
    """
    if run.corpus.task != "composition":
        return (
            f"a certificate is about composition, but the task of {run.path.name} is "
            f'{run.corpus.task}; choose a run with splits.task = "composition".'
        )
    if (hops := run.recipe.splits.hops) != 2:
        return (
            f"a certificate is about two hops, but the questions of {run.path.name} have {hops}; "
            "choose a run with splits.hops = 2."
        )
    if not usable_splits(run, [TRAIN]):
        return (
            "a certificate sets unseen questions beside trained ones, of which "
            f"{run.path.name} has fewer than {LEAST_EXAMPLES}."
        )
    return ""


def _checked(run: Run, step: int | None, split: str) -> int:
    if why := why_refused(run):
        raise HopscopeError(why)
    if not run.steps:
        raise HopscopeError(f"{run.path} has no checkpoint yet; wait, or train it again.")
    if split == TRAIN:
        raise HopscopeError(
            f"{TRAIN} holds trained questions, on which memory and composition look alike; "
            f"certify unseen ones, e.g. {ID_TEST}."
        )
    return run.steps[-1] if step is None else run.checked_step(step)


def _measure(run: Run, name: str, step: int, splits: Sequence[str] | None, progress: bool) -> None:
    from analyses.walk import analyze
    from circuits.patching.cores import cores_for_jobs

    with cores_for_jobs():  # small operations, which two threads only slow down
        analyze(run, name, steps=[step], splits=splits, progress=progress)


def _splits(split: str) -> Sequence[str] | None:
    """Splits that the evidence is measured on; None: the usual ones, which have this one."""
    return None if split in (ID_TEST, OOD_TEST) else (TRAIN, split)


def _own(split: str) -> Sequence[str] | None:
    return None if split == ID_TEST else (split,)


def _stored(run: Run, read: Reader, name: str, splits: Sequence[str] | None) -> xr.Dataset | None:
    """A stored result with the usual splits, or with these."""
    return read(name) if splits is None else stored_result(run, name, splits=splits)


def _at(found: xr.Dataset | None, step: int) -> xr.Dataset | None:
    """One step of a result, if it has it."""
    return None if found is None or step not in found["step"].values else found.sel(step=step)
