"""Do exported figures still show what the run says? Each is computed anew and compared.

1. The JSON beside a figure says how it was made: figure, step, selections, options, weights.
2. The figure is made again from the run's stored results; its table and its words must be the same.
3. The weights that the results are about must be those of the run today, and the exported files
   those that were written.

The pictures themselves are not drawn again: another version of a library may draw the same figure
with other bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from analyses.catalog import CATALOG
from analyses.figures.export import table_of
from analyses.figures.run_figures import RunFigure, moving, selected
from analyses.figures.sliced_figures import analysis_figures_on, figures_on
from analyses.figures.specs.base import Spec
from analyses.slices.slice import Slice
from analyses.stored import stored_result
from circuits.errors import HopscopeError
from circuits.files import WRITTEN_BY_EXPORT
from circuits.runs.run import Run

Status = Literal["matches", "differs", "not checked"]
Drawn = Callable[[str], Mapping[str, RunFigure]]
"""The run's figures on a slice, as it is written."""


@dataclass(frozen=True)
class Verified:
    """What became of one exported figure."""

    name: str
    """The stem of its files."""
    status: Status
    why: str = ""
    """What differs, or why it was not checked."""


def verify(run: Run, folder: str | Path) -> list[Verified]:
    """Check every exported figure in a folder against the run.

    Args:
        run: The run that the figures are of.
        folder: The folder that they were exported to.

    Raises:
        HopscopeError: if the folder does not exist or holds no exported figure.

    >>> import tempfile
    >>> from analyses import export
    >>> from circuits import open_run
    >>> run = open_run("assets/demo")
    >>> folder = tempfile.mkdtemp()
    >>> _ = export(figures_on(run, Slice())["circuit"].make(600), f"{folder}/circuit.csv")
    >>> verify(run, folder)
    [Verified(name='circuit', status='matches', why='')]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise HopscopeError(f"{folder} is not a folder; name one that figures were exported to.")
    records = {path: record for path in sorted(folder.glob("*.json")) if (record := _record(path))}
    if not records:
        raise HopscopeError(f"{folder} holds no exported figure; export some first.")
    drawn = cache(lambda written: figures_on(run, Slice.parse(written)))
    return [_verified(run, drawn, path, record) for path, record in records.items()]


def _record(path: Path) -> dict[str, Any]:
    """The record in a file; {} if it is not of an export."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        ours = record.get("written_by") == WRITTEN_BY_EXPORT
        return dict(record) if ours and isinstance(record.get("provenance"), dict) else {}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _verified(run: Run, drawn: Drawn, path: Path, record: dict[str, Any]) -> Verified:
    name = path.stem
    if changed := _changed_files(path.parent, record):
        return Verified(name, "differs", f"{changed} was changed or deleted since it was exported")
    provenance = record["provenance"]
    request = provenance.get("request")
    if record.get("kind") == "Sheet":
        return Verified(name, "matches", "its panels are checked one by one")
    if not isinstance(request, dict):
        return Verified(name, "not checked", "it does not say which figure of which run it is")
    if (other := request.get("run")) != run.path.resolve().name:
        return Verified(name, "not checked", f"it is of the run {other}")
    try:
        spec = _again(run, drawn, request, provenance)
    except HopscopeError as error:
        return Verified(name, "differs", f"it cannot be made any more: {error}")
    reasons = _reasons(provenance, spec.to_json()["provenance"])
    if reasons:
        return Verified(name, "differs", "; ".join(reasons))
    table = record["files"].get(f"{name}.csv")
    if table is not None and table != hashlib.sha256(table_of(spec)).hexdigest():
        return Verified(name, "differs", "the stored result has other numbers")
    if (spec.title, spec.subtitle) != (record.get("title"), record.get("subtitle")):
        return Verified(name, "differs", "its title or notes are other words now")
    return Verified(name, "matches")


def _changed_files(folder: Path, record: Mapping[str, Any]) -> str:
    """The first of a record's files that is not what was written; "" if all are."""
    for name, digest in sorted(record.get("files", {}).items()):
        path = folder / Path(name).name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return path.name
    return ""


def _again(
    run: Run,
    drawn: Drawn,
    request: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> Spec:
    """The figure as it is made today."""
    name, how = str(request.get("figure")), dict(request.get("select", {}))
    step, options = request.get("step"), dict(_options(provenance))
    written = str(request.get("slice", ""))
    found = drawn(written).get(name)
    if found is not None and request.get("steps"):
        return moving(found, how.get("split"), request["steps"])
    spec = None if found is None else _made_again(run, found, step, how)
    analysis = str(provenance.get("analysis"))
    if analysis in CATALOG and options and (spec is None or _options(spec.provenance) != options):
        ds = stored_result(run, analysis, **options)  # made with other options than the default
        if ds is not None:
            others = analysis_figures_on(run, analysis, ds, Slice.parse(written))
            spec = _made_again(run, others[name], step, how)
    if spec is None:
        raise HopscopeError(f"the run has no result for the figure {name!r}.")
    return spec


def _made_again(run: Run, found: RunFigure, step: int | None, how: Mapping[str, Any]) -> Spec:
    """As `export --split` makes it, also of figures without splits; or with any selections."""
    return selected(run, found, step, **how) if set(how) - {"split"} else found.make(step, **how)


def _reasons(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has changed in how the figure is made, in words."""
    reasons = []
    if before.get("weights") != now.get("weights"):
        reasons.append("the run has other weights")
    old, new = _made(before), _made(now)
    for key, what in (("version", "the version of the analysis"), ("seed", "the seed")):
        if old.get(key) != new.get(key):
            reasons.append(f"{what} was {old.get(key)} and is {new.get(key)}")
    options = {**_options(before), **_options(now)}
    for key in sorted(options):
        was, is_ = _options(before).get(key), _options(now).get(key)
        if was != is_:
            reasons.append(f"the option {key} was {was!r} and is {is_!r}")
    return reasons


def _made(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    found = provenance.get("result")
    return found if isinstance(found, Mapping) else {}


def _options(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    found = provenance.get("options")
    return found if isinstance(found, Mapping) else {}
