"""`publish`: runs become a folder that any browser opens and any host serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from app.logic.comparing_runs import compare_runs
from app.logic.run_groups import grouping_in_words
from app.published.content import RunContent, folder_names, named_runs, run_content
from app.published.figures import published_figures
from app.published.folder import check_folder, write_site
from app.published.pages import COMPARE, compare_files, front_page, run_files, shared_files
from circuits.runs.run import Run

QUESTIONS = 5
"""Questions of a run that are put to every checkpoint, unless asked otherwise."""


def publish(
    runs: Sequence[Run],
    out: str | Path,
    *,
    questions: int = QUESTIONS,
    licence: str = "",
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write a static site of runs with all that was measured on them.

    Args:
        runs: Opened runs with results, no two of one name.
        out: The site's folder.
        questions: The most questions of each run with their traces over training.
        licence: Of the data of all runs; "" for what is known of their sources.
        force: Whether `out` may hold files of others, which stay.
        say: Called with a sentence whenever something is done.

    Returns:
        The front page.

    Raises:
        HopscopeError: if a run has no results, two have one name, or the folder cannot be used;
            nothing is written then.
    """
    out = Path(out)
    named = named_runs(runs)
    check_folder(out, force)
    folders = folder_names([COMPARE, *named])  # no run takes the folder of the comparison
    contents = []
    for name, run in named.items():
        contents.append(run_content(run, name, folders[name], questions, licence))
        say(f"{name}: {len(contents[-1].questions)} questions asked of every checkpoint")
    compared = _compared(contents)
    files = shared_files() | compared
    for content in contents:
        figures, left_out = published_figures(content.run)
        files |= run_files(content, figures, bool(compared))
        say(f"{content.name}: {len(figures)} figures drawn")
        for sentence in left_out:
            say(f"{content.name}: {sentence}")
    files["index.html"] = front_page(contents, bool(compared), files)
    write_site(files, out, force)
    return out / "index.html"


def _compared(contents: Sequence[RunContent]) -> dict[str, bytes]:
    """The files of the comparison; none of fewer than two runs that can be compared."""
    able = [c for c in contents if "ID accuracy" in c.curves]
    if len(able) < 2:
        return {}
    runs = {c.name: c.run for c in able}
    curves = {c.name: c.curves for c in able}
    by_step = compare_runs(runs, curves, "step")
    by_accuracy = compare_runs(runs, curves, "accuracy")
    records = {"step": by_step, "accuracy": by_accuracy}
    payloads = {aligned: r.payload() for aligned, r in records.items() if r is not None}
    if by_step is None:
        return {}
    n_settings = sum(row[0] not in ("seed", "last step") for row in by_step.recipes.rows)
    return compare_files(able, payloads, grouping_in_words(by_step.grouped, n_settings))
