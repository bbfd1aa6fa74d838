"""Steps, and tensors of steps, that are the same bytes under several names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from circuits.series.checking.findings import Prints, listed
from circuits.series.record import Finding

SMALLEST = 1024
"""Elements of the smallest tensor that counts: a few numbers can come back to what they were."""
CHANGED = 0.1
"""Share of a tensor's sample that must differ at a step between, for its return to be no chance."""
Array = np.ndarray


@dataclass(frozen=True)
class Same:
    """Steps with the same weights, and the one whose place they fit, if that can be told."""

    steps: tuple[int, ...]
    neighbours: bool
    """No different step lies between them."""
    own: int | None = None


def same_steps(prints: Prints) -> list[Same]:
    """Groups of steps with identical weights, in the order of their first step."""
    groups = _groups({step: one.digest for step, one in prints.items()})
    return [Same(steps, _adjoin(steps, list(prints))) for steps in groups]


def detour(name: int, same: Same, steps: Sequence[int], d: Array) -> float:
    """How much longer the weights make the path of the other steps, under one of their names.

    Args:
        name: One of the steps with these weights.
        same: All of them.
        steps: All steps of `d`, rising.
        d: Distances averaged over tensors, [step, step].
    """
    i = steps.index(name)
    left = [k for k in range(i) if steps[k] not in same.steps][-1:]
    right = [k for k in range(i, len(steps)) if steps[k] not in same.steps][:1]
    legs = sum(float(d[i, k]) for k in left + right)
    return legs - (float(d[left[0], right[0]]) if left and right else 0)


def identical(groups: Iterable[Same]) -> list[Finding]:
    """What is wrong with steps that share their weights."""
    found = []
    for same in groups:
        wrong = tuple(step for step in same.steps if step != same.own)
        if same.own is not None:
            serves = "serves" if len(wrong) == 1 else "serve"
            sentence = f"{listed(wrong)} {serves} the weights of step {same.own:,}"
        else:
            rest = "" if same.neighbours else ", and a step between them has others"
            sentence = f"{listed(same.steps)} have identical weights{rest}"
        found.append(Finding("identical", wrong, sentence))
    return found


def identical_tensors(prints: Prints, groups: Iterable[Same]) -> list[Finding]:
    """Tensors that come back: the same at two steps, but not at a step between.

    Trained weights never come back to the bit; a file of several may have been exchanged.
    """
    whole = [set(same.steps) for same in groups]
    shared: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in next(iter(prints.values())).tensors if prints else ():
        digests = {s: p.tensors[name].digest for s, p in prints.items() if name in p.tensors}
        for steps in _groups(digests):
            if not any(set(steps) <= known for known in whole) and _returns(prints, name, steps):
                shared[steps].append(name)
    n = len(next(iter(prints.values())).tensors) if prints else 0
    return [
        Finding(
            "identical tensors",
            steps,
            f"{listed(steps)} share {len(names):,} of {n:,} tensors to the bit ({names[0]}"
            f"{', ...' if len(names) > 1 else ''}), which differ at a step between them",
        )
        for steps, names in shared.items()
    ]


def _returns(prints: Prints, name: str, steps: tuple[int, ...]) -> bool:
    first = prints[steps[0]].tensors[name]
    if first.size < SMALLEST or not first.floating or _adjoin(steps, list(prints)):
        return False
    between = (
        p.tensors[name].sample
        for s, p in prints.items()
        if steps[0] < s < steps[-1] and s not in steps and name in p.tensors
    )
    return any(
        len(other) == len(first.sample) and (other != first.sample).mean() > CHANGED
        for other in between
    )


def _groups(of: Mapping[int, str]) -> list[tuple[int, ...]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for step, digest in of.items():
        groups[digest].append(step)
    return [tuple(steps) for steps in groups.values() if len(steps) > 1]


def _adjoin(steps: tuple[int, ...], every: list[int]) -> bool:
    places = [every.index(step) for step in steps]
    return places[-1] - places[0] == len(places) - 1
