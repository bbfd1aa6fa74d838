"""The Train page in a real browser: start, watch the circuit form, stop, go on, walk away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_browser import CHROMIUM, WAIT, browser_page, dashboard, exceptions
from tiny_runs import tiny_recipe

from app.background import jobs
from circuits.errors import HopscopeError
from circuits.recipes.toml import recipe_toml
from circuits.runs.run import open_run

pytestmark = [
    pytest.mark.slow_first,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: apt install chromium"),
]
SECONDS = WAIT / 1000


COUNT_LISTENERS = """
window.listening = 0;
for (const [name, one] of [["addEventListener", 1], ["removeEventListener", -1]]) {
    const real = document[name];
    document[name] = function (kind, ...rest) {
        if (kind === "hopscope-slice") window.listening += one;
        return real.call(this, kind, ...rest);
    };
}
"""
"""Each listener of the document keeps the instrument that it belongs to in memory."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """Folder of the run to be trained by the recipe "tiny", which would go on for hours."""
    recipe = tiny_recipe(
        model__n_layers=2,
        training__steps=2_000_000,
        checkpoints__every=200,
        evaluation__every=200,
    )
    (tmp_path / "tiny.toml").write_text(recipe_toml(recipe))
    folder = tmp_path / "forming"
    yield folder
    if jobs.is_running(folder):
        jobs.stop(folder)
    until(lambda: not jobs.is_running(folder) and not jobs.is_measuring(folder))


def until(holds: Callable[[], bool]) -> None:
    """Wait for something outside the browser."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def n_checkpoints(folder: Path) -> int:
    try:
        return len(open_run(folder).steps)
    except HopscopeError:
        return 0  # being prepared


def begin(page: Any, address: str) -> None:
    page.goto(f"{address}/train")
    page.get_by_text("Start training").wait_for()
    page.get_by_role("combobox", name="Recipe").click()
    page.get_by_role("option", name="tiny").click()
    name = page.get_by_label("Name of the run")
    page.wait_for_function(
        """() => {
            const names = [...document.querySelectorAll("input[aria-label='Name of the run']")];
            return names.length === 1 && names[0].value.startsWith("tiny-");
        }"""
    )
    name.fill("forming")
    name.press("Enter")
    page.locator("[data-testid=stStatusWidget]").wait_for(state="hidden")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**run=forming**")


def test_a_circuit_forms_on_the_page_while_it_is_trained_and_after_the_browser_closed(
    run: Path,
) -> None:
    from playwright.sync_api import expect

    with dashboard(run.parent) as (address, _):
        with browser_page() as (page, problems):
            expect.set_options(timeout=WAIT)
            page.add_init_script(COUNT_LISTENERS)
            begin(page, address)
            page.get_by_text("The circuit is measured meanwhile").wait_for()
            instrument = page.locator(".instrument[data-content*=forming]")
            instrument.wait_for()
            expect(page.locator(".maps")).to_contain_text(re.compile(r"\.\d\d"))
            page.locator(".node[data-layer='1'][data-position='1']").click()
            page.locator(".drawer.open li").first.wait_for()
            shown = instrument.get_attribute("data-step") or ""
            expect(instrument).not_to_have_attribute("data-step", shown)
            assert page.locator(".drawer.open li").count()  # what is read does not go away
            assert page.evaluate("listening") == 1  # and of what is gone, nothing is kept

            page.get_by_text("Start training").click()  # the same name once more
            page.get_by_text("being trained already").wait_for()
            started = jobs._process(run, jobs.JOB)

            page.get_by_role("button", name="Stop").click()
            page.get_by_text(re.compile(r"stopped, step")).wait_for()
            assert open_run(run).state == "stopped"
            page.get_by_role("button", name="Go on").click()
            page.get_by_text(re.compile(r"training, step")).wait_for()
            assert jobs._process(run, jobs.JOB) not in (None, started)
            assert problems == []
            assert [e for e in exceptions(page) if "being trained already" not in e] == []
        seen = n_checkpoints(run)
        until(lambda: n_checkpoints(run) > seen)
    assert jobs.is_running(run)  # without the server, too
