"""Figures in LaTeX: documents that include them compile, names are literal, files are whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from analyses import export
from analyses.figures.run_figures import run_figures
from analyses.figures.specs.charts import Bars, BarSeries
from circuits.errors import HopscopeError
from circuits.runs.run import open_run

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="needs LaTeX (Debian: texlive-latex-recommended texlive-pictures)",
)
NAMES = ("a_b & 50% {x}", "$y$ #1 ^ ~", r"\input{x}", "São Tomé → Łódź")


def bars(*names: str) -> Bars:
    share = BarSeries(label="share", values=np.linspace(0.2, 0.8, len(names)))
    return Bars(name="bars", title="Names: " + names[0], categories=names, series=(share,))


def compiled(folder: Path, body: str, packages: str) -> None:
    text = rf"\documentclass{{article}}{packages}\begin{{document}}{body}\end{{document}}"
    (folder / "all.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]


@needs_latex
def test_a_document_with_exported_figures_of_every_kind_compiles(tmp_path: Path) -> None:
    drawn = run_figures(open_run(Path(__file__).parents[3] / "assets" / "demo"))
    names = ["training_accuracy", "circuit", "causal_tracing_strength", "certificate"]
    for name in names:
        export(drawn[name].make(), tmp_path / f"{name}.pdf")
    body = "".join(rf"\includegraphics{{{name}.pdf}}\clearpage " for name in names)
    compiled(tmp_path, body, r"\usepackage{graphicx}")


@needs_latex
def test_a_pgf_has_names_as_they_are_in_the_fonts_of_its_document(tmp_path: Path) -> None:
    export(bars(*NAMES), tmp_path / "bars.pgf")
    compiled(tmp_path, r"\input{bars.pgf}", r"\usepackage{pgf}\usepackage[T1]{fontenc}")
    text = subprocess.run(
        ["pdftotext", "-layout", "all.pdf", "-"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    for word in ("a_b & 50% {x}", "$y$ #1", r"\input{x}", "São Tomé"):
        assert word in text


@needs_latex
def test_a_script_that_latex_lacks_is_refused_and_the_older_file_stays(tmp_path: Path) -> None:
    export(bars("Lyon"), tmp_path / "bars.pgf")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(HopscopeError, match=r"LaTeX cannot set .* export a \.pdf file"):
        export(bars("漢字"), tmp_path / "bars.pgf")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_pgf_without_latex_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(HopscopeError, match="pdflatex is not installed; install it"):
        export(bars("Lyon"), tmp_path / "bars.pgf")
    assert list(tmp_path.iterdir()) == []
