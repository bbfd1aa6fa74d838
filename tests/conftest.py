"""Settings of all tests.

One thread per process: the suite runs a process per core, and matrix products of a few rows gain
nothing from a second thread, while threads that wait for each other on a busy core cost tenfold.
Sub-processes that tests start inherit it.

Nothing waits for the disk (see quick_disk), or searches for garbage what imports have made to stay.
What is marked `slow_first` begins before all else, so that no worker is left alone with it.
No example of hypothesis fails because the machine is busy.
"""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from quick_disk import wait_for_no_disk

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
wait_for_no_disk()
gc.set_threshold(50_000)
settings.register_profile("hopscope", deadline=None)
settings.load_profile("hopscope")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what is marked `slow_first` at the front, and change no order otherwise."""
    items.sort(key=lambda item: item.get_closest_marker("slow_first") is None)


def pytest_collection_finish() -> None:
    """What there is now stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A real S3 server on loopback, started when the first test asks for it; see s3_server."""
    pytest.importorskip("s3fs", reason="s3fs is an extra, which is not installed here")
    pytest.importorskip("moto", reason="moto is for tests, and is not installed here")
    from s3_server import s3_server

    with s3_server() as client:
        yield client


@pytest.fixture
def machine(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Become the machine of that name: one with mirrors of its own; now the "first"."""

    def become(name: str) -> None:
        monkeypatch.setenv("HOPSCOPE_CACHE", str(tmp_path / name))

    become("first")
    return become
