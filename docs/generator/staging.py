"""Committed pages, copied so that their links work in the site as they do in the repository.

A link to a page of `docs` stays. One to a picture brings the picture along, and one to any other
file of the repository leads to a page that shows that file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROJECT = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages from beside `docs`, and where they stand in the site."""

BESIDE = ("style.css", "iframe-worker.js")
"""Files that every page loads."""

PICTURES = (".png", ".webp", ".svg")
LINK = re.compile(r"(!?\[[^\]]*\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)]*)?\)")
MARKS = re.compile(r"^<!-- (?:executed by|test line).*-->\n", re.MULTILINE)


class Staging:
    """The folder that the site is built from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy_pages(self) -> None:
        """Every committed page of `docs`, and those of the project."""
        for page in sorted(DOCS.glob("*.md")):
            self.write(page.name, page.read_text(encoding="utf-8"), source=page)
        for name, place in PROJECT.items():
            self.write(place, (ROOT / name).read_text(encoding="utf-8"), source=ROOT / name)
        for name in BESIDE:
            (self.folder / name).write_bytes((DOCS / "generator" / name).read_bytes())

    def write(self, place: str, text: str, source: Path | None = None) -> None:
        """Write a page; `source` is the file whose relative links it has."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if source is not None:
            text = LINK.sub(lambda link: self._moved(link, source, place), MARKS.sub("", text))
        path.write_text(text, encoding="utf-8")

    def _moved(self, link: re.Match[str], source: Path, place: str) -> str:
        target = (source.parent / link[2]).resolve()
        if not target.exists():
            raise FileNotFoundError(
                f"{source.relative_to(ROOT)} links to {link[2]}, which is not there"
            )
        there = self._place_of(target)
        anchor = "" if there.startswith("source/") else link[3] or ""
        return f"{link[1]}{os.path.relpath(there, Path(place).parent)}{anchor})"

    def _place_of(self, target: Path) -> str:
        """Where the site has a file of the repository; it is brought there if it is missing."""
        name = target.relative_to(ROOT).as_posix()
        if name in PROJECT:
            return PROJECT[name]
        if target.is_relative_to(DOCS / "examples"):
            return "examples.md"
        if target.parent == DOCS and target.suffix == ".md":
            return target.name
        place = name if target.suffix in PICTURES else f"source/{name}.md"
        if not (self.folder / place).exists():
            (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
            if target.suffix in PICTURES:
                (self.folder / place).write_bytes(target.read_bytes())
            else:
                self.write(place, source_page(target))
        return place


def source_page(target: Path) -> str:
    """A page that shows a file, or all files of a folder."""
    files = sorted(p for p in target.iterdir() if p.is_file()) if target.is_dir() else [target]
    title = f"# {target.relative_to(ROOT).as_posix()}"
    return "\n\n".join([title, *map(_shown, files)]) + "\n"


def _shown(file: Path) -> str:
    language = {".py": "python", ".toml": "toml", ".c": "c", ".h": "c", ".sh": "sh"}
    text = file.read_text(encoding="utf-8")
    heading = f"`{file.name}`\n\n"
    return f"{heading}`````{language.get(file.suffix, 'text')}\n{text.rstrip()}\n`````"
