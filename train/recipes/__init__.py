"""The recipes that ship with Hopscope: the TOML files in this folder, and their paths by name."""

from __future__ import annotations

from pathlib import Path

from circuits.errors import unknown_name


def shipped() -> dict[str, Path]:
    """Every recipe's file by its name.

    >>> "demo" in shipped()
    True
    """
    folder = Path(next(iter(__path__)))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def recipe_file(given: str | Path) -> Path:
    """The file that a user means: a path that exists, or the name of a recipe that ships.

    Raises:
        HopscopeError: if it is neither.

    >>> recipe_file("demo").name
    'demo.toml'
    """
    path = Path(given)
    if path.is_file() or path.suffix == ".toml":  # a missing file is reported where it is read
        return path
    if str(given) in shipped():  # also where a folder, of runs say, has that name
        return shipped()[str(given)]
    if path.exists():
        return path
    raise unknown_name("recipe", str(given), [*shipped(), "a path to a .toml file"])
