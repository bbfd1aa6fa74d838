"""The dashboard in Debian's chromium: a server of its own, a page, and what went wrong in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
]
WAIT = 120_000
"""Milliseconds; machines that run tests are busy."""


@contextmanager
def dashboard(runs: Path, root: Path = ROOT) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the dashboard of a checkout on a free port; yields its address and process."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOPSCOPE_RUNS": str(runs), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(root)
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    server = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://localhost:{port}/_stcore/health")
        yield f"http://localhost:{port}", server
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def browser_page(**context: Any) -> Iterator[tuple[Any, list[str]]]:
    """A page at 1280x800 and the list of errors that its console has seen so far."""
    from playwright.sync_api import sync_playwright

    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 800}, **context).new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: _note(message, problems))
        try:
            yield page, problems
        finally:
            browser.close()


def _note(message: Any, problems: list[str]) -> None:
    # Streamlit itself looks for its health endpoint below the page's path first.
    own = "/_stcore/" in message.location.get("url", "")
    if message.type == "error" and not own:
        problems.append(f"{message.text} ({message.location.get('url')})")


def ready(page: Any, kind: str) -> Any:
    """The instrument of a page, once it has been drawn and the server is done."""
    instrument = page.locator(f".instrument.page-{kind}[data-ready=true]")
    instrument.wait_for()
    page.locator("[data-testid=stStatusWidget]").wait_for(state="hidden")
    return instrument


def exceptions(page: Any) -> list[str]:
    """Texts of Streamlit's exception and error boxes."""
    return page.locator(
        "[data-testid=stException], [data-testid=stAlertContentError]"
    ).all_inner_texts()


def _wait_for(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


MISPLACED = """() => {
    const found = [];
    const width = document.documentElement.clientWidth;
    const main = document.querySelector('[data-testid=stMain]');
    if (main.scrollWidth > main.clientWidth + 4) found.push(`the page is ${main.scrollWidth} wide`);
    const every = [...document.querySelectorAll('*')];
    const roots = [document, ...every.flatMap(e => e.shadowRoot ?? [])];
    const shown = e => e.textContent.trim() && e.getBoundingClientRect().width > 0
        && getComputedStyle(e).visibility !== 'hidden' && getComputedStyle(e).opacity > 0.05;
    for (const told of roots.flatMap(root => [...root.querySelectorAll('.sentence')])) {
        const cut = told.scrollHeight > told.clientHeight + 3;
        if (cut && shown(told)) found.push('a sentence is cut');
    }
    for (const svg of roots.flatMap(root => [...root.querySelectorAll('.instrument svg')])) {
        const scrolls = getComputedStyle(svg.parentElement).overflowX === 'auto';
        const texts = [...svg.querySelectorAll('text')].filter(shown);
        const boxes = texts.map(text => text.getBoundingClientRect());
        boxes.forEach((a, i) => {
            if (a.right > width && !scrolls) found.push(`${texts[i].textContent} leaves the page`);
            for (let j = i + 1; j < boxes.length; j++) {
                const b = boxes[j];
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (wide > 2 && high > 5)
                    found.push(`${texts[i].textContent} lies over ${texts[j].textContent}`);
            }
        });
    }
    return found;
}"""


def misplaced(page: Any, width: int) -> list[str]:
    """Texts that lie over others or leave the page when the window is so wide."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": before["height"]})
    page.wait_for_function(SETTLED)
    found: list[str] = page.evaluate(MISPLACED)
    page.set_viewport_size(before)
    return found


SETTLED = """() => new Promise(done => {
    let last = -1;
    const look = () => {
        const now = document.querySelector('[data-testid=stMain]').scrollHeight;
        if (now === last) return done(true);
        last = now;
        setTimeout(look, 120);
    };
    setTimeout(look, 120);
})"""
"""Panels are drawn anew once the window's width has changed."""
