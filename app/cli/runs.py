"""`hopscope runs`: the runs of a folder in a table, and the removal of single ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say
from circuits.errors import unknown_name

if TYPE_CHECKING:
    from circuits.runs.listing import RunEntry

RUNS = Path("runs")
HEADS = ("run", "state", "step", "train", "ID", "OOD", "size", "created", "tags")


def runs_command(
    folder: Annotated[Path, typer.Argument(help="Folder with runs, or one run.")] = RUNS,
    sort: Annotated[
        str, typer.Option(help="name, state, step, id_test, size or created.")
    ] = "created",
    match: Annotated[
        str | None,
        typer.Option("--filter", help="Only runs with this in name, state, tags or problem."),
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Delete this run, after asking; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="JSON to standard output.")] = False,
) -> None:
    """List the runs in FOLDER with state, accuracy, size and tags; remove those that are named."""
    from circuits.runs.listing import list_runs, sorted_by, tagged

    problems: list[str] = []
    entries = sorted_by(list_runs(folder, problems), sort)
    if remove:
        _remove(entries, remove, yes)
        return
    if tag is not None:
        entries = tagged(entries, tag)
    if match is not None:
        entries = [entry for entry in entries if _matches(entry, match)]
    if json_:
        rows = [{**asdict(entry), "path": str(entry.path)} for entry in entries]
        say(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for line in (*_table(entries), *problems):
        say(line)
    for entry in entries:
        for problem in filter(None, (entry.problem, entry.notes_problem)):
            say(f"{entry.name}: {problem}")


def _matches(entry: RunEntry, text: str) -> bool:
    return (
        text.casefold()
        in f"{entry.name} {entry.state} {' '.join(entry.tags)} {entry.problem}".casefold()
    )


def _table(entries: list[RunEntry]) -> list[str]:
    """Aligned lines: a head, a line per run, and the total."""
    if not entries:
        return ["No run was found."]
    shown = len(HEADS) if any(entry.tags for entry in entries) else len(HEADS) - 1
    rows = [row[:shown] for row in (HEADS, *(_row(entry) for entry in entries))]
    widths = [max(len(row[i]) for row in rows) for i in range(shown)]
    total = sum(entry.size for entry in entries)
    lines = [
        "  ".join(
            text.ljust(width) if i in (0, 1, 7, 8) else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, f"{len(entries)} run{'s' * (len(entries) != 1)}, {megabytes(total)}"]


def _row(entry: RunEntry) -> tuple[str, ...]:
    accuracies = [
        f"{entry.accuracy[split]:.3f}" if split in entry.accuracy else "-"
        for split in ("train_inferred", "id_test", "ood_test")
    ]
    created = entry.created[:16].replace("T", " ") or "-"
    return (
        entry.name, entry.state, f"{entry.step:,}", *accuracies, megabytes(entry.size), created,
        ", ".join(entry.tags),
    )  # fmt: skip


def megabytes(n: int) -> str:
    """A size on disk.

    >>> megabytes(31_400_000), megabytes(2_500)
    ('31.4 MB', '0.0 MB')
    """
    return f"{n / 1e6:,.1f} MB"


def _remove(entries: list[RunEntry], names: list[str], yes: bool) -> None:
    from circuits.runs.listing import removable, remove_run

    by_name = {entry.name: entry for entry in entries}
    if unknown := [name for name in names if name not in by_name]:
        raise unknown_name("run", unknown[0], by_name)
    for name in names:
        removable(by_name[name].path)  # before anything is asked or removed
    for name in dict.fromkeys(names):
        entry = by_name[name]
        asked = f"Delete {entry.path} ({entry.state}, {megabytes(entry.size)}) for good?"
        if not yes and not typer.confirm(asked):
            say(f"{name} was kept.")
            continue
        say(f"removed {entry.path}, {megabytes(remove_run(entry.path))} freed")
