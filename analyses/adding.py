"""`add_analysis`: an analysis of one's own beside those of the catalog, from a script."""

from __future__ import annotations

from analyses.analysis import Analysis
from analyses.catalog import CATALOG
from circuits.errors import HopscopeError

_ADDED: set[str] = set()


def add_analysis(entry: Analysis) -> Analysis:
    """Put an analysis into the catalog of this process.

    `analyze`, `stored_result`, `figure` and `hopscope` commands run in this process then know it.
    Checkpoints are walked one after another, since worker processes have a catalog of their own;
    the entry of an installed package (`analyses.elsewhere`) is known to them too.

    Args:
        entry: Its `module` has `run`, and `Options` unless `own_options` is given; `__name__` if
            that is the calling script itself. `figures` names functions (result, *, step) -> spec.

    Returns:
        The entry.

    Raises:
        HopscopeError: if the name is another analysis's, or is not a Python name.

    >>> from analyses import Analysis, CATALOG, add_analysis
    >>> entry = add_analysis(Analysis("my_lens", "My lens", "Reads it.", "my_package.my_lens"))
    >>> CATALOG["my_lens"] is entry
    True
    >>> _ = CATALOG.pop("my_lens")
    """
    if not entry.name.isidentifier():
        raise HopscopeError(
            f"an analysis cannot be called {entry.name!r}; give letters, digits and underscores."
        )
    known = CATALOG.get(entry.name)
    if known is not None and known.module != entry.module:
        raise HopscopeError(
            f"there is an analysis called {entry.name} already ({known.module}); choose another "
            "name."
        )
    CATALOG[entry.name] = entry
    _ADDED.add(entry.name)
    return entry


def is_added(name: str) -> bool:
    """Whether only this process knows an analysis."""
    return name in _ADDED
