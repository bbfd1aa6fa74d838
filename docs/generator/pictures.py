"""The picture of each analysis: its first figure, of the demo's last checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analyses.catalog import Analysis
from analyses.figures.registry import FIGURES, figure
from analyses.figures.specs.charts import Spec
from analyses.stored import stored_result
from circuits.errors import HopscopeError
from circuits.runs.run import open_run

if TYPE_CHECKING:
    import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "figures"
INCHES = 6.75


def picture(entry: Analysis) -> tuple[bytes, str]:
    """The SVG of an analysis's first figure, and a caption.

    Raises:
        HopscopeError: if there is no result, or one of another version of the analysis.
    """
    from analyses.figures.renderers.matplotlib.renderer import to_bytes

    spec, caption = drawn(entry)
    return to_bytes(spec, "svg", INCHES), caption


def blank(entry: Analysis) -> tuple[bytes, str]:
    """A blank SVG in place of the picture, which takes most of the time, and the same caption."""
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', drawn(entry)[1]


def drawn(entry: Analysis) -> tuple[Spec, str]:
    """The spec of the picture, and its caption."""
    result, whence = result_of(entry)
    name = next(iter(FIGURES[entry.name]))
    spec = figure(result, name)
    return spec, f"{spec.title} ({whence}, figure `{name}`)."


def result_of(entry: Analysis) -> tuple[xr.Dataset, str]:
    """A result of this analysis, and the run that it is from, in words."""
    import xarray as xr

    demo = open_run(ROOT / "assets" / "demo")
    if "composition" in entry.tasks and (stored := stored_result(demo, entry.name)) is not None:
        return stored, "the demo run"
    path = RESULTS / f"{entry.name}.nc"
    if not path.is_file():
        raise HopscopeError(
            f"{entry.name} has no result to draw on its page; measure it on the demo, and put "
            f"it into {RESULTS.relative_to(ROOT)} (its README says how)."
        )
    result = xr.load_dataset(path, engine="scipy")
    if f'"version": {entry.version},' not in result.attrs["provenance"]:
        raise HopscopeError(f"{path.name} is of another version of {entry.name}; measure it again.")
    if entry.needs_text:
        return result, "a small series that was asked in sentences"
    return result, "the demo run" if "composition" in entry.tasks else "a small comparison run"
