"""`hopscope app`: what it starts, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from circuits.errors import HopscopeError

ROOT = Path(__file__).parents[2]


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    commands: list[list[str]] = []

    def served(command: list[str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr("app.cli.app.served", served)
    assert CliRunner().invoke(cli, ["app", *arguments]).exit_code == 0
    return commands[0]


def test_it_serves_localhost_only_and_hands_the_runs_folder_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = started(monkeypatch, str(tmp_path), "--port", "8765")
    assert command[command.index("--server.address") + 1] == "localhost"
    assert command[command.index("--server.port") + 1] == "8765"
    assert command[-2:] == ["--", str(tmp_path)]


def test_its_options_are_those_of_the_configuration_file(monkeypatch: pytest.MonkeyPatch) -> None:
    command = started(monkeypatch)
    table = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    flat = {
        "server.address": table["server"]["address"],
        "browser.gatherUsageStats": table["browser"]["gatherUsageStats"],
        "client.showErrorDetails": table["client"]["showErrorDetails"],
        "runner.magicEnabled": table["runner"]["magicEnabled"],
        "theme.light.primaryColor": table["theme"]["light"]["primaryColor"],
        "theme.dark.primaryColor": table["theme"]["dark"]["primaryColor"],
    }
    for key, value in flat.items():
        expected = str(value).lower() if isinstance(value, bool) else str(value)
        assert command[command.index(f"--{key}") + 1] == expected


def test_nothing_is_asked_before_the_dashboard_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    command = started(monkeypatch)
    assert command[command.index("--server.showEmailPrompt") + 1] == "false"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["app", str(tmp_path / "nothing")])
    assert isinstance(result.exception, HopscopeError)
    assert "is not a folder" in str(result.exception)


def test_an_impossible_port_is_refused() -> None:
    assert CliRunner().invoke(cli, ["app", "--port", "99999"]).exit_code == 2


SERVER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("ended", flush=True), sys.exit(0)))
print("serving", flush=True)
time.sleep(60)
"""
COMMAND = f"""
import sys
from app.cli.app import served
sys.exit(served([sys.executable, "-c", {SERVER!r}]))
"""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_command_that_is_told_to_end_ends_its_server_quietly(told: signal.Signals) -> None:
    """Ctrl-C in a terminal goes to the whole group of the command: the server is in another."""
    pipe = subprocess.PIPE
    started = [sys.executable, "-c", COMMAND]
    with subprocess.Popen(
        started, stdout=pipe, stderr=pipe, cwd=ROOT, start_new_session=True
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.readline() == b"serving\n"
        os.killpg(command.pid, told)
        assert command.stdout.readline() == b"ended\n"
        assert command.wait(10) == 0
        assert command.stderr.read() == b""
