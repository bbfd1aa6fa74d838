"""Every figure of a run as SVG (to look at), PDF and CSV, on two cores where there are two."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed

from analyses.figures.export import table_of
from analyses.figures.left_out import LeftOut, each_made
from analyses.figures.run_figures import run_figures
from circuits.runs.run import Run, open_run

WIDTH = "page"
WORTH_A_PROCESS = 12
"""So many figures take longer to draw than a second process to start."""
_NUMBERS = re.compile(rb'(?<==")[^"]*(?=")')
_DECIMALS = re.compile(rb"(\d\.\d\d)\d+")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_BETWEEN = re.compile(rb">\s+<")


@dataclass(frozen=True)
class PublishedFigure:
    """A figure and its files by suffix."""

    name: str
    title: str
    about: str
    files: dict[str, bytes]


def published_figures(run: Run) -> tuple[list[PublishedFigure], list[str]]:
    """All figures of a run, as they are at its last step, and a sentence on those left out."""
    names = list(run_figures(run))
    n = min(2, os.cpu_count() or 1) if len(names) >= WORTH_A_PROCESS else 1
    shares = [names[i::n] for i in range(n)]
    done = Parallel(n_jobs=n)(delayed(_drawn)(run.path, share) for share in shares)
    by_name = {figure.name: figure for share, _ in done for figure in share}
    left_out = LeftOut()
    for _, others in done:
        left_out.take(others)
    return [by_name[name] for name in names if name in by_name], left_out.sentences


def _drawn(path: Path, names: Sequence[str]) -> tuple[list[PublishedFigure], LeftOut]:
    left_out = LeftOut()
    return list(_draw(open_run(path), names, left_out)), left_out


def _draw(run: Run, names: Sequence[str], left_out: LeftOut) -> Iterator[PublishedFigure]:
    from analyses.figures.renderers.matplotlib.renderer import to_files

    available = run_figures(run)
    wanted = [available[name] for name in names]
    for name, spec in each_made(wanted, lambda found: found.make(), left_out):
        files = to_files(spec, ("svg", "pdf"), WIDTH, svg_text=True)
        files["svg"] = compact(files["svg"])
        yield PublishedFigure(
            name, spec.title, available[name].about, {**files, "csv": table_of(spec)}
        )


def compact(svg: bytes) -> bytes:
    """An SVG without comments and blanks between elements, and with hundredths of a point.

    >>> compact(b'<g>\\n <!-- a --><path d="M 1.23456 2"/>\\n <text>0.12345</text></g>')
    b'<g><path d="M 1.23 2"/><text>0.12345</text></g>'
    """
    short = _BETWEEN.sub(b"><", _COMMENT.sub(b"", svg))
    return _NUMBERS.sub(lambda found: _DECIMALS.sub(rb"\1", found[0]), short)
