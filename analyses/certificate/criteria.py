"""The criteria of a certificate, each a pure function of the stored evidence of one checkpoint.

States are chosen on trained questions and judged on the split of the certificate, so that choosing
the best state flatters no number. Only *usable* states count: after at least one block, with a
block still behind them, and not the subject's, which has not seen relation 1
(`analyses.usable`).

Each function takes the evidence (dims split, example, ...) without its step, and the split of
unseen questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from analyses.certificate.judging import (
    NOTHING,
    Criterion,
    Share,
    Status,
    beats,
    difference,
    percent,
    together,
)
from analyses.outcomes import KEPT, SUCCESS
from analyses.usable import usable_states
from circuits.corpus.names import ID_TEST, OOD_TEST, SHORTCUT_WORDS, TRAIN
from circuits.runs.grok import MEMORIZED
from circuits.statistics import LEAST_EXAMPLES

if TYPE_CHECKING:
    import xarray as xr

MOST = 0.8
"""The share of answers that must go through the bridge for a model to compose: four in five."""

HALF = 0.5
"""Share of questions whose bridge must be decoded; share of answers that make a shortcut."""

NO_BETTER = 0.05
"""An accuracy is no better than a shortcut's if the difference is surely below this."""

_NO_DONORS = "no question has a donor: its second relation applies to no other bridge"

ASKED = {ID_TEST: "unseen ID questions", OOD_TEST: "OOD questions"}


def memorized(evidence: xr.Dataset) -> Criterion:
    """The grok rule of the run, on trained questions."""
    share = Share.of(rows(evidence, TRAIN, "right_example"))
    status: Status = "pass" if share.value >= MEMORIZED else "fail"
    return Criterion(
        "memorized",
        "Trained questions known",
        f"at least {MEMORIZED:.0%} of the drawn trained questions are right (the grok rule)",
        status if share.n >= LEAST_EXAMPLES else "cannot be told",
        f"{percent(share.value)} right",
        share,
    )


def generalizes(evidence: xr.Dataset, split: str, decides: bool = True) -> Criterion:
    """Accuracy on a split beyond its best shortcut, on the same questions."""
    words = ASKED.get(split, f"questions of {split}")
    name = "generalizes" if decides else f"generalizes_{split}"
    title = f"{words[0].upper()}{words[1:]} beyond any shortcut"
    rule = "more are right than the best shortcut of the split gets right, paired"
    if split not in evidence["split"].values:
        finding = f"there are too few {words}"
        return Criterion(name, title, rule, "cannot be told", finding, NOTHING, decides)
    right, shortcut = rows(evidence, split, "right_example"), BestShortcut(evidence, split)
    gap, share, agrees = difference(right, shortcut.right), Share.of(right), Share.of(shortcut.same)
    rate = Share.of(shortcut.right).value
    status: Status = "cannot be told"
    if gap.n >= LEAST_EXAMPLES and (gap.low > 0 or gap.high < NO_BETTER):
        status = "pass" if gap.low > 0 else "fail"
    return Criterion(
        name,
        title,
        rule,
        status,
        f"{percent(share.value)} right, the best shortcut, {shortcut.words}, {percent(rate)}",
        gap,
        decides,
        {
            "accuracy": share.value,
            "accuracy_low": share.low,
            "accuracy_high": share.high,
            "shortcut": shortcut.name,
            "shortcut_accuracy": rate,
            "same_answer_as_shortcut": agrees.value,
            "same_answer_as_shortcut_low": agrees.low,
        },
    )


def bridge_decoded(evidence: xr.Dataset, split: str) -> Criterion:
    """The bridge is the lens's top token at a state that a later block can use."""
    title = "Bridge readable where usable"
    rule = (
        f"a tuned lens reads the bridge of at least {HALF:.0%} of the questions at a state with a "
        "block still behind it, more often than another bridge of the same relation"
    )
    if of_text(evidence):
        rule = rule.replace("reads the bridge", "reads the first token of the bridge")
    cells = usable_cells(evidence)
    if not cells.any():
        return _impossible("decoded", title, rule)
    at = _best(rows(evidence, TRAIN, "decoded_example"), cells)
    real, placebo = (
        rows(evidence, split, name)[:, *at]
        for name in ("decoded_example", "placebo_decoded_example")
    )
    share, other, place = Share.of(real), Share.of(placebo), _place(evidence, at)
    return Criterion(
        "decoded",
        title,
        rule,
        together(share.against(HALF), beats(real, placebo)),
        f"at {place} {percent(share.value)} decoded (tuned lens), a placebo bridge "
        f"{percent(other.value)}",
        share,
        numbers={"state": place, "placebo": other.value, "placebo_high": other.high},
    )


