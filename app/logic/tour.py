"""The guided tour: seven stops on the timeline, each with a sentence about what was measured there.

Every number is read from the run, and each sentence depends on it: in another run it says that
there is no plateau, or that swaps do little. A stop whose result is not stored is left out, and
`missing` says which command makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from analyses.bridge_swaps import first_hop_role, swap_state
from analyses.certificate.certify import certified_steps, stored_certificate, why_refused
from analyses.figures.words import position_of, split_of
from analyses.fitting import fitting_analyses
from analyses.stored import Reader, reader
from app.instrument.accuracies import evaluated, with_interval
from app.instrument.fields import Tour, TourStop
from app.instrument.further import further_results
from circuits.corpus.names import ID_TEST, OOD_TEST, TRAIN
from circuits.errors import HopscopeError
from circuits.runs.grok import by_step, first_checkpoint
from circuits.runs.run import Run

PLATEAU = 0.25
"""Below this accuracy a memorized run does not generalize yet."""
SOME = 0.15
"""From this share on a swap has some effect, and a bridge can be read of some questions."""
NEARLY = 0.9
"""A circuit counts as all of it if, alone, it is right for this share of what the model is."""
LEAST_STOPS = 4
"""A tour of fewer stops is not offered."""
COMMANDS = {"decoded": "logit_lens", "swapped": "bridge_patching", "alone": "circuit_discovery"}


class Share(NamedTuple):
    """A share at one checkpoint, with its 95% interval and the questions behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%})"


@dataclass(frozen=True)
class Measured:
    """What the tour is told from."""

    run: Run
    datasets: Mapping[str, xr.Dataset]
    frame: pd.DataFrame
    read: Reader

    @property
    def steps(self) -> list[int]:
        """Of the checkpoints."""
        return list(self.run.steps)

    def result(self, name: str) -> xr.Dataset | None:
        """A stored result on unseen questions; None without one."""
        ds = self.datasets.get(name)
        if ds is None or ID_TEST not in ds.coords["split"].values:
            return None
        return ds.sel(split=ID_TEST)

    def accuracy(self, split: str, step: int) -> Share | None:
        """The last accuracy measured up to a step."""
        known, n = self.last_accuracies(split, [step]), evaluated(self.run, split)
        if not n or not np.isfinite(known).all():
            return None
        found = with_interval(known, n)
        return Share(float(found.share[0]), float(found.low[0]), float(found.high[0]), n)

    def last_accuracies(self, split: str, steps: Sequence[int]) -> Float[np.ndarray, " step"]:
        """The last accuracy measured up to each of these steps; NaN before the first."""
        if f"accuracy/{split}" not in self.frame:
            return np.full(len(steps), np.nan)
        values = self.frame[f"accuracy/{split}"].to_numpy(float)
        known = np.isfinite(values)
        measured = self.frame["step"].to_numpy()[known]
        until = np.searchsorted(measured, steps, side="right")
        return np.concatenate([[np.nan], values[known]])[until]

    @property
    def memorized_at(self) -> int | None:
        """The step at which the trained questions were memorized, as measured while training."""
        return self.run.grok.get("memorization_step")

    @cached_property
    def memorized(self) -> int | None:
        """The first checkpoint at which they are."""
        at = self.memorized_at
        return None if at is None else first_checkpoint(at, self.steps)


class GuidedTour(NamedTuple):
    """What the instrument is sent of a tour, and how to make the results that it lacks."""

    sent: Tour
    missing: str


def tour_of(
    run: Run, datasets: Mapping[str, xr.Dataset], read: Reader | None = None
) -> GuidedTour | None:
    """The stops that the stored results of a run allow; None for all but two-hop composition.

    Args:
        run: An opened run.
        datasets: Stored results by analysis name.
        read: Reader of the run's results; None: a new one.
    """
    two_hops = run.corpus.task == "composition" and run.recipe.splits.hops == 2
    if not two_hops or len(run.steps) < 2:
        return None
    frame = run.metrics()
    if frame.empty:
        return None
    seen = Measured(run, further_results(datasets), frame, read or reader(run))
    made = {name: make(seen) for name, make in STOPS.items()}
    stops = [stop for stop in made.values() if stop is not None]
    return GuidedTour({"stops": stops, "least": LEAST_STOPS}, _missing(run, made))


