"""When the server starts, a browser window opens and the first page's imports begin."""

from __future__ import annotations

import asyncio
import gc
import runpy
from pathlib import Path
from typing import Any

import pytest
from streamlit import config

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.mark.parametrize(
    ("settings", "opened"),
    [
        ({"server.headless": False}, ["http://localhost:8765"]),
        ({"server.headless": False, "server.baseUrlPath": "x"}, ["http://localhost:8765/x"]),
        ({"server.headless": False, "server.address": "0.0.0.0"}, ["http://localhost:8765"]),
        ({"server.headless": True}, []),
    ],
    ids=["window", "below a path", "every address", "headless"],
)
def test_starting_the_server_opens_a_window_unless_it_is_headless(
    settings: dict[str, Any], opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"server.port": 8765, "browser.serverPort": 8765, "server.address": None, **settings}
    real, found = config.get_option, []
    monkeypatch.setattr(config, "get_option", lambda name: own.get(name, real(name)))
    monkeypatch.setattr(config, "is_manually_set", lambda _: False)
    monkeypatch.setattr("app.shell.browser.open_browser", found.append)
    monkeypatch.setattr("streamlit.starlette.App", lambda _, **given: given)
    given = runpy.run_path(str(MAIN))["app"]

    async def serve() -> None:
        async with given["lifespan"](None):
            pass

    asyncio.run(serve())
    assert found == opened


def test_the_first_page_is_imported_while_the_browser_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from app.shell import starting

    begun: list[str] = []
    monkeypatch.setattr(starting, "load_meanwhile", lambda *names: begun.extend(names))
    monkeypatch.setattr(config, "get_option", lambda name: name == "server.headless")

    async def serve() -> None:
        async with starting.started(None):
            assert begun == ["app.views.formation", "zarr"]

    asyncio.run(serve())


def test_the_collector_rests_while_a_page_is_imported_and_works_again_after(monkeypatch) -> None:
    from app.shell import importing

    seen = {}  # a thread of another test may import at the same time
    monkeypatch.setattr(importing, "_LOADED", {})
    monkeypatch.setattr(
        importing, "import_module", lambda name: seen.update({name: gc.isenabled()})
    )
    importing.load("some.page")
    assert seen["some.page"] is False
    with importing._LOCK:
        assert gc.isenabled()


def test_a_module_that_cannot_be_imported_meanwhile_says_why_when_it_is_needed() -> None:
    from app.shell import importing

    importing.load_meanwhile("app.views.no_such_page").join()
    assert not importing.is_loaded("app.views.no_such_page")
    with pytest.raises(ModuleNotFoundError, match="no_such_page"):
        importing.load("app.views.no_such_page")
