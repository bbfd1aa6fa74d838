"""`hopscope import`: a series of checkpoints that others trained becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.terminal import say
from app.cli.train import summary
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    from circuits.runs.run import Run


def import_command(
    source: Annotated[
        str, typer.Argument(help="Folder with a checkpoint for each step, or a name on the hub.")
    ],
    out: Annotated[Path, typer.Option(help="New run folder.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder with train.json, test.json and vocab.json.")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            help="File of questions, in place of --data: one-token names (CSV, JSONL), or two-hop "
            "questions with prompts (TwoHopFact, SOCRATES, ...)."
        ),
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

    folder = downloaded(source, revisions)

    def told(done: int, of: int) -> None:
        say(f"  {done} of {of} checkpoints", err=True)

    shared: dict[str, Any] = {
        "steps": steps_of(revisions), "link": link, "items": items, "progress": told
    }  # fmt: skip
    if questions is not None and data is None and _has_prompts(questions):
        from circuits.pretrained.importing import import_pretrained

        if cut_vocab:
            raise HopscopeError(
                f"{questions} asks in sentences, which may use any token; leave out --cut-vocab."
            )
        run = import_pretrained(folder, out, questions, **shared)
    else:
        from circuits.series.importing import import_series

        run = import_series(
            folder, out, data=data, questions=questions, cut_vocab=cut_vocab, **shared
        )
    say("\n".join([*summary(run), *(f"  {note}" for note in _left_out(run))]))
    _checked(run.path)


def _has_prompts(questions: Path) -> bool:
    """Whether a file asks two-hop questions in sentences, as TwoHopFact does."""
    from circuits.graph.sources.question_signs import question_format

    return question_format(questions) is not None


def _left_out(run: Run) -> list[str]:
    """How many questions of a file cannot be asked, and why."""
    dropped = run.corpus.report.get("dropped") or {}
    return [f"left out: {n:,} questions ({why})" for why, n in dropped.items()]


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
