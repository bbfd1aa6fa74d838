"""Headline numbers of the two runs that come along, computed a second time over all questions.

Run as `python tests/benchmarks/recompute_headlines.py [--questions 1000]`: minutes of one core.
Beside each number of the certificate stands that of `tests/support/slow_headlines.py`, and the two
may differ by chance, since donors and partners are drawn anew. The exit code is 1 if one differs
by more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from slow_headlines import SlowRun, within

from analyses import certify
from circuits.corpus.names import OOD_TEST, TRAIN

ASSETS = Path(__file__).parents[2] / "assets"
Row = tuple[str, float, float, int]
"""What is counted, the certificate's number, the slow one, and of how many questions."""


def rows(name: str, questions: int) -> Iterator[Row]:
    """Both sides of each number."""
    run = SlowRun(ASSETS / name, questions)
    step, said = run.last, certify(run.path, progress=False)
    of_ood = len(run.run.queries(OOD_TEST))
    beyond, beyond_ood = said["generalizes"].numbers, said["generalizes_ood_test"].numbers
    used, hop = said["used"].numbers, said["second_hop"].numbers
    yield "trained, right", said["memorized"].value, run.accuracy(step, TRAIN), questions
    yield "ID, right", beyond["accuracy"], run.accuracy(step), questions
    yield "OOD, right", beyond_ood["accuracy"], run.accuracy(step, OOD_TEST), of_ood
    if beyond["shortcut"] == "one_fact":
        yield "best shortcut, ID", beyond["shortcut_accuracy"], run.one_fact(), questions
        best = beyond_ood["shortcut_accuracy"]
        yield "best shortcut, OOD", best, run.one_fact(OOD_TEST), of_ood
    yield "bridge decoded", said["decoded"].value, run.decoded(step), questions
    yield "follow a swapped bridge", used["question_donors"], run.swap(step), questions
    yield "placebo donors (at most)", used["placebo"], run.placebo(step), questions
    same = run.kept_with_same_bridge(step)
    yield "kept with the same bridge", used["kept_with_same_bridge"], same, questions
    for way in ("mean", "interchange"):
        alone = run.route(step, interchange=way == "interchange")
        without = run.route(step, interchange=way == "interchange", excluded=True)
        yield f"route alone, {way}", hop[f"alone_{way}"], alone, questions
        yield f"without the bridge, {way}", hop[f"without_bridge_{way}"], without, questions


def main() -> None:
    """Print both sides of each number."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=1000)
    given = parser.parse_args()
    differ = 0
    for name in ("textbook", "demo"):
        for what, said, found, n in rows(name, given.questions):
            fits = within(said, found, n)
            differ += not fits
            print(
                f"{name:9} {what:28} {said:.3f} {found:.3f}{'' if fits else '  differs'}",
                flush=True,
            )
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