def _missing(run: Run, made: Mapping[str, TourStop | None]) -> str:
    lacking = [name for name, stop in made.items() if stop is None]
    fitting = fitting_analyses("composition", bridged=run.bridged, text=run.corpus.text)
    wanted = [COMMANDS[name] for name in lacking if COMMANDS.get(name) in fitting]
    commands = [f"`hopscope analyze {run.path} {' '.join(wanted)}`"] if wanted else []
    if "certified" in lacking and not why_refused(run):
        commands.append(f"`hopscope certify {run.path}`")
    if not commands:
        return ""
    n, more = len(made) - len(lacking), len(wanted) + ("certify" in commands[-1])
    make = "makes" if len(commands) == 1 else "make"
    return (
        f"{n} of the tour's {len(made)} stops have a result in this run; "
        f"{' and '.join(commands)} {make} {more} more. The run textbook has all of them."
    )


def _memorized(seen: Measured) -> TourStop | None:
    at = seen.memorized
    if at is None:
        at, title = seen.steps[-1], "Not memorized yet"
    else:
        title = "Memorized"
    trained, unseen = seen.accuracy(TRAIN, at), seen.accuracy(ID_TEST, at)
    if trained is None or unseen is None:
        return None
    turn = "but only" if unseen.value < PLATEAU else "and already"
    here = f"At step {at:,}"
    if seen.memorized_at is not None and at > seen.memorized_at:
        here = f"Memorized {by_step(seen.memorized_at, seen.steps)}. There"
    return _stop(
        title, at,
        f"{here} the model answers {trained} of {trained.n:,} trained questions, {turn} "
        f"{unseen} of {unseen.n:,} unseen ones (in brackets: 95% intervals).",
    )  # fmt: skip


def _plateau(seen: Measured) -> TourStop | None:
    start, memorized_at = seen.memorized, seen.memorized_at
    if start is None or memorized_at is None:
        return None
    later = [s for s in seen.steps if s >= start]
    known = seen.last_accuracies(ID_TEST, later)
    low = [s for s, value in zip(later, known, strict=True) if value < PLATEAU]
    at = low[-1] if low else start
    unseen = seen.accuracy(ID_TEST, at)
    if unseen is None:
        return None
    if at == start:
        return _stop(
            "No plateau", at,
            f"There is no plateau: as soon as the trained questions are memorized, {unseen} of "
            f"{unseen.n:,} unseen ones are right; there is little left to wait for."
            if not low else
            f"There is hardly a plateau: {unseen} of {unseen.n:,} unseen questions are right when "
            f"the trained ones are memorized, and more than {PLATEAU:.0%} one checkpoint later.",
        )  # fmt: skip
    return _stop(
        "Plateau", at,
        f"{at - memorized_at:,} steps after memorization, with no new data, still only {unseen} of "
        f"{unseen.n:,} unseen questions are right.",
    )  # fmt: skip


def _decoded(seen: Measured) -> TourStop | None:
    ds = seen.result("first_usable")
    if ds is None:
        return None
    ds = ds.sel(name="bridge").drop_vars("n", errors="ignore")
    return _rise(
        seen, ds, "decoded", "decoded_n", "The bridge can be read",
        "For {now} of {n:,} unseen questions the bridge can be read off a state that the answer "
        "can still use{then}; being readable is not yet being used.",
        "The bridge can hardly be read in any state that the answer can still use: for {now} of "
        "{n:,} unseen questions{then}.",
    )  # fmt: skip


def _swapped(seen: Measured) -> TourStop | None:
    ds = seen.result("bridge_patching")
    if ds is None:
        return None
    state = swap_state(ds, first_hop_role(seen.run, ID_TEST))
    if state is None:
        return _stop(
            "No state between the hops", seen.steps[-1],
            "A model of one block has no state between the hops, so no swap can be one of the "
            "bridge alone.",
        )  # fmt: skip
    ds = ds.sel(control="bridge", position=state.position).isel(layer=state.layer)
    best = ", the layer at which this works best," if state.chosen else ","
    written = (
        f"Another question's state, written at the {position_of(state.position).spoken} after "
        f"{state.layer} block{'s' * (state.layer > 1)}{best}"
    )
    return _rise(
        seen, ds, "success", "n_valid", "The bridge is used",
        f"{written} turns {{now}} of {{n:,}} answers into those of its "
        "bridge{then}.",
        f"{written} turns only {{now}} of {{n:,}} answers into those of its "
        "bridge{then}: the answer hardly runs through it.",
    )  # fmt: skip


