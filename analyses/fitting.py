"""Which analyses of the catalog fit a run: its task, and whether its models are ours."""

from __future__ import annotations

from analyses.analysis import NEEDS_ONE_TOKEN, NEEDS_TEXT
from analyses.catalog import CATALOG, Analysis
from circuits.errors import HopscopeError, unknown_name
from circuits.recipes.schema import Task


def usual_analyses(task: Task, *, bridged: bool = False, text: bool = False) -> list[str]:
    """The analyses of a task that are run unless some are named.

    Args:
        task: The task of the run.
        bridged: Whether the run's models are not ours (`Run.bridged`): then those that can.
        text: Whether its names are several tokens (`Corpus.text`): then those that can.

    >>> "causal_tracing" in usual_analyses("composition"), usual_analyses("comparison")[0]
    (True, 'back_patching')
    >>> "circuit_discovery" in usual_analyses("composition", bridged=True)
    False
    """
    return [
        n for n in fitting_analyses(task, bridged=bridged, text=text) if not CATALOG[n].on_request
    ]


def catalog_entry(
    name: str, task: Task, *, bridged: bool = False, text: bool | None = None
) -> Analysis:
    """The analysis of this name, if it fits the task, the models and (unless None) the text."""
    if name not in CATALOG:
        raise unknown_name("analysis", name, CATALOG)
    entry, fitting = (
        CATALOG[name],
        ", ".join(fitting_analyses(task, bridged=bridged, text=bool(text))) or "none",
    )
    if task not in entry.tasks:
        raise HopscopeError(
            f"{name} is for the task {' or '.join(entry.tasks)}, but this run's task is {task}; "
            f"analyses for it: {fitting}."
        )
    if bridged and not entry.bridges:
        raise HopscopeError(
            f"{name} needs the parts of Hopscope's own model, and this run's models are bridged; "
            f"analyses for them: {fitting}."
        )
    if text and entry.one_token:
        raise HopscopeError(f"{name} {NEEDS_ONE_TOKEN}; analyses for this run: {fitting}.")
    if entry.needs_text and text is False:
        raise HopscopeError(f"{name} {NEEDS_TEXT}; analyses for this run: {fitting}.")
    return entry


def fitting_analyses(task: Task, *, bridged: bool = False, text: bool = False) -> list[str]:
    """All analyses of a task that the models and questions of a run allow."""
    return [
        name
        for name, entry in CATALOG.items()
        if task in entry.tasks
        and (entry.bridges or not bridged)
        and not (text and entry.one_token)
        and (text or not entry.needs_text)
    ]
