"""`hopscope certify`: does a run compose, or does its accuracy only look like it?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say

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
    if all(criterion.name != "transfers" for criterion in found.criteria):
        say(f"\nTransfer to new facts was not measured: hopscope certify {run} --transfer")


def _print(found: Certificate) -> None:
    """The page: the verdict, and each criterion with its outcome, numbers and rule."""
    say(f"{found.run}: {found.verdict.upper()}\n")
    say(found.sentence)
    if found.history:
        say(found.history)
    for c in found.criteria:
        reported = "" if c.decides else " (reported, not part of the verdict)"
        say(f"\n{c.title}: {c.status}{reported}")
        say(f"  found: {c.finding}")
        if c.n:
            ends = f"[{c.judged.low:.3f}, {c.judged.high:.3f}]"
            say(f"  judged: {c.value:.3f}, 95% interval {ends}, n = {c.n:,}")
        say(f"  rule: {c.rule}")
