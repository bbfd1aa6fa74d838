"""The order of steps on paths whose answer is known: no false alarm, and the exact steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from circuits.series.checking.identical import Same
from circuits.series.checking.order import distances, fitting_order
from circuits.series.places import places

Samples = list[np.ndarray]
T, K, D = 20, 14, 200
STEPS = list(range(0, 100 * T, 100))


def walk(rng: np.random.Generator, steps: list[int] = STEPS) -> Samples:
    """Diffusion: the distance grows with the root of the steps between."""
    gaps = np.sqrt(np.diff(steps, prepend=steps[0]))[:, None]
    start = 30 * rng.normal(size=(K, 1, D)) * gaps.mean()
    return [a + (rng.normal(size=(len(steps), D)) * gaps).cumsum(0) for a in start]


def plateau(rng: np.random.Generator) -> Samples:
    """Early progress, then noise around one place: neighbours are no nearer than others."""
    way = np.minimum(np.arange(T), 6)[:, None]
    return [way * rng.normal(size=D) + 0.1 * rng.normal(size=(T, D)) + 5 for _ in range(K)]


def unrelated(rng: np.random.Generator) -> Samples:
    return [rng.normal(size=(T, D)) for _ in range(K)]


def spike(rng: np.random.Generator) -> Samples:
    """One step far out of the path, from which training came back."""
    found = walk(rng)
    for values in found:
        values[8] += 40 * rng.normal(size=D)
    return found


def grown_and_shrunk(rng: np.random.Generator) -> Samples:
    """Norms that triple and fall again under weight decay, while directions move on."""
    norm = np.interp(np.arange(T), [0, 6, T - 1], [1, 3, 1.2])[:, None]
    return [(3 * rng.normal(size=D) + 0.15 * rng.normal(size=(T, D)).cumsum(0)) * norm
            for _ in range(K)]  # fmt: skip


@pytest.mark.parametrize("path", [walk, plateau, unrelated, spike, grown_and_shrunk])
def test_no_genuine_path_raises_an_alarm(path: Callable[[np.random.Generator], Samples]) -> None:
    for seed in range(10):
        plain, angle = distances(path(np.random.default_rng(seed)))
        assert fitting_order(plain, angle, STEPS).misplaced == []


@pytest.mark.parametrize(("a", "b"), [(0, 19), (3, 4), (1, 18), (18, 19), (5, 12)])
def test_two_exchanged_steps_of_many_are_found(a: int, b: int) -> None:
    samples = walk(np.random.default_rng(a))
    for values in samples:
        values[[a, b]] = values[[b, a]]
    (found,) = fitting_order(*distances(samples), STEPS).misplaced
    assert sorted(found.steps) == [STEPS[a], STEPS[b]]
    assert 0 < found.low < found.gain < found.high < 1


def test_a_ring_of_three_is_one_finding() -> None:
    samples = walk(np.random.default_rng(0))
    for values in samples:
        values[[2, 9, 15]] = values[[9, 15, 2]]
    (found,) = fitting_order(*distances(samples), STEPS).misplaced
    assert found.steps == (200, 1500, 900)


def test_a_single_step_from_elsewhere_is_said_to_fit_there() -> None:
    samples = walk(np.random.default_rng(1))
    for values in samples:  # step 300 is lost; the weights there lie between 1,400 and 1,500
        values[3] = (values[14] + values[15]) / 2
    (found,) = fitting_order(*distances(samples), STEPS).misplaced
    assert (found.steps, found.between) == ((300,), (1400, 1500))


def test_too_few_steps_or_tensors_show_no_order() -> None:
    samples = walk(np.random.default_rng(0))
    assert fitting_order(*distances([v[[2, 0, 1]] for v in samples]), [0, 1, 2]).misplaced == []
    few = [v[::-1] for v in samples[:3]]
    assert fitting_order(*distances(few), STEPS).misplaced == []
    assert distances([])[0].shape == (0, 0, 0)


def test_many_early_names_that_serve_the_last_weights_are_told_from_the_last_step() -> None:
    """As pythia-2.8b: every early step and most round ones are the final file."""
    steps = [0, 1, 2, 4, 8, 16, 32, 64, *range(1000, 41000, 1000)]
    samples = walk(np.random.default_rng(0), steps)
    wrong = [i for i, s in enumerate(steps) if s <= 12000 or s % 10000 == 0]
    for values in samples:
        values[wrong] = values[-1]
    same = Same(tuple(steps[i] for i in wrong), neighbours=False)
    (placed,), moved = places(steps, *distances(samples), [same])
    assert placed.own == 40000
    assert moved == []
