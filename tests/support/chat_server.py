"""A server on loopback that speaks as much of the OpenAI protocol as a test needs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], tuple[int, Any]]
"""Status and JSON body (or text) for a request's JSON."""


@dataclass
class ChatServer:
    """What it was asked, and how it answers."""

    reply: Reply
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def chat_server(reply: Reply) -> Iterator[ChatServer]:
    """Serve while the block runs."""
    state = ChatServer(reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(body)
            status, content = state.reply(body)
            raw = content if isinstance(content, str) else json.dumps(content)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw.encode())))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(raw.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def completion(text: str) -> dict[str, Any]:
    """The body of a completion with this text."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "test",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


def asked_of(body: dict[str, Any]) -> dict[str, Any]:
    """The user message of a request, which is JSON."""
    found: dict[str, Any] = json.loads(body["messages"][-1]["content"])
    return found
