"""How quick the dashboard is, measured in chromium on a finished run.

    python tests/benchmarks/bench_dashboard.py [RUN] [--against CHECKOUT] [--rounds 3] [--large RUN]

RUN is assets/demo if not given. Three copies of it are served. Figures: seconds from opening the
address to the first picture (first session, then a second one), seconds per page change, updates
per second while the timeline is dragged (also with the table of questions open and a slice chosen),
milliseconds from the choice of another slice to its picture and from a click in the patching lab to
the new answers, seconds until ten sessions opened at once have their picture, the server's
processor time for them, and its memory.

With --large, the slice change is measured on a run of 1,000 questions a split and 61 checkpoints,
too, and the processor time of the page's main thread for one; `large_run.py` makes the run.

With --against, another checkout is measured in turn with this one, and the medians stand side by
side; what it does not have is null.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from dashboard_browser import browser_page, dashboard, ready

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "Heads": "heads",
    "One question": "question",
    "Patching lab": "lab",
    "Data": "compact",
    "Compare": "compare",
    "Formation": "formation",
}
IMPORTS = "first_picture_with_imports_s"
SESSIONS = 10
SLICES = 8
SETTLE_MS = 4000
"""Until the values of single questions are there."""
NO_PICTURE_MS = 20_000
"""After which a page has none: the run lacks its analysis."""


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="?", type=Path, default=ROOT / "assets" / "demo")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--large", type=Path)
    asked = parser.parse_args()
    sides = {"this": ROOT} | ({"against": asked.against.resolve()} if asked.against else {})
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(asked.rounds):
        for side, root in sides.items():
            rounds[side].append(measured(root, asked.run, asked.large))
            print(side, json.dumps(rounds[side][-1]), file=sys.stderr, flush=True)
    print(json.dumps({side: medians(found) for side, found in rounds.items()}, indent=1))


def measured(root: Path, run: Path, large: Path | None = None) -> dict[str, Any]:
    """All figures of a checkout, once."""
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two", "three"):
            shutil.copytree(run, Path(folder) / name)
        if large:
            shutil.copytree(large, Path(folder) / "large")
        with browser_page() as (page, problems), started(Path(folder), root) as (url, server, took):
            found[IMPORTS] = opening(page, f"{url}/?run=one")
            found["server_and_first_picture_s"] = round(took + found[IMPORTS], 2)
            found["first_picture_s"] = opening(page, f"{url}/?run=two")
            found["updates_per_s"] = dragging(page)
            opening(page, f"{url}/?run=two&slice=shortcut%3Dno")
            page.locator(".page-formation .node.pickable").nth(4).click()
            page.locator(".drawer.open").wait_for()
            found["updates_with_table_and_slice_per_s"] = dragging(page)
            found["page_change_first_s"] = page_changes(page)
            found["page_change_s"] = page_changes(page)
            found["slice_change_ms"], found["slice_change_page_cpu_ms"] = slicing(page, url, "one")
            if large:
                took = slicing(page, url, "large")
                found["slice_change_large_ms"], found["slice_change_large_page_cpu_ms"] = took
            found["lab_click_ms"] = statistics.median(patching(page, url))
            before = processor_time(server.pid)
            found["ten_sessions_s"] = ten_sessions(page, url)[-1]
            found["ten_sessions_server_cpu_s"] = round(processor_time(server.pid) - before, 2)
            opening(page, f"{url}/?run=three")
            found["server_memory_mb"] = memory(server.pid)
            found["problems"] = len(problems)
    return found


@contextmanager
def started(runs: Path, root: Path) -> Iterator[tuple[str, Any, float]]:
    """A dashboard, its process, and the seconds until it answers."""
    start = time.perf_counter()
    with dashboard(runs, root) as (url, server):
        yield url, server, time.perf_counter() - start


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure, null where one is missing; of pages, page by page."""
    result: dict[str, Any] = {}
    for name, first in rounds[0].items():
        values = [one[name] for one in rounds]
        if isinstance(first, dict):
            result[name] = medians(values)
        else:
            result[name] = None if None in values else round(statistics.median(values), 2)
    return result


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


def page_changes(page: Any) -> dict[str, float | None]:
    """Seconds from the click on a page's name to its drawn instrument; null if it has none."""
    from playwright.sync_api import TimeoutError

    took: dict[str, float | None] = {}
    for title, kind in PAGES.items():
        link = page.get_by_role("link", name=title, exact=True)
        if not link.count():
            continue
        start = time.perf_counter()
        link.click()
        shown = page.locator(f".instrument.page-{kind}[data-ready=true]")
        try:
            shown.wait_for(timeout=NO_PICTURE_MS)
            took[title] = round(time.perf_counter() - start, 2)
        except TimeoutError:
            took[title] = None
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


def slicing(page: Any, url: str, run: str) -> tuple[float | None, float | None]:
    """Milliseconds from the choice of another first relation to the picture of its questions.

    And of them, those for which the main thread of the page computed. The first choice, before
    which nobody has waited for the values of single questions, is not counted.
    """
    opening(page, f"{url}/?run={run}&slice=shortcut%3Dno")
    button = page.get_by_role("button", name="Slice")
    if not button.count():
        return None, None
    button.click()
    box = page.get_by_role("combobox", name="First relation")
    box.wait_for()
    own = box.evaluate("box => box.tagName") == "SELECT"
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})
    took, computed = [], []
    for i in range(1 + SLICES):
        ready(page, "formation")
        page.wait_for_timeout(SETTLE_MS if i < 2 else 500)
        if not own:
            box.click()
            option = page.get_by_role("option").nth(1 + i)
            option.wait_for()
        shown = page.locator(".page-formation").get_attribute("data-slice")
        before, start = _main_thread(clock), time.perf_counter()
        if own:
            box.select_option(index=1 + i)
        else:
            option.click()
        page.locator(f".page-formation:not([data-slice='{shown}'])").wait_for()
        took.append(round(1000 * (time.perf_counter() - start)))
        computed.append(round(_main_thread(clock) - before, 1))
    return statistics.median(took[1:]), statistics.median(computed[1:])


def _main_thread(clock: Any) -> float:
    """Milliseconds for which the page's main thread has computed."""
    metrics = clock.send("Performance.getMetrics")["metrics"]
    return 1000 * float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))


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
