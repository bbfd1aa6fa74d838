"""The only way to stored results: every reader goes through here and gets what it asked for.

A result is returned if this version of its analysis made it with the requested options and splits
(by default the default ones), and refused in a sentence otherwise. Library, command line, dashboard
and export all open results here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyses.catalog import CATALOG, Analysis, AnalysisOptions
from analyses.fitting import catalog_entry, fitting_analyses
from analyses.usable import with_usable
from circuits.errors import HopscopeError, unknown_name
from circuits.runs.results import ResultStore
from circuits.runs.run import RESULTS, Run

if TYPE_CHECKING:  # takes a second to import
    import xarray as xr


def stored_result(
    run: Run, name: str, splits: Sequence[str] | None = None, **options: Any
) -> xr.Dataset | None:
    """The stored result of an analysis, without computing anything; None if there is none.

    Args:
        run: An opened run.
        name: An entry of `analyses.catalog.CATALOG`, or a name given to `walk_bridge`.
        splits: Splits it was analyzed with; None: those of the catalog entry.
        options: Options it was analyzed with, as given to `analyze`.

    Returns:
        Dataset (step, split, ...), rising in step.

    Raises:
        HopscopeError: if the result was made by another version of the analysis or with other
            default options, or is damaged.

    >>> from circuits import open_run
    >>> lens = stored_result(open_run("assets/demo"), "logit_lens")
    >>> lens.mrr.dims
    ('step', 'split', 'target', 'layer', 'position')
    >>> stored_result(open_run("assets/demo"), "logit_lens", examples=20) is None
    True
    """
    if name not in CATALOG and splits is None and not options and (own := _users(run, name)):
        return own.load()
    store = _store(run, name, splits, options)
    return with_usable(store.load()) if store is not None and store.steps() else None


USERS = "function"
"""The setting that marks what `walk_bridge` stored."""


def user_store(run: Run, name: str, settings: Mapping[str, Any]) -> ResultStore:
    """Where `walk_bridge` keeps what a user's function found."""
    return ResultStore(run.results_dir, name, settings)


def _users(run: Run, name: str) -> ResultStore | None:
    """The store of a user's function under this name, if there is one; its settings as stored."""
    marker = ResultStore(run.results_dir, name, {}).marker
    try:
        settings = json.loads(marker.read_text(encoding="utf-8"))["settings"]
        return user_store(run, name, settings) if settings[USERS] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stored_steps(run: Run, name: str) -> list[int]:
    """Steps of the default result, without reading it; empty: there is none.

    Raises:
        HopscopeError: as `stored_result` does, except that damage is found only when reading.
    """
    store = _store(run, name)
    return store.steps() if store is not None else []


