"""What a sheet consists of, as TOML.

```toml
title = "Two runs"
columns = 2             # panels side by side
share = "both"          # axes with one label have one scale: "none", "x", "y" or "both"
legend = "joint"        # explain below the sheet what several panels have; or "each"
width = "page"          # as for export

[runs]                  # paths are relative to this file
demo = "../assets/demo"

[[panel]]
run = "demo"            # may be left out if there is one run
figure = "accuracy"     # as listed by `hopscope export RUN --list`

[[panel]]
run = "demo"
figure = "causal_tracing_strength"
step = 600
select = { split = "id_test" }
title = "Halfway"
span = 2                # columns
options = { }           # options that the analysis was run with, if not the default ones
```
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from analyses.figures.specs.sheet import Axes
from circuits.errors import HopscopeError, unknown_name
from circuits.settings import validated


class Described(BaseModel):
    """A table of a description: unknown keys are refused, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PanelDescription(Described):
    """One panel: which figure of which run, at which step."""

    figure: str
    """Full name, or name within its analysis if no other has it, of a figure of the run."""
    run: str | None = None
    """Name in [runs]; None: the only one."""
    step: int | None = None
    """None: the last one."""
    select: dict[str, Any] = {}
    """Further selections that the figure takes: split, target, layer, ..."""
    options: dict[str, Any] = {}
    """Options that its analysis was run with."""
    splits: tuple[str, ...] | None = None
    """Splits that its analysis was run with; None: the default ones."""
    title: str | None = None
    """None: the figure's own."""
    note: str | None = None
    """The lines below the title; None: the figure's own."""
    span: int = Field(default=1, ge=1)
    """Columns that it takes."""


class SheetDescription(Described):
    """A sheet as described in a file."""

    title: str = ""
    note: str = ""
    columns: int = Field(default=2, ge=1, le=6)
    share: Axes = "none"
    legend: Literal["joint", "each"] = "joint"
    width: str | float = "page"
    runs: dict[str, str]
    panel: tuple[PanelDescription, ...] = Field(min_length=1, max_length=60)


def read_description(path: str | Path) -> SheetDescription:
    """The description in a TOML file, with the runs' paths relative to the file's folder.

    Raises:
        HopscopeError: if the file is missing or malformed, a key is unknown, a value is not
            allowed, or a panel names a run that [runs] does not have.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (IsADirectoryError, FileNotFoundError) as error:
        raise HopscopeError(f"{path} is not a file; name a TOML file with a sheet.") from error
    except OSError as error:
        raise HopscopeError(f"sheet {path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HopscopeError(f"sheet {path} is not valid TOML: {error}.") from error
    runs = table.get("runs")
    if isinstance(runs, dict) and all(isinstance(folder, str) for folder in runs.values()):
        table["runs"] = {name: str(path.parent / folder) for name, folder in runs.items()}
    return parse_description(table, str(path))


def parse_description(table: dict[str, Any], where: str) -> SheetDescription:
    """Validate a description; `where` names its origin in errors."""
    _check_panels(table.get("panel"), where)
    found = validated(SheetDescription, table, where, "sheet key")
    for number, panel in enumerate(found.panel, 1):
        here = f"{where}, panel {number}"
        if panel.run is not None and panel.run not in found.runs:
            raise HopscopeError(f"{here}: {unknown_name('run', panel.run, found.runs)}")
        if panel.run is None and len(found.runs) != 1:
            names = ", ".join(found.runs) or "(none)"
            raise HopscopeError(f"{here}: name its run, one of {names}.")
        if panel.span > found.columns:
            raise HopscopeError(
                f"{here}: span = {panel.span} is more than the sheet's {found.columns} columns."
            )
    return found


def _check_panels(panels: Any, where: str) -> None:
    """Errors that say which panel: pydantic's own would name the first thing of the whole."""
    for number, panel in enumerate(panels if isinstance(panels, list) else [], 1):
        if not isinstance(panel, dict):
            continue
        here = f"{where}, panel {number}"
        if wrong := [key for key in panel if key not in PanelDescription.model_fields]:
            unknown = unknown_name("panel key", wrong[0], PanelDescription.model_fields)
            raise HopscopeError(f"{here}: {unknown}")
        if "figure" not in panel:
            raise HopscopeError(f'{here}: name its figure, e.g. figure = "accuracy".')
        validated(PanelDescription, panel, here, "panel key")