def _rise(
    seen: Measured, ds: xr.Dataset, name: str, count: str, title: str, high: str, low: str
) -> TourStop | None:
    """A stop where a measure has come half of its way to its highest value."""
    ds = ds.sel(step=[s for s in ds["step"].values if s in seen.steps])
    values = ds[name].values
    if not np.isfinite(values).any():
        return None
    rises = np.nanmax(values) >= SOME
    i = int(np.flatnonzero(values >= np.nanmax(values) / 2)[0]) if rises else len(values) - 1
    steps = [int(step) for step in ds["step"].values]
    then = []
    if seen.memorized in steps and steps.index(seen.memorized) != i:
        then.append(f"{values[steps.index(seen.memorized)]:.0%} when memorized")
    if i < len(values) - 1:
        then.append(f"{values[-1]:.0%} at the end")
    one = ds.isel(step=i)
    share = _share(one, name, int(one[count].max()))
    words = (high if rises else low).format(
        now=share, n=share.n, then=f" ({', '.join(then)})" if then else ""
    )
    return _stop(title if rises else title.replace("is", "is hardly", 1), steps[i], words)


def _alone(seen: Measured) -> TourStop | None:
    ds = seen.result("circuit_discovery")
    if ds is None:
        return None
    alone = ds.sel(ablation="mean", variant="restricted")
    share, whole = alone["accuracy"].values, ds["full_accuracy"].values
    kept = (ds["in_circuit"] == 1).sum("edge").values
    sound = np.flatnonzero((whole >= 0.5) & (share >= NEARLY * whole) & (kept > 0))
    i = int(sound[0]) if len(sound) else len(share) - 1
    one = alone.isel(step=i)
    n = int(one["n"].max())
    right = _share(one, "accuracy", n)
    enough = bool(share[i] >= NEARLY * whole[i] and kept[i])
    verdict = "right alone for" if enough else "alone right for only"
    edges = f"The {kept[i]} edges that discovery keeps, of {ds.sizes['edge']},"
    return _stop(
        "The circuit alone" if enough else "The circuit is not all", int(ds["step"][i]),
        f"{edges} are {verdict} {right} of {n:,} unseen questions, where the whole "
        f"model is right for {whole[i]:.0%}.",
        circuit="edges",
    )  # fmt: skip


def _ood(seen: Measured) -> TourStop | None:
    at = seen.steps[-1]
    found = seen.accuracy(OOD_TEST, at)
    if found is None:
        return None
    best = max(seen.run.baselines.get(OOD_TEST, {}).values(), default=0.0)
    above = found.low > best
    title = "OOD comes along" if above else "OOD stays"
    how = "above" if above else "not above"
    return _stop(
        title, at,
        f"Of the OOD questions, {split_of(OOD_TEST).about}, {found} of {found.n:,} are right at "
        f"the end, {how} the {best:.0%} of the best shortcut.",
        split=OOD_TEST,
    )  # fmt: skip


def _certified(seen: Measured) -> TourStop | None:
    try:
        steps = certified_steps(seen.run, read=seen.read)
        found = stored_certificate(seen.run, read=seen.read) if steps else None
    except HopscopeError:
        return None  # the page says why
    if found is None or found.step not in seen.steps:
        return None
    return _stop("The verdict", found.step, f"The certificate says: {found.sentence}")


def _share(one: xr.Dataset, name: str, n: int) -> Share:
    return Share(float(one[name]), float(one[f"{name}_low"]), float(one[f"{name}_high"]), n)


def _stop(
    title: str, step: int, text: str, *, split: str = ID_TEST, circuit: str = "states"
) -> TourStop:
    return {"title": title, "step": step, "text": text, "split": split, "circuit": circuit}


STOPS: dict[str, Callable[[Measured], TourStop | None]] = {
    "memorized": _memorized,
    "plateau": _plateau,
    "decoded": _decoded,
    "swapped": _swapped,
    "alone": _alone,
    "ood": _ood,
    "certified": _certified,
}
"""The stops in their order."""
