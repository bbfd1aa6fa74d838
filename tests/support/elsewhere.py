"""A joblib backend whose workers run in another folder, as those of a cluster do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
from joblib._parallel_backends import ThreadingBackend


def register_elsewhere(folder: Path, before: Callable[[], None] = lambda: None) -> str:
    """Name of a backend that changes into `folder`, and calls `before`, ahead of each task."""

    class Elsewhere(ThreadingBackend):
        def submit(self, func: Callable[[], Any], callback: Any = None) -> Any:
            def task() -> Any:
                os.chdir(folder)
                before()
                return func()

            return super().submit(task, callback)

    joblib.register_parallel_backend("elsewhere", Elsewhere)
    return "elsewhere"
