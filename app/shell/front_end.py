"""Streamlit's own scripts, styles and fonts, sent from memory.

A new session asks for about a hundred of these files. Streamlit reads each in pieces of 64 KB, with
a change of thread before every piece, which took more processor time than all else that a session
does. Their names hold a hash of their content, so a file that was read once is right for good.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from streamlit.file_util import get_static_dir

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HASHED = "static"
"""The folder of Streamlit's front end whose files have hashes in their names."""
A_YEAR = b"public, immutable, max-age=31536000"
"""What Streamlit says of these files itself."""


class FrontEnd:
    """Answer requests for files of the front end; pass all others on.

    Args:
        app: Streamlit's server, an ASGI application.
        folder: The front end; None: the installed one.
    """

    def __init__(self, app: Application, folder: Path | None = None) -> None:
        self._app = app
        root = folder or Path(get_static_dir())
        files = (root / HASHED).rglob("*")
        # only what is there can be asked for: no path from a request reaches the disk
        self._paths = {f"/{p.relative_to(root).as_posix()}": p for p in files if p.is_file()}
        self._answers: dict[str, tuple[Message, Message]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._answer(scope)
        if answer is None:
            await self._app(scope, receive, send)
            return
        for part in answer:
            await send(part)

    def _answer(self, scope: Message) -> tuple[Message, Message] | None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._paths:
            return None
        if any(name == b"range" for name, _ in scope["headers"]):
            return None
        path = scope["path"]
        if path not in self._answers:
            self._answers[path] = _whole(self._paths[path])
        return self._answers[path]


def _whole(path: Path) -> tuple[Message, Message]:
    """The messages that send a file."""
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", A_YEAR),
    ]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": body}
