"""The instrument's JavaScript as one module, since Streamlit's components v2 take only one.

The files in `js` are ES modules, which Node and type checkers read as they are. Joining them means
to put every file after those that it imports and to drop the import lines and the `export` words:
the joined files share one scope, so a name may be defined at the top level of one file only, and
nothing may be renamed while it is imported.
"""

from __future__ import annotations

import re
from pathlib import Path

SCRIPTS = Path(__file__).parent / "js"
ENTRY = "main.js"
"""The only file of a joined module that keeps its export, which Streamlit calls."""
SLICE_ENTRY = "slice_sender.js"
"""The entry of the small module that hands slices to the instrument."""
PANEL_ENTRY = "slice_panel.js"
"""The entry of the module of the panel in which a slice is chosen."""
_IMPORT = re.compile(r'^import \{[\w\s,]+\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=class|const|function)", re.MULTILINE)


def in_order(name: str = ENTRY, folder: Path = SCRIPTS) -> list[str]:
    """A file and all that it imports, each after those that it imports itself."""
    order: list[str] = []
    _add(name, folder, order, ())
    return order


def joined(name: str = ENTRY, folder: Path = SCRIPTS) -> str:
    """All files that an entry needs, as one module."""
    texts = (_read(folder / one) for one in in_order(name, folder))
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)


def as_plain_script() -> str:
    """The same as a script that defines `mountInstrument`, for pages without a server.

    A browser does not load modules from a disk.
    """
    body = joined().replace("export default function mount(", "function mount(")
    return f"const mountInstrument = (() => {{\n{body}\nreturn mount;\n}})();\n"


def _add(name: str, folder: Path, order: list[str], importers: tuple[str, ...]) -> None:
    if name in importers:
        raise ImportError(f"JavaScript files import each other: {' -> '.join((*importers, name))}.")
    if name not in order:
        for imported in _IMPORT.findall(_read(folder / name)):
            _add(imported, folder, order, (*importers, name))
        order.append(name)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
