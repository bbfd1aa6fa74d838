"""The catalog knows the options of its analyses, and takes analyses from outside."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
from hand_wired import hand_wired, save_as_run

from analyses import analyze, catalog
from analyses.catalog import CATALOG, Analysis
from circuits.settings import sentences

OUTSIDE = '''
import xarray as xr

from analyses.catalog import AnalysisOptions


class Options(AnalysisOptions):
    times: int = 2
    """How often each question counts."""


def run(model, examples, options):
    return xr.Dataset({"counted": len(examples) * options.times})
'''


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_the_options_of_an_entry_are_those_of_its_module(entry: Analysis) -> None:
    assert entry.own_options is not None, "without it, `analyze --list` imports PyTorch"
    assert entry.options_type is import_module(entry.module).Options


@pytest.mark.parametrize("entry", CATALOG.values(), ids=CATALOG)
def test_every_option_of_an_analysis_has_a_sentence(entry: Analysis) -> None:
    below = sentences(entry.options_type)
    assert below.keys() == entry.options_type.model_fields.keys()
    assert not [name for name, words in below.items() if not words.endswith(".")]


def test_an_analysis_in_one_file_of_its_own_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting_questions.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    entry = Analysis("counting", "Counting", "Counts.", "counting_questions", splits=("id_test",))
    monkeypatch.setitem(catalog.CATALOG, "counting", entry)
    wired = hand_wired()
    run = save_as_run(tmp_path / "run", wired.corpus, {0: wired.model})
    found = analyze(run, "counting", times=3, examples=10, progress=False, n_jobs=1)
    assert found["counted"].item() == 3 * min(10, len(run.queries("id_test")))
    assert '"times":3' in found.attrs["options"].replace(" ", "")
    sys.modules.pop("counting_questions")
