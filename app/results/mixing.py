"""What mixing the decoded bridge back in does for OOD questions (`analyses.interventions.mixing`).

Layer and strength are chosen on one half of the questions and read on the other, both ways round:
the best of all cells on the questions that it is read on would rise by chance alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from analyses.walk import analyze
from circuits.corpus.names import OOD_TEST
from circuits.runs.run import Run

EXAMPLES = 1000


def mixed_in(run: Run) -> dict[str, float]:
    """OOD accuracy with an entity mixed in at relation 1: the decoded one, and a random one."""
    steps = run.steps[-1:]
    found = analyze(
        run, "mixing", steps=steps, splits=[OOD_TEST], examples=EXAMPLES, progress=False
    )
    right = found.accuracy_example.sel(split=OOD_TEST, step=steps[0])
    right = right.stack(cell=("strength", "layer")).transpose("mixed_in", "example", "cell")
    by_kind = {str(kind): right.sel(mixed_in=kind).values for kind in right.mixed_in.values}
    return {
        "ood_mixed": chosen_on_the_other_half(by_kind["decoded"]),
        "ood_mixed_random": chosen_on_the_other_half(by_kind["random"]),
    }


def chosen_on_the_other_half(right: Float[np.ndarray, "n cells"]) -> float:
    """Mean over questions, each read in the cell that is best on the half without it.

    >>> one_works = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    >>> chosen_on_the_other_half(one_works)
    1.0
    """
    right = right[np.isfinite(right).all(1)].astype(float)
    halves = right[::2], right[1::2]
    read = [
        half[:, other.mean(0).argmax()] for half, other in zip(halves, halves[::-1], strict=True)
    ]
    return float(np.concatenate(read).mean())
