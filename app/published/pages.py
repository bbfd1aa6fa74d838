"""The files of a site, by path: HTML from templates, data in scripts, the instrument, figures."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.instrument.scripts import as_plain_script
from app.published.content import RunContent
from app.published.figures import PublishedFigure
from app.published.provenance import recipe_text
from circuits import __version__

HERE = Path(__file__).parent
INSTRUMENT = HERE.parent / "instrument"
COMPARE = "compare"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("app.published"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page(template: str, **values: object) -> bytes:
    return _environment().get_template(template).render(version=__version__, **values).encode()


def data_script(name: str, payload: bytes) -> bytes:
    """A script that hands a payload to the page: compressed, because it is read as it lies there.

    >>> data_script("formation", b"{}").decode()[:29]
    'hopscope.data("formation","H4'
    """
    packed = base64.b64encode(gzip.compress(payload, 9, mtime=0)).decode()
    return f"hopscope.data({json.dumps(name)},{json.dumps(packed)});\n".encode()


def shared_files() -> dict[str, bytes]:
    """What all pages of a site use."""
    style = (INSTRUMENT / "style.css").read_bytes() + (HERE / "site.css").read_bytes()
    script = as_plain_script() + (HERE / "site.js").read_text(encoding="utf-8")
    icon = (INSTRUMENT / "icon.svg").read_bytes()
    return {"site.css": style, "site.js": script.encode(), "icon.svg": icon}


def front_page(runs: Sequence[RunContent], compared: bool, files: Mapping[str, bytes]) -> bytes:
    """The list of runs, with the picture of each one's circuit if it is among the site's files."""
    pictures = {run.name: f"{run.folder}/figures/circuit.svg" for run in runs}
    covers = {name: path for name, path in pictures.items() if path in files}
    return _page("front.html", runs=runs, compared=compared, covers=covers)


def compare_files(
    runs: Sequence[RunContent], payloads: Mapping[str, bytes], about: str
) -> dict[str, bytes]:
    """The page on which runs are overlaid.

    Args:
        runs: All runs of the site.
        payloads: By what aligns them, "step" or "accuracy".
        about: Which runs are seeds of one another.
    """
    files = {
        f"{COMPARE}/{aligned}.js": data_script(aligned, data) for aligned, data in payloads.items()
    }
    page = _page("compare.html", runs=runs, aligned=list(payloads), about=about)
    return {**files, f"{COMPARE}/index.html": page}


def run_files(
    content: RunContent, figures: Sequence[PublishedFigure], compared: bool
) -> dict[str, bytes]:
    """A run's page, its data and its figures."""
    files = {"formation.js": data_script("formation", content.formation)}
    for i, question in enumerate(content.questions):
        files[f"question-{i + 1}.js"] = data_script(f"question-{i + 1}", question.payload)
    for figure in figures:
        for suffix, data in figure.files.items():
            files[f"figures/{figure.name}.{suffix}"] = data
    recipe = recipe_text(content.run)
    files["index.html"] = _page(
        "run.html", run=content, figures=figures, compared=compared, recipe=recipe
    )
    return {f"{content.folder}/{name}": data for name, data in files.items()}
