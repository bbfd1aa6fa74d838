"""`hopscope export --verify`: do exported figures still show what the run says?"""

from __future__ import annotations

from pathlib import Path

import typer

from app.cli.terminal import say
from circuits.errors import HopscopeError


def verify_exports(run: Path | None, folder: Path) -> None:
    """Print a line for each figure in a folder; exit code 1 if one no longer matches.

    Args:
        run: The run; None: the one that the folder is in, as RUN/figures.
        folder: The folder that figures were exported to.
    """
    from analyses.figures.verify import verify
    from circuits.runs.reading import MANIFEST
    from circuits.runs.run import open_run

    if run is None:
        run = folder.resolve().parent
        if not (run / MANIFEST).is_file():
            raise HopscopeError(
                f"{folder} is not in a run folder; name the run: "
                f"hopscope export RUN --verify {folder}."
            )
    found = verify(open_run(run), folder)
    for one in found:
        say(f"{one.name}: {one.status}" + (f", {one.why}" if one.why else ""))
    wrong = sum(one.status == "differs" for one in found)
    say(f"{wrong} of {len(found)} no longer match" if wrong else f"none of {len(found)} differs")
    if wrong:
        raise typer.Exit(1)
