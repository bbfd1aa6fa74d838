"""What a page can do without a mouse, on a tour, in a presentation, and by dragging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from dashboard_browser import CHROMIUM, ROOT, WAIT, browser_page, dashboard, ready

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: apt install chromium"),
]

PAGES = {
    "": "formation", "heads": "heads", "question": "question", "lab": "lab", "compare": "compare",
}  # fmt: skip
"""Address of a page with drawings of its own and the kind of its instrument."""
DARK = {"color_scheme": "dark"}  # where contrast is hardest to come by
STREAMLITS_OWN: dict[str, str] = {}
"""Rules of axe-core that Streamlit's own elements break, each with the reason; none is known."""


@pytest.fixture(scope="module")
def page_at() -> Iterator[tuple[Any, str]]:
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT)
    with dashboard(ROOT / "assets") as (address, _), browser_page(**DARK) as (page, problems):
        yield page, address
        assert problems == []


def go(page_at: tuple[Any, str], path: str, query: str = "run=textbook") -> Any:
    page, address = page_at
    page.goto(f"{address}/{path}?{query}")
    ready(page, PAGES[path])
    return page


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_wrong(page_at: tuple[Any, str], path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect

    page = go(page_at, path)
    page.locator(".instrument svg[role=group][aria-label]").first.wait_for()
    expect(page.locator("[data-stale=true]")).to_have_count(0)  # which are faint
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    wrong = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]
    assert [broken for broken in wrong if broken[0] not in STREAMLITS_OWN] == []


def test_keys_reach_every_state_and_edge_and_say_their_numbers(page_at: tuple[Any, str]) -> None:
    page = go(page_at, "")
    circuit = page.get_by_role("group", name=re.compile("^Circuit"))
    circuit.wait_for()
    parts = circuit.get_by_role("button")
    numbers = re.compile(r"95% interval -?\d\.\d\d to")
    labels = [part.get_attribute("aria-label") or "" for part in parts.all()]
    assert len(labels) == 3 * 3 + 2 * 3 + 2 * 2  # states, upright and slanted edges
    assert [label for label in labels if not numbers.search(label)] == []
    assert circuit.locator("[tabindex='0']").count() == 1  # one stop of the Tab key
    parts.first.focus()
    seen = {page.evaluate(FOCUSED)}
    for key in ["ArrowUp"] * 4 + ["ArrowRight"] * 4 + ["ArrowDown"] * 4:
        page.keyboard.press(key)
        seen.add(page.evaluate(FOCUSED))
    assert len(seen) > 6
    assert page.locator(".tooltip").inner_text() == page.evaluate(FOCUSED)
    assert page.locator(".instrument[data-step='8500']").count()  # the timeline stayed
    page.keyboard.press("Enter")
    page.locator(".drawer.open li").first.wait_for()
    page.keyboard.press("Home")  # other keys still move it
    page.locator(".instrument[data-step='0']").wait_for()


def test_a_head_is_chosen_by_key_and_kept_in_the_address(page_at: tuple[Any, str]) -> None:
    page = go(page_at, "heads", "run=textbook&head=0.0")
    page.get_by_role("heading", name="Head 0.0: attention pattern").wait_for()
    heads = page.locator(".heads-main .panel").first
    heads.locator(".cell[aria-pressed=true][aria-label*='head 0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Head 0.1: attention pattern").wait_for()
    page.wait_for_url("**head=0.1**")
    page.get_by_label("Score of heads").select_option("patched_subject")
    page.get_by_text("effect of patching it").first.wait_for()
    page.wait_for_url("**score=patched_subject**")


def test_the_focus_is_seen(page_at: tuple[Any, str]) -> None:
    page = go(page_at, "")
    page.locator(".maps .cell[tabindex='0']").first.focus()
    page.keyboard.press("ArrowRight")
    outline = "() => getComputedStyle(document.querySelector('.x') ?? FOCUS).outlineStyle"
    assert page.evaluate(outline.replace("FOCUS", ACTIVE)) == "solid"


