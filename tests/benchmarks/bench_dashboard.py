"""How quick the dashboard is, measured in chromium on a finished run.

    python tests/benchmarks/bench_dashboard.py [RUN]      (default: assets/demo)

Three copies of the run are served. Figures: seconds from opening the address to the first picture
(first session, then a second one), seconds per page change, updates per second while the timeline
is dragged, milliseconds from a click in the patching lab to the new answers, seconds until ten
sessions opened at once have their picture, and the server's memory.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from dashboard_browser import browser_page, dashboard, ready

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "One question": "question",
    "Patching lab": "lab",
    "Data": "compact",
    "Compare": "compare",
    "Formation": "formation",
}
SESSIONS = 10


def main() -> None:
    """Measure and print JSON."""
    run = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "assets" / "demo"
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two", "three"):
            shutil.copytree(run, Path(folder) / name)
        with dashboard(Path(folder)) as (url, server), browser_page() as (page, problems):
            found["first_picture_with_imports_s"] = opening(page, f"{url}/?run=one")
            found["first_picture_s"] = opening(page, f"{url}/?run=two")
            found["updates_per_s"] = dragging(page)
            found["page_change_first_s"] = page_changes(page)
            found["page_change_s"] = page_changes(page)
            found["lab_click_ms"] = patching(page, url)
            before = processor_time(server.pid)
            found["ten_sessions_s"] = ten_sessions(page, url)
            found["ten_sessions_server_cpu_s"] = round(processor_time(server.pid) - before, 2)
            opening(page, f"{url}/?run=three")
            found["server_memory_mb"] = memory(server.pid)
            found["problems"] = problems
    print(json.dumps(found, indent=1))


def opening(page: Any, address: str) -> float:
    """Seconds from going to an address to the drawn instrument."""
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(".instrument[data-ready=true]").wait_for()
    return round(time.perf_counter() - start, 2)


def dragging(page: Any, seconds: float = 4.0) -> float:
    """Redraws per second while the mouse drags the handle to and fro."""
    instrument = ready(page, "formation")
    box = page.locator(".track-svg").bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 38)
    page.mouse.down()
    before = int(instrument.get_attribute("data-drawn") or 0)
    start, i = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        share = abs((i / 100) % 2 - 1)
        page.mouse.move(box["x"] + 12 + share * (box["width"] - 24), box["y"] + 38)
        i += 1
    took = time.perf_counter() - start
    page.mouse.up()
    return round((int(instrument.get_attribute("data-drawn") or 0) - before) / took, 1)


def page_changes(page: Any) -> dict[str, float]:
    """Seconds from the click on a page's name to its drawn instrument."""
    took = {}
    for title, kind in PAGES.items():
        start = time.perf_counter()
        page.get_by_role("link", name=title).click()
        page.locator(f".instrument.page-{kind}[data-ready=true]").wait_for()
        took[title] = round(time.perf_counter() - start, 2)
    return took


def patching(page: Any, url: str, clicks: int = 6) -> list[int]:
    """Milliseconds from a click on a cell to the answers after it."""
    opening(page, f"{url}/lab?run=one")
    took = []
    for i in range(clicks):
        before = ready(page, "lab").get_attribute("data-content")
        start = time.perf_counter()
        page.locator(".page-lab .cell").nth(i).click()
        page.locator(f".page-lab:not([data-content='{before}'])").wait_for()
        took.append(round(1000 * (time.perf_counter() - start)))
    return sorted(took)


def ten_sessions(page: Any, url: str) -> list[float]:
    """Seconds until each of ten sessions, opened at once, has its picture."""
    contexts = [page.context.browser.new_context() for _ in range(SESSIONS)]
    pages = [context.new_page() for context in contexts]
    start = time.perf_counter()
    for other in pages:
        other.goto(f"{url}/?run=one", wait_until="commit")
    took = []
    for other in pages:
        other.locator(".instrument[data-ready=true]").wait_for(timeout=300_000)
        took.append(round(time.perf_counter() - start, 2))
    for context in contexts:
        context.close()
    return took


def processor_time(process: int) -> float:
    """Seconds of processor time that a process has used; the rest of the load is chromium's."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """Resident memory of a process, MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS"))
    return round(int(kilobytes) / 1024, 1)


if __name__ == "__main__":
    main()
