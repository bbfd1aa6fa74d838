"""Headline numbers, computed a second time: of the two runs that come along, and of the tables.

Run as `python tests/benchmarks/recompute_headlines.py [--questions 1000]`: minutes of one core.
Beside each number of the certificate, the learned subspace and the transfer to new facts stands
that of `tests/support/slow_*.py`, and the two may differ by chance, since donors, partners and
facts are drawn anew. With `--runs DIR` (the folder of `python -m app.results`) the tables of
docs/results.md are held against their runs instead. The exit code is 1 if a number differs by more
than chance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from recompute_tables import TABLES, Row, table_rows
from slow_headlines import SlowRun, within
from slow_shortcuts import best_accuracy
from slow_subspace import successes
from slow_transfer import PAIRS, accuracies

from analyses import certify
from analyses.stored import stored_result
from circuits.corpus.names import OOD_TEST, TRAIN
from circuits.runs.run import open_run

ASSETS = Path(__file__).parents[2] / "assets"
ROUNDED = 0.0051
"""How far apart two numbers may be of which neither was drawn."""


def certificate(name: str, questions: int) -> Iterator[Row]:
    """Both sides of each number of a certificate."""
    run = SlowRun(ASSETS / name, questions)
    step, said = run.last, certify(run.path, progress=False)
    of_ood = len(run.run.queries(OOD_TEST))
    beyond, beyond_ood = said["generalizes"].numbers, said["generalizes_ood_test"].numbers
    used, hop = said["used"].numbers, said["second_hop"].numbers
    yield name, "trained, right", said["memorized"].value, run.accuracy(step, TRAIN), questions
    yield name, "ID, right", beyond["accuracy"], run.accuracy(step), questions
    yield name, "OOD, right", beyond_ood["accuracy"], run.accuracy(step, OOD_TEST), of_ood
    for what, line, split in (
        ("best shortcut, ID", beyond["shortcut_accuracy"], "id_test"),
        ("best shortcut, OOD", beyond_ood["shortcut_accuracy"], OOD_TEST),
    ):
        yield name, what, line, best_accuracy(run.run, split)[1], 0
    yield name, "bridge decoded", said["decoded"].value, run.decoded(step), questions
    yield name, "follow a swapped bridge", used["question_donors"], run.swap(step), questions
    yield name, "placebo donors (at most)", used["placebo"], run.placebo(step), questions
    same = run.kept_with_same_bridge(step)
    yield name, "kept with the same bridge", used["kept_with_same_bridge"], same, questions
    for way in ("mean", "interchange"):
        alone = run.route(step, interchange=way == "interchange")
        without = run.route(step, interchange=way == "interchange", excluded=True)
        yield name, f"route alone, {way}", hop[f"alone_{way}"], alone, questions
        yield name, f"without the bridge, {way}", hop[f"without_bridge_{way}"], without, questions


def subspace(name: str) -> Iterator[Row]:
    """Both sides of each kind of swap within a subspace."""
    stored = stored_result(open_run(ASSETS / name), "bridge_subspace")
    assert stored is not None
    said = stored.success.squeeze().sel(control="bridge")
    asked = int(stored.n.max())
    for kind, found in successes(SlowRun(ASSETS / name, asked), asked).items():
        yield name, f"swap of {kind}", float(said.sel(kind=kind)), found, asked


def transfer(name: str) -> Iterator[Row]:
    """Both sides of the accuracies at the end of the fine-tune on new facts."""
    stored = stored_result(open_run(ASSETS / name), "transfer")
    assert stored is not None
    end = stored.isel(step=-1, split=0, point=-1).accuracy
    steps = int(stored.fine_step.max())
    for kind, found in accuracies(SlowRun(ASSETS / name, PAIRS), steps).items():
        yield name, f"new facts: {kind}", float(end.sel(kind=kind)), found, PAIRS


def of_assets(questions: int) -> Iterator[Row]:
    """What is said of the two runs that come along."""
    for name in ("textbook", "demo"):
        yield from certificate(name, questions)
        yield from transfer(name)
    yield from subspace("demo")


def main() -> None:
    """Print both sides of each number."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--runs", type=Path, help="folder of the runs of docs/results.md")
    parser.add_argument("--tables", nargs="*", help="names of tables; all by default")
    given = parser.parse_args()
    tables = set(given.tables or (file.stem for file in TABLES.glob("*.csv")))
    rows = (
        of_assets(given.questions)
        if given.runs is None
        else table_rows(given.runs.absolute(), given.questions, tables)
    )
    compared = differ = 0
    for where, what, said, found, n in rows:
        fits = within(said, found, n) if n else abs(said - found) <= ROUNDED
        compared, differ = compared + 1, differ + (not fits)
        print(
            f"{where:40} {what:28} {said:8.3f} {found:8.3f}{'' if fits else '  differs'}",
            flush=True,
        )
    print(f"{compared - differ} of {compared} agree")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
