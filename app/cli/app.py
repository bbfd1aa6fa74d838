"""`hopscope app [RUNS_DIR]`: open the dashboard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from app.cli.demo import small_demo
from app.cli.terminal import say
from circuits.errors import HopscopeError


def app_command(
    runs_dir: Annotated[
        Path | None, typer.Argument(help="Folder with runs, or one run; `runs` if not given.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on localhost.", min=1, max=65535)] = 8501,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="First train a small demo, if it is missing: a minute or two."),
    ] = False,
) -> None:
    """Open the dashboard in a browser; it runs until Ctrl-C."""
    if find_spec("streamlit") is None:
        raise HopscopeError(
            "the dashboard needs Streamlit, which is not installed; "
            "run `pip install 'hopscope[dashboard]'`."
        )
    if runs_dir is not None and not runs_dir.is_dir() and not demo:
        raise HopscopeError(
            f"{runs_dir} is not a folder; give one with runs, or none for `runs` and the demo."
        )
    if demo:
        small_demo(runs_dir or Path("runs"))
    main = Path(__file__).resolve().parents[1] / "main.py"
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(main)),
        *("--server.address", "localhost", "--server.port", str(port)),
        *("--server.headless", str(not browser).lower()),
        *("--server.showEmailPrompt", "false"),  # otherwise Streamlit waits for an answer
        *("--server.fileWatcherType", "none"),
        *("--logger.hideWelcomeMessage", "true"),  # else it offers help for writing apps
        *("--browser.gatherUsageStats", "false", "--runner.magicEnabled", "false"),
        *("--runner.postScriptGC", "false"),
        *("--client.toolbarMode", "minimal", "--client.showErrorDetails", "none"),
        *("--theme.light.primaryColor", "#0072B2", "--theme.dark.primaryColor", "#1F7CB8"),
        *("--theme.baseFontSize", "15"),
    ]
    if runs_dir is not None:
        command += ["--", str(runs_dir)]
    say(f"Opening the dashboard at http://localhost:{port}; Ctrl-C ends it.")
    raise typer.Exit(served(command))


def served(command: list[str]) -> int:
    """Run the server until it ends, and end it if this process is asked to end; its exit code.

    The server is in a group of its own: it would answer Ctrl-C in the terminal with "Aborted!".
    """
    with subprocess.Popen(command, env={**os.environ}, process_group=0) as server:
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: server.terminate())
        code = server.wait()
    return 0 if code == -signal.SIGTERM else code
