"""The tables of docs/results.md, computed a second time from a folder of runs.

`recompute_headlines.py --runs DIR` calls this. What the page says is read from docs/results/*.csv,
run by run; the second number is that of `tests/support/slow_tables.py` and `slow_ways.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from csv import DictReader
from pathlib import Path

from slow_headlines import SlowRun
from slow_tables import history, numbers
from slow_ways import COUNT, FOLLOWS, SHORTCUT, WAYS, shares

from app.results.experiments import DEMO, EXPERIMENTS, SEEDS, Arm
from train.sweeps.plan import plan_sweep

TABLES = Path(__file__).parents[2] / "docs" / "results"
INSIDE = {experiment.name for experiment in EXPERIMENTS} - {"grokked", "wild"}
"""Tables of runs whose states are looked into; of the others only what asks no state."""
Row = tuple[str, str, float, float, int]
"""Where, what, the page's number, the slow one, and of how many questions (0: of all)."""


def table_rows(runs: Path, questions: int, tables: set[str]) -> Iterator[Row]:
    """Both sides of each number of these tables, each run once."""
    done: set[Path] = set()
    for experiment in (e for e in EXPERIMENTS if e.name in tables):
        folders = {arm.label: _folders(arm, runs) for arm in experiment.arms}
        for said in _read(experiment.name):
            path = folders[said[experiment.varied]][int(said["seed"])]
            if path.is_dir() and path not in done:
                done.add(path)
                where = str(path.relative_to(runs))
                yield from _of_run(path, said, questions, where, experiment.name in INSIDE)
    if "routes" in tables:
        yield from _routes(_folders(DEMO, runs))


def _of_run(
    path: Path, said: dict[str, str], questions: int, where: str, inside: bool
) -> Iterator[Row]:
    found = numbers(path, questions) if inside else history(SlowRun(path, questions))
    for name, value, n in found:
        if said.get(name):
            yield where, name, float(said[name]), value, n


def _routes(paths: list[Path]) -> Iterator[Row]:
    found = shares(paths, 10_000)
    for said in _read("routes"):
        relation, n = said["relation"], int(float(said["n"]))
        yield f"routes: {relation}", COUNT, n, found[relation][COUNT], 0
        for kind in (*WAYS, SHORTCUT):
            yield f"routes: {relation}", kind, float(said[kind]), found[relation][kind], 0
        follows = found[relation][FOLLOWS]
        yield f"routes: {relation}", FOLLOWS, float(said[FOLLOWS]), follows, n


def _folders(arm: Arm, runs: Path) -> list[Path]:
    """The folders of an arm's runs, by seed."""
    given = ["source.path=questions"] if arm.needs_two_wiki else []
    plan = plan_sweep(
        arm.recipe_file, arm.settings, out=runs / arm.recipe, seeds=SEEDS, overrides=given
    )
    return [run.path for run in plan]


def _read(name: str) -> list[dict[str, str]]:
    with open(TABLES / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(DictReader(file))
