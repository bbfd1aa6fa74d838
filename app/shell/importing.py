"""Heavy imports, one at a time.

Sessions run in threads. If two of them import libraries with circular imports (such as
TransformerLens), Python shows one of them half a module to avoid a deadlock.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

_LOCK = threading.Lock()
_LOADED: dict[str, ModuleType] = {}

MODELS = "circuits.patching.engine"
"""The module that imports the model's library."""


def is_loaded(name: str) -> bool:
    """Whether `load` would return at once."""
    return name in _LOADED


def load(name: str) -> ModuleType:
    """Import a module; only one thread at a time imports through this function."""
    if name not in _LOADED:
        with _LOCK, _unsearched():
            _LOADED[name] = import_module(name)
    return _LOADED[name]


@contextlib.contextmanager
def _unsearched() -> Iterator[None]:
    """Spare what an import makes from the collector: all of it stays, and to search it takes time.

    A seventh of the imports' processor time without this, and a part of every later collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def load_meanwhile(*names: str) -> threading.Thread:
    """Begin to import modules in a thread; if that fails, whoever loads one is told why."""

    def begin() -> None:
        with contextlib.suppress(Exception):
            for name in names:
                load(name)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    return thread
