"""A real S3 server on loopback: moto's, in a process of its own; its clients are s3fs as in use."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BUCKET = "hopscope-tests"
_SERVE = "from moto.server import main; main()"
_LEFT_OUT = ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE")


Machine = Callable[[str], None]
"""Become another machine: one with mirrors of its own."""


def put(client: Any, folder: Path, url: str) -> None:
    """Copy a run folder into the bucket, as `aws s3 sync` does."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    client.pipe(
        {f"{url[5:]}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}
    )


@contextmanager
def s3_server() -> Iterator[Any]:
    """Serve, with the environment that clients need; gives a client without a listing cache."""
    from s3fs import S3FileSystem

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in _LEFT_OUT:
                patch.delenv(name, raising=False)
            patch.setenv("AWS_ACCESS_KEY_ID", "tests")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
            _wait_for(port)
            S3FileSystem.clear_instance_cache()
            client = S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
            client.mkdir(BUCKET)
            yield client
    finally:
        server.kill()
        server.wait()
        S3FileSystem.clear_instance_cache()


def _wait_for(port: int) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the S3 server did not start")