def all_stored_steps(run: Run, names: Iterable[str]) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Steps of default results by analysis, and a sentence on each that cannot be used.

    Args:
        run: An opened run.
        names: Analyses. Those without a result are in neither.
    """
    found, refused = {}, {}
    for name in names:
        try:
            steps = stored_steps(run, name)
        except HopscopeError as error:
            refused[name] = str(error)
        else:
            if steps:
                found[name] = steps
    return found, refused


Reader = Callable[[str], "xr.Dataset | None"]
"""The default result of an analysis by its name, as from `stored_result`."""


def reader(run: Run) -> Reader:
    """A `stored_result` of this run that reads each default result once, when first asked for it.

    >>> from circuits import open_run
    >>> read = reader(open_run("assets/demo"))
    >>> read("logit_lens") is read("logit_lens")
    True
    """
    return cache(partial(stored_result, run))


def _store(
    run: Run,
    name: str,
    splits: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> ResultStore | None:
    """The store of a result; None where nothing was stored under the default settings."""
    catalog_entry(name, run.corpus.task)
    if splits is None and not options and not _default_store(run.path, name).path.exists():
        return None  # checked first: the run may be too small for the analysis's splits
    return Request.make(run, name, splits, options).store


def stored_results(
    run: Run, names: Iterable[str] | None = None
) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """Default results by analysis, and a sentence on each that exists but cannot be used.

    Args:
        run: An opened run.
        names: Analyses; None: all that fit the run's task. Those without a result are in neither.
    """
    found, refused = {}, {}
    task = run.corpus.task
    fitting = fitting_analyses(task, bridged=run.bridged, text=run.corpus.text)
    for name in fitting if names is None else names:
        try:
            dataset = stored_result(run, name)
        except HopscopeError as error:
            refused[name] = str(error)
        else:
            if dataset is not None:
                found[name] = dataset
    return found, refused


def changed_at(folder: Path, name: str) -> int | None:
    """When the default result in this run folder last changed, in nanoseconds; None: never."""
    try:
        return _default_store(folder, name).marker.stat().st_mtime_ns
    except OSError:
        return None


def other_settings(run: Run, name: str) -> list[str]:
    """Options and splits under which an analysis is stored besides the default ones, as typed."""
    default = Request.make(run, name)
    options = default.options.model_dump(mode="json")
    found = []
    for marker in sorted(run.results_dir.glob(f"{name}-*.json")):
        try:
            settings = json.loads(marker.read_text(encoding="utf-8"))["settings"]
            changed = {k: v for k, v in settings["options"].items() if options.get(k) != v}
            splits = tuple(settings["splits"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # damaged, and so never returned
        words = [f"--set {shlex.quote(f'{key}={json.dumps(v)}')}" for key, v in changed.items()]
        if splits != default.splits:
            words.append(f"--splits {','.join(splits)}")
        found.append(" ".join(words))
    return found


@dataclass(frozen=True)
class Request:
    """One analysis of one run with validated options and splits, and the store of its result."""

    run: Run
    entry: Analysis
    splits: tuple[str, ...]
    options: AnalysisOptions

    @classmethod
    def make(
        cls,
        run: Run,
        name: str,
        splits: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Request:
        """Validate all user input before anything is read or computed."""
        about = {"bridged": run.bridged, "text": run.corpus.text}
        entry = catalog_entry(name, run.corpus.task, **about)
        chosen = _default_splits(run, entry) if splits is None else _checked_splits(run, splits)
        return cls(run, entry, chosen, entry.options(options or {}))

    @property
    def store(self) -> ResultStore:
        """The result on disk; a result with default settings has the plain name."""
        settings = {
            "version": self.entry.version,
            "splits": list(self.splits),
            "options": self.options.model_dump(mode="json"),
        }
        is_default = self.splits == usable_splits(
            self.run, self.entry.splits
        ) and self.options == self.entry.options({})
        return ResultStore(self.run.results_dir, self.entry.name, settings, is_default)

    def load(self, steps: list[int] | None = None) -> xr.Dataset:
        """The stored result, with what follows from its axes (see `analyses.usable`)."""
        return with_usable(self.store.load(steps))

    def check(self, again: bool, named: bool) -> None:
        """Refuse a result of another version; `again` without named steps replaces all of it."""
        if not again:
            self.store.steps()
        elif named and self.store.is_stale():
            raise HopscopeError(
                f"{self.store.path} was made by another version of Hopscope or with other "
                "settings, so single steps of it cannot be replaced; name no steps, to compute "
                "all anew."
            )

    @property
    def attrs(self) -> dict[str, str]:
        """What a result says of itself."""
        return {
            "analysis": self.entry.name,
            "options": self.options.model_dump_json(),
            "provenance": self.provenance,
        }

    @property
    def provenance(self) -> str:
        """Where the numbers come from, as JSON."""
        return json.dumps(
            {
                "run": self.run.path.name,
                "analysis": self.entry.name,
                "version": self.entry.version,
                "options": self.options.model_dump(mode="json"),
                "seed": self.run.seed,
                "commit": self.run.manifest.get("commit"),
                "hopscope": self.run.manifest.get("hopscope"),
                "versions": self.run.manifest.get("versions", {}),
            }
        )


def _default_splits(run: Run, entry: Analysis) -> tuple[str, ...]:
    if chosen := usable_splits(run, entry.splits):
        return chosen
    raise HopscopeError(
        f"{entry.name}: none of the splits {', '.join(entry.splits)} of {run.path} has the "
        "5 questions that an interval needs; name others with --splits."
    )


def _checked_splits(run: Run, splits: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(splits))
    for split in chosen:
        if split not in run.corpus.splits:
            raise unknown_name("split", split, run.corpus.splits)
    if small := sorted(set(chosen) - set(usable_splits(run, chosen))):
        raise HopscopeError(
            f"split {small[0]!r} has {len(run.queries(small[0]))} questions; an interval "
            "needs at least 5. Choose another split."
        )
    return chosen


def usable_splits(run: Run, names: Sequence[str]) -> tuple[str, ...]:
    """The given splits that the run has, with enough questions for an interval."""
    from circuits.statistics import LEAST_EXAMPLES

    splits = run.corpus.splits
    return tuple(s for s in names if s in splits and len(splits[s]) >= LEAST_EXAMPLES)


def _default_store(folder: Path, name: str) -> ResultStore:
    """The store of the default result, without its settings."""
    return ResultStore(folder / RESULTS, name, {})
