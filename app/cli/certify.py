"""`hopscope certify`: does a run compose, or does its accuracy only look like it?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say, terminal
from circuits.printable import printable

if TYPE_CHECKING:
    from analyses.certificate.certify import Certificate


def certify_command(
    run: Annotated[Path, typer.Argument(help="Run folder, e.g. runs/demo.")],
    step: Annotated[int | None, typer.Option(help="Checkpoint; the last by default.")] = None,
    split: Annotated[str, typer.Option(help="Split of the unseen questions.")] = "id_test",
    transfer: Annotated[
        bool, typer.Option("--transfer", help="Also learn new facts by a fine-tune; slower.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of the page.")] = False,
) -> None:
    """Say whether RUN composes: a verdict, and each criterion with its interval."""
    from analyses.certificate.certify import certify

    found = certify(run, step=step, split=split, transfer=transfer, progress=not json_)
    if json_:
        say(json.dumps(found.to_json(), indent=1, ensure_ascii=False))
        return
    _print(found)
    if not transfer and all(c.name != "transfers" for c in found.criteria):
        say(f"Transfer to new facts was not measured: hopscope certify {run} --transfer")


def _print(found: Certificate) -> None:
    """The page: the verdict, the criteria as a table, and the rules they were judged by."""
    from rich.table import Table

    console = terminal()
    console.print(printable(found.sentence))
    if found.history:
        console.print(found.history)
    table = Table(title=f"Certificate of {printable(found.run)}", title_justify="left")
    for column in ("criterion", "outcome", "found"):
        table.add_column(column, overflow="fold")
    for column in ("share [95% interval]", "n"):
        table.add_column(column, justify="right")
    for c in found.criteria:
        numbers = f"{c.value:.3f} [{c.judged.low:.3f}, {c.judged.high:.3f}]" if c.n else "–"
        outcome = c.status if c.decides else f"{c.status} (reported)"
        table.add_row(c.title, outcome, printable(c.finding), numbers, f"{c.n:,}")
    console.print(table)
    console.print("Rules:")
    for c in found.criteria:
        console.print(printable(f"- {c.title}: {c.rule}."))
