"""Analyses from outside the package: added by a script, or declared by an installed one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_runs import tiny_recipe

from analyses import Analysis, add_analysis, analyze, stored_result
from analyses.adding import is_added
from analyses.catalog import CATALOG
from analyses.elsewhere import installed
from analyses.figures.registry import figure, figures
from analyses.figures.run_figures import run_figures
from analyses.options.common import AnalysisOptions
from circuits.errors import HopscopeError
from circuits.runs.run import Run
from train.loop import train

MODULE = """
import numpy as np
import xarray as xr
from analyses.options.common import AnalysisOptions as Options
from analyses.figures.specs.charts import Lines, Series

def run(model, examples, options):
    return xr.Dataset({"share": float(len(examples.queries) > 0)})

def shares(result, *, step=None):
    "The shares."
    y = result.share.isel(split=0).values
    curve = Series(label="s", x=np.arange(len(y)), y=y)
    return Lines(name="shares", title="Shares", series=(curve,))
"""


@pytest.fixture
def tiny_run(tmp_path: Path) -> Run:
    """A run of three checkpoints."""
    return train(tiny_recipe(training__steps=20), tmp_path / "run")


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Analysis]:
    """An analysis in a module that only this process can import."""
    (tmp_path / "somebodys.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    figure_names = ("somebodys:shares",)
    yield Analysis(
        "shares", "Shares", "One. Two.", "somebodys", AnalysisOptions, figures=figure_names
    )
    CATALOG.pop("shares", None)
    sys.modules.pop("somebodys", None)


def test_an_added_analysis_is_walked_stored_and_drawn_like_ours(
    outside: Analysis, tiny_run: Run
) -> None:
    add_analysis(outside)
    found = analyze(tiny_run, "shares", splits=["train_inferred"], n_jobs=2, progress=False)
    assert found.share.dims == ("step", "split")
    assert (found.share == 1).all()
    again = stored_result(tiny_run, "shares", ["train_inferred"])
    assert again is not None
    assert again.share.equals(found.share)
    assert figures(found) == {"shares": "The shares."}
    assert figure(found).title == "Shares"


def test_its_figures_are_among_those_of_the_run(outside: Analysis, tiny_run: Run) -> None:
    add_analysis(outside)
    analyze(tiny_run, "shares", progress=False)
    assert "shares" in run_figures(tiny_run)


def test_a_name_that_is_taken_is_refused(outside: Analysis) -> None:
    ours = CATALOG["logit_lens"]
    with pytest.raises(HopscopeError, match=r"called logit_lens already \(analyses.readouts"):
        add_analysis(Analysis("logit_lens", "Mine", "One. Two.", "somebodys"))
    assert CATALOG["logit_lens"] is ours
    assert not is_added("logit_lens")


def test_a_name_that_no_option_could_have_is_refused() -> None:
    with pytest.raises(HopscopeError, match="cannot be called 'my lens'"):
        add_analysis(Analysis("my lens", "Mine", "One. Two.", "somebodys"))


def declare(folder: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed in this folder and declares one entry."""
    about = folder / "somebodys-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[hopscope.analyses]\nshares = {value}\n")
    (folder / "somebodys_entry.py").write_text(
        "from analyses import Analysis\n"
        "ENTRY = Analysis('shares', 'Shares', 'One. Two.', 'somebodys')\nWRONG = 3\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_an_installed_package_declares_its_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(tmp_path, "somebodys_entry:ENTRY", monkeypatch)
    assert installed()["shares"].module == "somebodys"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("somebodys_entry:WRONG", "it is a int, not an Analysis"),
        ("not_there:ENTRY", "ModuleNotFoundError: No module named 'not_there'"),
    ],
)
def test_a_broken_declaration_is_left_out_with_a_warning(
    value: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(tmp_path, value, monkeypatch)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert "shares" not in installed()
    assert f"{value} of somebodys is left out ({why})." in str(told[0].message)
