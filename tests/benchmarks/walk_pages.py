"""Pictures of every page in every state, for eyes: what a release is looked through with.

    python tests/benchmarks/walk_pages.py RUNS OUT [--runs a,b] [--states formation,lab_two]
        [--themes light,dark] [--widths 900,1280,1920] [--url ADDRESS]

RUNS is a folder of runs, OUT gets RUN/STATE-WIDTH-THEME.png, as high as the page is. Lines of
`problems.txt` beside them say which texts lie over others or leave the page, which page had an
error in its console or as a message, and which state a run does not have.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from dashboard_browser import MISPLACED, SETTLED, browser_page, dashboard, exceptions

HEIGHT, HIGHEST = 1000, 4200
WAIT_MS, ACTION_MS = 60_000, 4_000
Action = Callable[[Any], None]


@dataclass(frozen=True)
class State:
    """A page, what its address says besides the run, and what is done there before the picture."""

    path: str
    query: str = ""
    actions: tuple[Action, ...] = ()
    pointing: Action | None = None
    """What is done again at every width, since a window that changes its width forgets it."""
    once: bool = False
    """It shows all runs, so one picture is enough."""


def click(selector: str, nth: int = 0) -> Action:
    """Click the nth part that matches."""
    return lambda page: page.locator(selector).nth(nth).click(timeout=ACTION_MS)


def hover(selector: str, nth: int = 0) -> Action:
    """Point at the nth part that matches."""
    return lambda page: page.locator(selector).nth(nth).hover(timeout=ACTION_MS)


def point(selector: str, nth: int = 0) -> Action:
    """Give the nth part that matches the keyboard's focus, which says what pointing says."""
    return lambda page: page.locator(selector).nth(nth).focus(timeout=ACTION_MS)


def key(name: str) -> Action:
    """Press a key."""
    return lambda page: page.keyboard.press(name)


def press(role: Any, name: str) -> Action:
    """Click what has this role and a name that begins so."""
    return lambda page: page.get_by_role(
        role, name=re.compile(f"^{name}", re.IGNORECASE)
    ).first.click(timeout=ACTION_MS)


def focus(presses: int) -> Action:
    """Go on by the Tab key."""

    def do(page: Any) -> None:
        page.locator(".instrument [tabindex='0']").first.focus()
        for _ in range(presses):
            page.keyboard.press("Tab")

    return do


def search(words: str) -> Action:
    """Type into the first box for names."""

    def do(page: Any) -> None:
        page.get_by_role("textbox").first.fill(words, timeout=ACTION_MS)
        page.keyboard.press("Enter")
        page.wait_for_timeout(1500)  # until every checkpoint has been asked

    return do


EDGE = ".bench-circuit .link.kept"
STATES = {
    "formation": State(""),
    "formation_edges": State("", "circuit=edges"),
    "formation_trained": State("", "split=train_inferred"),
    "formation_hover": State("", pointing=hover(".maps .cell", 6)),
    "formation_curve": State("", pointing=hover(".curves.wide svg, .curves svg")),
    "formation_questions": State("", actions=(click(".node.pickable", 4),)),
    "formation_slicing": State("", "slice=shortcut%3Dno", (press("button", "Slice"),)),
    "formation_certificate": State("", actions=(click("[data-testid=stExpander] summary"),)),
    "formation_tour": State("", "tour=4"),
    "formation_presented": State("", "present=circuit"),
    "formation_export": State("", actions=(press("button", "Export"),)),
    "formation_keys": State("", pointing=focus(3)),
    "circuit": State("circuit"),
    "circuit_removed": State("circuit", actions=(point(EDGE), key("Enter"))),
    "circuit_strongest": State("circuit", "size=9"),
    "circuit_hover": State("circuit", pointing=point(EDGE, 1)),
    "heads": State("heads"),
    "heads_chosen": State("heads", actions=(click(".page-heads .cell, .head", 1),)),
    "heads_presented": State("heads", "present=pattern"),
    "question": State("question"),
    "question_large": State("question", actions=(press("button", "block 0, head 1"),)),
    "question_search": State("question", actions=(search("an"),)),
    "lab": State("lab"),
    "lab_two": State("lab", actions=(click(".page-lab .cell", 3), click(".page-lab .cell", -1))),
    "lab_script": State("lab", actions=(click("[data-testid=stExpander] summary"),)),
    "lab_presented": State("lab", "present=all"),
    "slices": State("slices"),
    "slices_chosen": State("slices", "slice=shortcut%3Dno"),
    "data": State("data"),
    "runs": State("runs", once=True),
    "compare": State("compare", once=True),
    "train": State("train"),
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs_folder", type=Path)
    parser.add_argument("out", type=Path)
    for name, default in (
        ("runs", ""), ("states", ",".join(STATES)), ("themes", "light,dark"),
        ("widths", "900,1280,1920"), ("url", ""),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", default=default)
    asked = parser.parse_args()
    there = sorted(path.parent.name for path in asked.runs_folder.glob("*/manifest.json"))
    runs = asked.runs.split(",") if asked.runs else there
    widths = [int(width) for width in asked.widths.split(",")]
    with _served(asked.url, asked.runs_folder) as url:
        for theme in asked.themes.split(","):
            with browser_page(color_scheme=theme) as (page, complaints):
                page.set_default_timeout(WAIT_MS)
                for i, run in enumerate(runs):
                    for name in asked.states.split(","):
                        if i and STATES[name].once:
                            continue
                        where = asked.out / ("all" if STATES[name].once else run)
                        found = list(taken(page, url, run, name, where, widths, theme))
                        found += complaints + exceptions(page)
                        complaints.clear()
                        told(asked.out, f"{run} {name} {theme}", found)


def taken(
    page: Any, url: str, run: str, name: str, out: Path, widths: list[int], theme: str
) -> Iterator[str]:
    """Take one state at every width; yields what is wrong."""
    state = STATES[name]
    page.set_viewport_size({"width": widths[len(widths) // 2], "height": HEIGHT})
    page.goto(f"{url}/{state.path}?run={run}" + (f"&{state.query}" if state.query else ""))
    if not _drawn(page):
        yield "no instrument"
    try:
        for action in (*state.actions, *([state.pointing] if state.pointing else [])):
            action(page)
            page.wait_for_timeout(700)
    except Exception as error:  # the run has no such part
        yield f"not there: {str(error).splitlines()[0]}"
        return
    out.mkdir(parents=True, exist_ok=True)
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.wait_for_function(SETTLED)
        yield from (f"at {width}: {fault}" for fault in page.evaluate(MISPLACED))
        high = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(max(high, HEIGHT), HIGHEST)})
        page.wait_for_function(SETTLED)
        page.wait_for_timeout(150)
        if state.pointing:
            state.pointing(page)
            page.wait_for_timeout(250)
        page.screenshot(path=out / f"{name}-{width}-{theme}.png")


def _drawn(page: Any) -> bool:
    """Whether the instrument is there, and the server has done its work."""
    try:
        page.locator(".instrument[data-ready=true]").first.wait_for(timeout=15_000)
        page.locator("[data-stale=true]").first.wait_for(state="detached")
    except Exception:
        return False
    return True


def told(out: Path, where: str, found: list[str]) -> None:
    """Keep what is wrong."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "problems.txt").open("a", encoding="utf-8") as file:
        for problem in found:
            print(f"{where}: {problem}", file=file, flush=True)


@contextmanager
def _served(url: str, runs: Path) -> Iterator[str]:
    """The address given, or that of a server of its own."""
    if url:
        yield url
        return
    with dashboard(runs) as (own, _):
        yield own


if __name__ == "__main__":
    main()
