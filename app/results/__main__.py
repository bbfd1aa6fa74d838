"""`python -m app.results`: train what is missing, certify it, rewrite the tables of the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.results.experiments import DEMO, EXPERIMENTS, SEEDS, Arm, Experiment
from circuits.errors import HopscopeError, unknown_name
from circuits.files import write_atomically
from circuits.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

ROUTES = "routes"
NAMES = (*(experiment.name for experiment in EXPERIMENTS), ROUTES)
ON_TWO_WIKI = tuple(experiment.name for experiment in EXPERIMENTS if experiment.needs_two_wiki)
"""Left out unless the questions are given."""


def results(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(NAMES)}; all by default.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/results"),
    page: Annotated[Path, typer.Option(help="Page whose tables are rewritten.")] = Path(
        "docs/results.md"
    ),
    seeds: Annotated[int, typer.Option(help="Seeds of every setting.")] = SEEDS,
    jobs: Annotated[int | None, typer.Option(help="Trainings at once.")] = None,
    two_wiki: Annotated[
        Path | None,
        typer.Option(help="Questions of 2WikiMultiHopQA, for the tables about them."),
    ] = None,
) -> None:
    """Train what is missing, certify it, and rewrite the tables of the page and their CSV files."""
    wanted = names or [name for name in NAMES if two_wiki or name not in ON_TWO_WIKI]
    if unknown := [name for name in wanted if name not in NAMES]:
        raise unknown_name("result", unknown[0], NAMES)
    if two_wiki is None and (without := [name for name in wanted if name in ON_TWO_WIKI]):
        raise HopscopeError(
            f"{without[0]} is about 2WikiMultiHopQA; give the file of its questions by --two-wiki."
        )
    text = _read(page)
    for experiment in (e for e in EXPERIMENTS if e.name in wanted):
        table, rows = _experiment(experiment, runs, seeds, jobs, two_wiki)
        text = _placed(page, text, experiment.name, table)
        _keep_rows(page, experiment.name, rows)
    if ROUTES in wanted:
        from app.results.routes import by_relation
        from app.results.tables import routes_table

        shares = by_relation(trained(DEMO, runs, seeds, jobs))
        text = _placed(page, text, ROUTES, routes_table(shares))
        _keep_rows(page, ROUTES, shares.rename_axis("relation").reset_index())


def _experiment(
    experiment: Experiment, folder: Path, seeds: int, jobs: int | None, two_wiki: Path | None
) -> tuple[str, list[dict[str, object]]]:
    from app.results.measure import measured
    from app.results.tables import experiment_table

    found = {
        arm.label: [measured(run) for run in trained(arm, folder, seeds, jobs, two_wiki)]
        for arm in experiment.arms
    }
    rows = [
        {"experiment": experiment.name, experiment.varied: label, "seed": seed, **run}
        for label, arm in found.items()
        for seed, run in enumerate(arm)
    ]
    return experiment_table(experiment, found), rows


def trained(
    arm: Arm, folder: Path, seeds: int, jobs: int | None, two_wiki: Path | None = None
) -> list[Run]:
    """The finished runs of an arm, by seed; what is missing is trained."""
    from circuits.runs.run import open_run
    from train.sweeps import sweep

    table = sweep(
        arm.recipe_file,
        arm.settings,
        out=folder / arm.recipe,
        seeds=seeds,
        overrides=[f"source.path={two_wiki}"] if arm.needs_two_wiki else [],
        n_jobs=jobs,
        pack="off",  # a pack has other last digits, and whether one pays depends on the machine
    )
    if failed := [row for row in table.to_dict("records") if row["error"]]:
        raise HopscopeError(f"{failed[0]['run']} did not finish: {failed[0]['error']}")
    return [open_run(path) for path in table["run"]]


def _keep_rows(page: Path, name: str, rows: list[dict[str, object]] | pd.DataFrame) -> None:
    """What a table is made of, beside the page: results.md has results/<name>.csv."""
    import pandas as pd

    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False).encode())


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except OSError as error:
        raise HopscopeError(f"{page} cannot be read ({error.strerror}); give --page.") from error


def _placed(page: Path, text: str, name: str, table: str) -> str:
    """Write the page after every table, so that a later failure loses nothing."""
    from app.results.tables import replaced

    text = replaced(text, name, table)
    write_atomically(page, text.encode())
    return text


if __name__ == "__main__":
    try:
        typer.run(results)
    except HopscopeError as error:
        print(f"hopscope: {error}", file=sys.stderr)
        sys.exit(2)
