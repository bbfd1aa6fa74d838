"""Heavy imports, one at a time.

Sessions run in threads. Where two of them import libraries whose modules import each other in a
circle (TransformerLens does), Python lets one see half a module rather than wait for ever.
"""

from __future__ import annotations

import threading
from importlib import import_module
from types import ModuleType

_LOCK = threading.Lock()
_LOADED: dict[str, ModuleType] = {}

MODELS = "circuits.patching"
"""What brings in the model's library."""


def is_loaded(name: str) -> bool:
    """Whether `load` would return at once."""
    return name in _LOADED


def load(name: str) -> ModuleType:
    """Import a module while no other thread imports one through here."""
    if name not in _LOADED:
        with _LOCK:
            _LOADED[name] = import_module(name)
    return _LOADED[name]
