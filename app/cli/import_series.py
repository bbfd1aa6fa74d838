"""`hopscope import`: a series of checkpoints that others trained becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.terminal import say
from app.cli.train import summary


def import_command(
    source: Annotated[
        str, typer.Argument(help="Folder with a checkpoint for each step, or a name on the hub.")
    ],
    out: Annotated[Path, typer.Option(help="New run folder.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder with train.json, test.json and vocab.json.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="CSV or JSONL file of questions, in place of --data.")
    ] = None,
    revisions: Annotated[
        str | None, typer.Option(help="Hub only: step0,step1000,... or all.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Leave the weights where they are.")] = False,
    cut_vocab: Annotated[
        bool, typer.Option("--cut-vocab", help="Drop tokens that the data do not list.")
    ] = False,
    items: Annotated[
        int, typer.Option(help="Questions per split that are measured at each step.", min=1)
    ] = 1000,
) -> None:
    """Make a run of a series of checkpoints that others trained, and check that it is whole."""
    from circuits.series.hub import downloaded, steps_of
    from circuits.series.importing import import_series

    folder = downloaded(source, revisions)

    def told(done: int, of: int) -> None:
        say(f"  {done} of {of} checkpoints", err=True)

    run = import_series(
        folder, out, data=data, questions=questions, steps=steps_of(revisions), link=link,
        cut_vocab=cut_vocab, items=items, progress=told,
    )  # fmt: skip
    say("\n".join(summary(run)))
    _checked(run.path)


def _checked(run: Path) -> None:
    """Check the series as `hopscope check` does, and keep what was found for the timeline."""
    from circuits.series import check_series
    from circuits.series.record import keep_check

    found = check_series(run)
    keep_check(run, found)
    for one in found.findings:
        say(f"check: {one.sentence}", err=True)
    if not found.ok:
        say(f"The series is not what it says; more: hopscope check {run}", err=True)