def test_curves_say_their_values_with_n_and_interval(page_at: tuple[Any, str]) -> None:
    page = go(page_at, "")
    curves = page.get_by_role("group", name=re.compile("^Accuracy per split, step 8,500: "))
    assert re.search(r"ID test \d+% \[\d+% to \d+%\] of \d+", curves.get_attribute("aria-label"))


def test_a_tour_goes_to_its_stops_and_stays_in_the_address(page_at: tuple[Any, str]) -> None:
    from playwright.sync_api import expect

    page = go(page_at, "")
    page.get_by_role("button", name="Guided tour").click()
    page.get_by_label("Stop 5: The circuit alone").click()
    page.wait_for_url("**tour=5**")
    expect(page.locator(".instrument")).to_have_attribute("data-step", "5600")
    expect(page.get_by_role("radio", name="Discovered edges")).to_be_checked()
    go(page_at, "", "run=textbook&tour=2")
    expect(page.locator(".tour p")).to_contain_text("19% (17% to 22%) of 1,000 unseen")
    expect(page.locator(".instrument")).to_have_attribute("data-step", "2800")
    page.locator(".play").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".tour")).to_be_hidden()
    page.wait_for_url(lambda url: "tour=" not in url)


def test_a_presentation_shows_one_panel_that_fills_the_window(page_at: tuple[Any, str]) -> None:
    from playwright.sync_api import expect

    page = go(page_at, "")
    page.get_by_role("button", name="Present").click()
    shown = page.locator(".panel:visible")
    expect(shown).to_have_count(1)
    box, window = shown.bounding_box(), page.viewport_size
    assert box["width"] > 0.9 * window["width"]
    assert box["y"] + box["height"] <= window["height"]
    page.set_viewport_size({"width": 1240, "height": 520})  # as little as many layers get
    expect(shown).to_be_in_viewport(ratio=0.99)
    page.set_viewport_size(window)
    page.keyboard.press("ArrowDown")
    expect(shown.locator("h3")).to_have_text("Accuracy per split")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**step=8400*present=accuracy*")
    page.keyboard.press("Escape")
    expect(shown).not_to_have_count(1)
    page.wait_for_url(lambda url: "present=" not in url)


def test_a_state_is_dragged_to_its_own_place_or_written_by_key(page_at: tuple[Any, str]) -> None:
    from playwright.sync_api import expect

    page = go(page_at, "lab", "run=textbook&cells=none")
    donor, question = page.locator(".heatmap").all()[:2]

    def drag(source: int, target: int) -> None:
        start, end = (m.locator(".cell").nth(i) for m, i in ((donor, source), (question, target)))
        start.hover()
        page.mouse.down()
        at = end.bounding_box()
        page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2, steps=3)
        page.mouse.up()

    drag(4, 3)  # elsewhere
    page.get_by_text("into the same layer and position").wait_for()
    assert "cells=none" in page.url
    drag(4, 4)
    page.wait_for_url("**cells=1%2C1**")
    ready(page, "lab")
    page.get_by_text("Tries of this session (1)").wait_for()  # kept: the next may interrupt it
    page.locator(".heatmap").first.locator(".cell[tabindex='0']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**cells=0%2C0%3B1%2C1**")
    ready(page, "lab")
    page.get_by_text("Tries of this session (2)").wait_for()
    expect(page.locator(".cell:focus")).to_have_count(1)  # the focus stays where it was
    page.get_by_role("button", name="Present").click()
    page.locator(".presented").wait_for()
    window = page.viewport_size
    for width in (1600, 1280, 900):  # in the last two rows of two
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"() => {ROW}.every((at) => at.drawn <= at.right + 1)")
        assert len(page.evaluate(ROW)) == 4  # none runs over the next
    page.set_viewport_size(window)


ROW = """[...document.querySelectorAll('*')].flatMap((e) => e.shadowRoot ?? []).flatMap(
    (root) => [...root.querySelectorAll('.presented .panel')].map((panel) => ({
        right: panel.getBoundingClientRect().right,
        drawn: panel.querySelector('svg').getBoundingClientRect().right,
    })))"""
ACTIVE = """(() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at;
})()"""
FOCUSED = f"() => {ACTIVE}?.getAttribute('aria-label')"
