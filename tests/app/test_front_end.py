"""Streamlit's own files are sent from memory, and nothing else is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from streamlit.web.server.app_discovery import discover_asgi_app

from app.shell.front_end import FrontEnd

ROOT = Path(__file__).parents[2]
SCRIPT = b"export const a = 1;\n" * 10_000  # more than one piece of Streamlit's 64 KB


def asked(front_end: FrontEnd, path: str, **more: Any) -> list[dict[str, Any]]:
    """The messages that answer a request."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        raise AssertionError("nothing is read of a request without a body")

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], **more}
    asyncio.run(front_end(scope, receive, send))
    return sent


@pytest.fixture
def front_end(tmp_path: Path) -> FrontEnd:
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "static" / "js" / "index.h4sh.js").write_bytes(SCRIPT)
    (tmp_path / "secret.js").write_text("not served")

    async def streamlit(scope: Any, receive: Any, send: Any) -> None:
        await send({"passed on": scope["path"]})

    return FrontEnd(streamlit, tmp_path)


def test_a_file_of_the_front_end_is_sent_whole_and_kept_by_the_browser(front_end: FrontEnd) -> None:
    start, body = asked(front_end, "/static/js/index.h4sh.js")
    headers = dict(start["headers"])
    assert (start["status"], body["body"]) == (200, SCRIPT)
    assert headers[b"content-length"] == str(len(SCRIPT)).encode()
    assert b"javascript" in headers[b"content-type"]
    assert b"immutable" in headers[b"cache-control"]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/", {}),
        ("/static/js/../../secret.js", {}),
        ("/static/js/missing.js", {}),
        ("/static/js/index.h4sh.js", {"method": "POST"}),
        ("/static/js/index.h4sh.js", {"headers": [(b"range", b"bytes=0-9")]}),
        ("/static/js/index.h4sh.js", {"type": "websocket"}),
    ],
)
def test_whatever_is_not_a_whole_file_is_left_to_streamlit(
    front_end: FrontEnd, path: str, more: dict[str, Any]
) -> None:
    assert asked(front_end, path, **more) == [{"passed on": path}]


def test_streamlit_finds_the_server_in_the_file_that_the_readme_names() -> None:
    assert discover_asgi_app(ROOT / "app" / "main.py").import_string == "main:app"
