"""Build the documentation site: `python docs/build_site.py [--out FOLDER]`, warnings are errors.

1. The committed pages are copied, with links to files of the repository mended.
2. A page per analysis is written from the catalog, with a figure of the demo.
3. The API pages name what mkdocstrings is to document.
4. Zensical builds the site; a warning of it, a dead link say, ends the build.
5. The runs that come with the checkout are published beside it, and its first page links them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from generator import analysis_page, examples_page, reference  # noqa: E402
from generator.pictures import blank, picture  # noqa: E402
from generator.staging import Staging  # noqa: E402

from analyses.catalog import CATALOG, Analysis  # noqa: E402
from app.published.publish import publish  # noqa: E402
from circuits.runs.run import open_run  # noqa: E402

RUNS, LIVE = ("assets/textbook", "assets/demo"), "live"
PICTURE = "![The circuit forming over training]"


def main() -> int:
    """Build the site; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="The site.")
    parser.add_argument("--draft", action="store_true", help="Leave the pictures blank.")
    given = parser.parse_args()
    out = given.out.resolve()
    if out.exists() and not (out / "objects.inv").is_file() and any(out.iterdir()):
        parser.error(f"{out} holds other files; choose a new folder.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        staging = Staging(folder / "pages")
        write_pages(staging, blank if given.draft else picture)
        if not given.draft:
            link_published_runs(staging.folder / "index.md")
        write_settings(folder)
        told = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--strict"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if told.returncode:
            print(told.stdout, told.stderr, file=sys.stderr)
            return 1
        shutil.copytree(folder / "site", out, dirs_exist_ok=True)
    if not given.draft:
        publish([open_run(ROOT / run) for run in RUNS], out / LIVE)
    print(f"the site is in {out}: open {out / 'index.html'}")
    return 0


def write_pages(staging: Staging, draw: Callable[[Analysis], tuple[bytes, str]]) -> None:
    """Every page of the site, into the folder that it is built from."""
    staging.folder.mkdir(parents=True)
    staging.copy_pages()
    examples_page.write(staging)
    for name, entry in CATALOG.items():
        svg, caption = draw(entry)
        staging.write(f"analyses/{name}.md", analysis_page.page(entry, f"{name}.svg", caption))
        (staging.folder / "analyses" / f"{name}.svg").write_bytes(svg)
    staging.write("analyses/index.md", analysis_page.overview(CATALOG))
    for face, text in reference.pages().items():
        staging.write(f"reference/{face}.md", text)


def link_published_runs(index: Path) -> None:
    """Let the first page begin with the runs; the link is HTML, as they are there only later."""
    text = index.read_text(encoding="utf-8")
    link = f'<a href="{LIVE}/index.html">Pull the timeline of both runs</a>, here in the browser.'
    index.write_text(text.replace(PICTURE, f"{link}\n\n{PICTURE}", 1), encoding="utf-8")


def write_settings(folder: Path) -> None:
    """The settings, with the analyses in the navigation and the code to be documented."""
    settings = yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8"))
    part = next(part for part in settings["nav"] if "Analyses" in part)
    part["Analyses"] = analysis_page.navigation(CATALOG)
    handlers = next(p for p in settings["plugins"] if "mkdocstrings" in p)["mkdocstrings"]
    python = handlers["handlers"]["python"]
    python["paths"] = [str(ROOT)]
    python["options"]["extensions"] = [str(ROOT / "docs" / "generator" / "doctests.py")]
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
