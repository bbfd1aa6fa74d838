"""Who imports whom, read from the source files alone, also from inside functions."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("circuits", "train", "analyses", "app")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """Dotted name of a file; a package is named by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """The folder that a module lies in, dotted."""
    return ".".join(MODULES[module].relative_to(ROOT).parent.parts)


def imported_modules(path: Path, *, when_typing: bool = False) -> set[str]:
    """Modules that a file names in its imports: ours by their file, others by their first part.

    Imports below `if TYPE_CHECKING:` never run; they count only `when_typing`.
    """
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += [*node.orelse, *(node.body if when_typing else [])]
            continue
        if isinstance(node, ast.Import):
            found |= {_ours_or_first_part(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else _ours_or_first_part(node.module))
        nodes += ast.iter_child_nodes(node)
    return found


def _ours_or_first_part(name: str) -> str:
    return name if name in MODULES else name.split(".")[0]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that reach each other, each sorted (Tarjan's components above size 1)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(graph)
    number = {name: i for i, name in enumerate(names)}
    pairs = [(number[a], number[b]) for a in names for b in graph[a] if b in number and a != b]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    shape = (len(names), len(names))
    _, label = connected_components(
        csr_array(([1] * len(pairs), (rows, columns)), shape=shape), connection="strong"
    )
    groups = [[n for n, g in zip(names, label, strict=True) if g == k] for k in set(label)]
    return sorted(group for group in groups if len(group) > 1)
