"""Figures as files: the picture, its data as CSV and its provenance as JSON beside it.

The same spec gives the same bytes: files contain no time. All files are written under temporary
names first and renamed when whole. Export overwrites only its own files: the JSON lists each with
its SHA-256, and a file that is not listed, or was changed since, is not overwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analyses.figures.specs.animation import Animation
from analyses.figures.specs.charts import Spec
from analyses.figures.specs.sheet import Sheet
from circuits.errors import CannotWrite, HopscopeError
from circuits.files import WRITTEN_BY_EXPORT, write_together


@dataclass(frozen=True)
class Look:
    """How a picture is drawn, apart from what it shows."""

    width: str | float = "column"
    theme: str = "light"
    title: bool = True
    svg_text: bool = False


def _print(file_format: str) -> Callable[[Spec, Look], bytes]:
    def render(spec: Spec, look: Look) -> bytes:
        from analyses.figures.renderers.matplotlib.renderer import to_bytes

        how = {"theme": look.theme, "title": look.title, "svg_text": look.svg_text}
        return to_bytes(spec, file_format, look.width, **how)  # type: ignore[arg-type]

    return render


def _html(spec: Spec, look: Look) -> bytes:
    from analyses.figures.renderers.plotly.renderer import to_html

    return to_html(spec, theme=look.theme, title=look.title).encode()


def table_of(spec: Spec, _look: Look | None = None) -> bytes:
    """The table behind a figure, as the CSV file that is written beside it."""
    return spec.frame().to_csv(index=False, lineterminator="\n").encode()


def _tex(spec: Spec, _look: Look) -> bytes:
    from analyses.figures.renderers.latex import table_to_latex

    return table_to_latex(spec).encode()


def _move(file_format: str) -> Callable[[Spec, Look], bytes]:
    def render(spec: Spec, look: Look) -> bytes:
        from analyses.figures.renderers.matplotlib.animation import to_moving

        if not isinstance(spec, Animation):
            raise HopscopeError(
                f"a .{file_format} file is an animation; export {spec.name} as one by "
                f"`hopscope export RUN {spec.name} --format {file_format}`, or as .pdf."
            )
        return to_moving(spec, file_format, look.width, theme=look.theme, title=look.title)

    return render


FORMATS: dict[str, Callable[[Spec, Look], bytes]] = {
    "pdf": _print("pdf"),
    "svg": _print("svg"),
    "png": _print("png"),
    "html": _html,
    "csv": table_of,
    "tex": _tex,
    "pgf": _print("pgf"),
    "webp": _move("webp"),
    "gif": _move("gif"),
    "mp4": _move("mp4"),
}
MOVING = ("webp", "gif", "mp4")
"""The formats of animations."""
STILL = tuple(name for name in FORMATS if name not in (*MOVING, "tex"))
"""The formats of every figure that does not move."""


def export(
    spec: Spec,
    path: str | Path,
    width: str | float = "column",
    *,
    theme: str = "light",
    title: bool = True,
    svg_text: bool = False,
) -> list[Path]:
    """Write `spec` to `path`, and beside it its data (.csv) and its provenance (.json).

    Of a sheet, each panel has its own data and provenance: sheet_a.csv, sheet_a.json, ...

    Args:
        spec: The figure.
        path: Its suffix decides the format: .pdf, .svg, .png, .pgf, .html or .csv; for tables also
            .tex; for animations .webp, .gif or .mp4.
        width: "column" (3.25 in), "page" (6.75 in), a venue's name (`renderers.style.WIDTHS`) or
            inches; ignored for HTML and CSV.
        theme: "light" or "dark".
        title: Whether the picture has title and subtitle.
        svg_text: Keep text in SVG files as text, which can be edited and searched but looks alike
            only where the fonts are installed; otherwise letters are paths.

    Returns:
        The files written, the picture first.

    >>> import tempfile
    >>> import numpy as np
    >>> from analyses.figures.specs.charts import Bars, BarSeries
    >>> share = BarSeries(label="share", values=np.array([0.2, 0.00042]))
    >>> bars = Bars(name="bars", title="Bars", categories=("Lyon", "Paris"), series=(share,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in export(bars, f"{folder}/bars.pdf", "page")]
    ['bars.pdf', 'bars.csv', 'bars.json']
    """
    path = Path(path)
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise HopscopeError(
            f"cannot export to {path.name!r}: the name must end in "
            f"{', '.join('.' + f for f in FORMATS)}."
        )
    if isinstance(spec, Animation) and file_format not in (*MOVING, "csv"):
        raise HopscopeError(f"an animation is written as {', '.join('.' + f for f in MOVING)}.")
    files = {path: FORMATS[file_format](spec, Look(width, theme, title, svg_text))}
    for table, content in _data(spec, path).items():
        files.setdefault(table, content)
    record_path = path.with_suffix(".json")
    written = _written_before(record_path)
    _refuse_others_files([*files], written)
    known = {name: sha for name, sha in written.items() if (path.parent / name).is_file()}
    known |= {p.name: hashlib.sha256(data).hexdigest() for p, data in files.items()}
    files[record_path] = _record(spec, known)
    _write_all(files)
    return list(files)


def _data(spec: Spec, path: Path) -> dict[Path, bytes]:
    """The numbers shown: one table or, for a sheet, a table and a record for each panel."""
    if not isinstance(spec, Sheet):
        return {path.with_suffix(".csv"): table_of(spec)}
    files = {}
    for letter, panel in zip(spec.letters, spec.panels, strict=True):
        table = path.with_name(f"{path.stem}_{letter}.csv")
        files[table] = table_of(panel)
        known = {table.name: hashlib.sha256(files[table]).hexdigest()}
        files[table.with_suffix(".json")] = _record(panel, known)
    return files


def _record(spec: Spec, files: dict[str, str]) -> bytes:
    record = {
        "written_by": WRITTEN_BY_EXPORT,
        "figure": spec.name,
        "kind": type(spec).__name__,
        "title": spec.title,
        "subtitle": spec.subtitle,
        "provenance": spec.to_json()["provenance"],
        "files": dict(sorted(files.items())),
    }
    return (json.dumps(record, ensure_ascii=False, indent=2) + "\n").encode()


def _written_before(record_path: Path) -> dict[str, str]:
    """File names and hashes of an earlier export; refuses a JSON file that is not ours."""
    if not record_path.exists():
        return {}
    what = "was not written by export"
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
        if record.get("written_by") == WRITTEN_BY_EXPORT:
            return {str(name): str(sha) for name, sha in record["files"].items()}
        if isinstance(record.get("format"), str):  # a saved circuit, say
            what += f' (it is a "{record["format"]}")'
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass  # not a record written by export: refused below
    raise HopscopeError(f"{record_path} exists and {what}; move it away or choose another name.")


def _refuse_others_files(paths: list[Path], written: dict[str, str]) -> None:
    for path in paths:
        if not path.exists():
            continue
        ours = written.get(path.name)
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != ours:
            how = "was changed since it was exported" if ours else "was not written by export"
            raise HopscopeError(f"{path} exists and {how}; move it away or choose another name.")


def _write_all(files: dict[Path, bytes]) -> None:
    """Write all files or none; a missing folder is made."""
    folder = next(iter(files)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(folder, error) from error
    write_together(files)
