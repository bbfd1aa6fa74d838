"""The wheel by itself: built from the checkout's files, installed where nothing else of ours is.

Its dependencies are taken from this environment by path alone: an editable install of ours there
takes no part.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import pytest
from import_graph import ROOT

pytestmark = pytest.mark.slow_first
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
LIGHT = "import os, sys\nif os.environ.get('LIGHT'): sys.modules['streamlit'] = None\n"
"""As if the extra `dashboard` were not installed, wherever the environment says LIGHT."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and, by path, its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    left_out = ("assets/", "tests/", "docs/")
    for name in (n for n in tracked.stdout.splitlines() if not n.startswith(left_out)):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(copy)], check=True)
    (wheel,) = folder.glob("hopscope-*.whl")
    empty = folder / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(empty)], check=True)
    site = next(empty.glob("lib/python3*/site-packages"))
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    (site / "sitecustomize.py").write_text(LIGHT)
    return empty / "bin" / "python"


def run(python: Path, *arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | more
    command = [str(python), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_wheel_alone_brings_every_public_name_and_trains_the_demo_without_the_dashboard(
    python: Path, tmp_path: Path
) -> None:
    code = (
        "import analyses, circuits, train, pathlib;"
        "print(*(pathlib.Path(m.__file__).parents[1] for m in (circuits, train)));"
        "print((pathlib.Path(circuits.__file__).parent / 'py.typed').exists());"
        "print(*(getattr(face, name) for face in (circuits, analyses) for name in face.__all__));"
        "from app.cli.__main__ import main; main()"
    )
    short = ["--set", "training.steps=3", "--set", "checkpoints.dense_every=3"]
    short += ["--set", "splits.id_test_items=20", "--set", "evaluation.items=20"]
    train = ["train", "demo", *short, "--out", "runs/mine"]
    done = run(python, "-I", "-c", code, *train, cwd=tmp_path, LIGHT="1")
    assert done.returncode == 0, done.stderr
    homes, typed, *_ = done.stdout.splitlines()
    site = next(python.parents[1].glob("lib/python3*/site-packages"))
    assert homes.split() == [str(site)] * 2
    assert typed == "True"
    assert (tmp_path / "runs" / "mine" / "manifest.json").is_file()


def test_the_dashboard_of_the_wheel_is_served(python: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    (tmp_path / "runs").mkdir()
    command = [str(python), "-m", "app.cli", "app", "runs", "--no-browser", "--port", str(port)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as server:
        try:
            assert answer(f"http://localhost:{port}/_stcore/health") == b"ok"
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0


def test_without_the_extra_the_dashboard_says_how_to_get_it(python: Path, tmp_path: Path) -> None:
    done = run(python, "-m", "app.cli", "app", cwd=tmp_path, LIGHT="1")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "hopscope: the dashboard needs Streamlit, which is not installed; "
        "run `pip install 'hopscope[dashboard]'`."
    )


def answer(address: str) -> bytes:
    """What the server says, once it does."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:
                return reply.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