def bridge_used(evidence: xr.Dataset, split: str) -> Criterion:
    """Swapping in another bridge changes the answer to what that bridge leads to."""
    title = "Answers follow the bridge"
    rule = (
        f"with another bridge swapped in at a usable state, at least {MOST:.0%} of the answers "
        "become that bridge's, from questions and from atomic prompts, and more than with placebo "
        "donors (same bridge, random)"
    )
    cells = usable_cells(evidence)
    if not cells.any():
        return _impossible("used", title, rule)
    at = best_swap_state(evidence)
    outcome = rows(evidence, split, "swap_example")[..., *at]  # example, donor, control
    hit = _hits(outcome, SUCCESS)
    question, atomic = Share.of(hit[:, 0, 0]), Share.of(hit[:, 1, 0])
    placebo = [Share.of(hit[:, d, c]).value for d in (0, 1) for c in (1, 2)]
    kinds = (0, 1) if atomic.n else (0,)  # an atomic prompt has no state at the last position
    above = together(*(beats(hit[:, d, 0], hit[:, d, c]) for d in kinds for c in (1, 2)))
    shares = [question, atomic][: len(kinds)]
    place = _place(evidence, at)
    told = (
        f"at {place} {percent(question.value)} of the answers follow a question's bridge, "
        f"{percent(atomic.value)} an atomic prompt's"
    )
    worst = max((value for value in placebo if value == value), default=float("nan"))
    part = (
        f"; it is used, but by fewer than {MOST:.0%} of the answers"
        if _in_part(shares, above)
        else ""
    )
    return Criterion(
        "used",
        title,
        rule,
        together(*(share.against(MOST) for share in shares), above),
        f"{told}, placebo donors at most {percent(worst)}{part}" if question.n else _NO_DONORS,
        min(shares, key=lambda share: share.low if share.n else -1.0),
        numbers={
            "state": place,
            "question_donors": question.value,
            "atomic_donors": atomic.value,
            "placebo": worst,
            "beats_placebo": above,
            "kept_with_same_bridge": Share.of(_hits(outcome[:, 0, 1], KEPT)).value,
        },
    )


def best_swap_state(evidence: xr.Dataset) -> tuple[int, int]:
    """(layer, position) of the usable state whose swaps turn most trained questions' answers."""
    hits = _hits(rows(evidence, TRAIN, "swap_example")[:, 0, 0], SUCCESS)
    return _best(hits, usable_cells(evidence))


def second_hop(evidence: xr.Dataset, split: str) -> Criterion:
    """The two-hop route alone gives the answers of the whole model."""
    right = rows(evidence, split, "right_example") == 1
    route = rows(evidence, split, "route_example")[right]  # example, ablation, variant
    guessed = BestShortcut(evidence, split).right[right]
    names = [str(name) for name in evidence["ablation"].values]
    alone, without = ({n: Share.of(route[:, i, v]) for i, n in enumerate(names)} for v in (0, 1))
    told = " and ".join(f"{percent(share.value)} ({n} ablation)" for n, share in alone.items())
    cut = "everything but the two-hop route is ablated, in two ways"
    if of_text(evidence):
        cut = "later tokens read the first hop only where it is complete, after the first block"
        told = f"{percent(next(iter(alone.values())).value)} (attention knockout)"
    return Criterion(
        "second_hop",
        "Second hop computed there",
        f"of the model's right answers at least {MOST:.0%} stay right when {cut}, and more than "
        "the best shortcut gets right",
        together(
            *(share.against(MOST) for share in alone.values()),
            *(beats(route[:, i, 0], guessed) for i in range(len(names))),
        ),
        f"the route alone keeps {told} of the right answers",
        min(alone.values(), key=lambda share: share.low if share.n else -1.0),
        numbers={
            **{f"alone_{name}": share.value for name, share in alone.items()},
            **{f"without_bridge_{name}": share.value for name, share in without.items()},
        },
    )


class BestShortcut:
    """The shortcut that answers most questions of a split."""

    def __init__(self, evidence: xr.Dataset, split: str) -> None:
        right = rows(evidence, split, "shortcut_right_example")
        best = int(right.sum(0).argmax())
        self.name = str(evidence["shortcut"].values[best])
        self.words = SHORTCUT_WORDS.get(self.name, self.name)
        self.right = right[:, best]
        """1 where it is right."""
        self.same = rows(evidence, split, "shortcut_same_example")[:, best]
        """1 where it answers as the model does."""


def rows(evidence: xr.Dataset, split: str, variable: str) -> np.ndarray:
    """Values of the questions of a split, examples first."""
    one = evidence.sel(split=split)
    return one[variable].transpose("example", ...).values[: int(one["n"])].astype(int)


def of_text(evidence: xr.Dataset) -> bool:
    """Whether the questions are sentences, measured by `analyses.certificate.in_text`."""
    return "complete" in evidence


def usable_cells(evidence: xr.Dataset) -> Bool[np.ndarray, "layer position"]:
    """States where a bridge can have been found and a block can still use it."""
    depth, n_positions = evidence.sizes["layer"] - 1, evidence.sizes["position"]
    cells = usable_states(depth, n_positions)
    cells[[0, depth]] = False
    if of_text(evidence):  # the subject may come last
        cells[:, evidence["complete"].values.reshape(-1, n_positions)[0] == 0] = False
    else:
        cells[:, 0] = False
    return cells


def _best(hits: np.ndarray, cells: np.ndarray) -> tuple[int, int]:
    """The cell with the largest share of hits [example, layer, position]; -1 has no value."""
    mean = (hits == 1).sum(0) / np.maximum((hits >= 0).sum(0), 1)
    layer, position = np.unravel_index(np.where(cells, mean, -1.0).argmax(), cells.shape)
    return int(layer), int(position)


def _hits(outcome: np.ndarray, kind: int) -> np.ndarray:
    return np.where(outcome < 0, -1, outcome == kind)


def _in_part(shares: list[Share], above: Status) -> bool:
    return above == "pass" and any(share.against(MOST) == "fail" for share in shares)


def _place(evidence: xr.Dataset, at: tuple[int, int]) -> str:
    position = str(evidence["position"].values[at[1]]).replace("_", " ")
    return f"S[{at[0]}, {position}]"


def _impossible(name: str, title: str, rule: str) -> Criterion:
    why = "a model of one block has no state between the hops"
    return Criterion(name, title, rule, "fail", why, NOTHING)
