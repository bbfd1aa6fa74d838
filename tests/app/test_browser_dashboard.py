"""The dashboard in a real browser: every page, the timeline by key and mouse, patching, export."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_browser import (
    CHROMIUM,
    WAIT,
    browser_page,
    dashboard,
    exceptions,
    misplaced,
    ready,
)
from dashboard_runs import analyzed_run
from tiny_texts import tiny_text_recipe

from train.loop import train

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: apt install chromium"),
]

INSTRUMENTS = {
    "": "formation",
    "circuit": "circuit",
    "question": "question",
    "lab": "lab",
    "slices": "compact",
    "data": "compact",
    "compare": "compare",
}
"""Address of a page and the kind of its instrument."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("browser")
    analyzed_run(runs / "small")
    sizes = {"checkpoints__every": 20, "evaluation__every": 20, "evaluation__items": 5}
    text = tiny_text_recipe({"tokenizer": "names"}, model__n_layers=2, training__steps=20, **sizes)
    train(text, runs / "text", progress=False)
    with dashboard(runs) as (url, _):
        yield url


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[Any, list[str]]]:
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT)
    with browser_page() as (page, problems):
        yield page, problems


@pytest.fixture
def page(opened: tuple[Any, list[str]]) -> Iterator[Any]:
    """The one browser page; a test fails for whatever its console complained of."""
    page, problems = opened
    problems.clear()
    yield page
    assert problems == []
    assert exceptions(page) == []


def go(page: Any, address: str, path: str, query: str = "run=small") -> Any:
    page.goto(f"{address}/{path}?{query}")
    return ready(page, INSTRUMENTS[path])


def at_step(page: Any, step: int) -> None:
    page.locator(f".instrument[data-step='{step}']").wait_for()


@pytest.mark.parametrize("path", [path for path in INSTRUMENTS if path != "circuit"])
def test_a_page_draws_its_instrument_without_complaint(page: Any, address: str, path: str) -> None:
    go(page, address, path)
    at_step(page, 40)
    assert misplaced(page, 900) == []


def test_after_the_last_block_edges_lead_to_the_position_that_is_read(
    page: Any, address: str
) -> None:
    go(page, address, "")
    ends = page.locator(".edge[data-kind=moved] line").evaluate_all(
        "lines => lines.map(e => [e.parentNode.dataset.layer, e.getAttribute('x2')])"
    )
    of_last = max(int(layer) for layer, _ in ends)
    last = {end for layer, end in ends if int(layer) == of_last}
    assert last == {max((end for _, end in ends), key=float)}


def test_the_train_page_offers_the_recipes_and_fits_a_narrow_window(
    page: Any, address: str
) -> None:
    page.goto(f"{address}/train?run=small")
    page.get_by_text("Start training").wait_for()
    ready(page, "formation")
    assert misplaced(page, 900) == []


def test_the_box_of_runs_names_the_run_that_is_shown_on_the_next_page_too(
    page: Any, address: str
) -> None:
    for run in ("small", "text"):  # one of them is not the first of the list
        go(page, address, "", f"run={run}")
        page.get_by_role("link", name="One question").click()
        ready(page, "question")
        box = page.locator("[data-testid=stSelectbox]").first.locator("input").first
        assert box.input_value() == run


def test_keys_move_the_timeline_and_the_address_follows(page: Any, address: str) -> None:
    go(page, address, "")
    page.keyboard.press("Home")
    at_step(page, 0)
    page.keyboard.press("ArrowRight")
    at_step(page, 10)
    page.wait_for_url("**step=10**")
    page.keyboard.press("End")
    at_step(page, 40)


def test_a_click_on_the_track_goes_to_the_nearest_checkpoint(page: Any, address: str) -> None:
    go(page, address, "")
    track = page.locator(".track-svg")
    box = track.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 38)
    at_step(page, 20)


HOLD_THE_REST = """() => {
    const real = window.setTimeout;
    window.setTimeout = (then, ms, ...more) => (ms === 350 ? 0 : real(then, ms, ...more));
    window.letRest = () => { window.setTimeout = real; };
}"""
"""The timer that tells the server where the mouse rests does not run until `letRest()`: a busy
machine may take long between two movements of a mouse that does not rest."""


def test_dragging_moves_through_the_checkpoints_without_the_server(page: Any, address: str) -> None:
    go(page, address, "")
    page.evaluate(HOLD_THE_REST)
    box = page.locator(".track-svg").bounding_box()
    drawn = int(page.locator(".instrument").get_attribute("data-drawn") or 0)
    before = page.url
    page.mouse.move(box["x"] + 14, box["y"] + 38)
    page.mouse.down()
    for share, step in ((0.25, 10), (0.5, 20), (0.75, 30)):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 38, steps=4)
        at_step(page, step)
    assert int(page.locator(".instrument").get_attribute("data-drawn") or 0) >= drawn + 3
    assert page.url == before
    page.evaluate("() => window.letRest()")
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 38)
    page.mouse.up()
    page.wait_for_url("**step=20**")  # now the server has heard of it


def test_playing_ends_at_the_last_checkpoint(page: Any, address: str) -> None:
    go(page, address, "", "run=small&step=0")
    at_step(page, 0)
    page.get_by_label("Play").click()
    at_step(page, 40)
    page.get_by_label("Play").wait_for()  # the button offers to play again


def test_everything_on_the_formation_page_follows_the_step(page: Any, address: str) -> None:
    go(page, address, "")
    seen = "() => [...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(Boolean)" + (
        ".map(r => r.textContent).join('|')"
    )
    last = page.evaluate(seen)
    page.keyboard.press("Home")
    at_step(page, 0)
    assert page.evaluate(seen) != last
    assert page.locator(".sentence").inner_text()


def test_nothing_jumps_while_the_timeline_moves(page: Any, address: str) -> None:
    go(page, address, "")
    places = []
    for key, step in (("Home", 0), ("ArrowRight", 10), ("ArrowRight", 20), ("End", 40)):
        page.keyboard.press(key)
        at_step(page, step)
        boxes = [panel.bounding_box() for panel in page.locator(".panel").all()]
        places.append([(box["x"], box["y"], box["height"]) for box in boxes])
    assert all(place == places[0] for place in places)


def test_a_click_on_a_state_lists_the_questions_behind_it(page: Any, address: str) -> None:
    go(page, address, "")
    page.locator(".node[data-layer='1'][data-position='1']").click()
    page.locator(".drawer.open li").first.wait_for()
    assert "->" in page.locator(".drawer.open li").first.inner_text()
    page.get_by_label("Close examples").click()


@pytest.mark.parametrize(
    ("kind", "words"), [("moved", "stop depending"), ("through", "change when swapped")]
)
def test_a_click_on_an_edge_lists_the_questions_behind_it(
    page: Any, address: str, kind: str, words: str
) -> None:
    go(page, address, "")
    edge = page.locator(f".edge[data-kind={kind}][data-layer='0'][data-position='1']")
    line = edge.locator("line").last.bounding_box()
    page.mouse.click(line["x"] + line["width"] / 2, line["y"] + line["height"] / 2)
    page.locator(".drawer.open li").first.wait_for()
    assert words in page.locator(".drawer.open h3").inner_text()
    page.get_by_label("Close examples").click()


def test_the_discovered_circuit_follows_the_timeline(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    go(page, address, "", "run=demo&step=0")
    page.get_by_role("radio", name="Discovered edges").click()
    drawn = page.locator(".found:visible")
    expect(drawn).to_have_count(0)  # an untrained model has no circuit
    page.keyboard.press("End")
    expect(drawn).not_to_have_count(0)
    edge = page.locator(".found[data-edge='mlp.1[relation_2]>output']")
    edge.dispatch_event("mousemove", {"clientX": 300, "clientY": 300})
    assert "runs along this edge, for the answer" in page.locator(".tooltip").inner_text()
    edge.dispatch_event("click")
    page.get_by_text("Edge over training").wait_for()
    most, least = (
        [float(text.replace("−", "-")) for text in column.locator(".verdict").all_inner_texts()]
        for column in page.locator(".edge-questions > div").all()
    )
    assert most == sorted(most, reverse=True)
    assert least == sorted(least)
    assert most[0] > most[-1] >= least[-1] > least[0]
    assert "300 questions" in page.locator(".drawer.open h3").inner_text()
    page.locator(".drawer.open").get_by_role("radio", name="second relation").click()
    expect(page.locator(".drawer.open [aria-checked=true]")).to_have_text("second relation")
    page.get_by_label("Close examples").click()
    page.get_by_role("radio", name="States").click()
    expect(page.locator(".discovered")).to_be_hidden()


def test_an_edge_that_is_removed_changes_what_the_circuit_does(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    go(page, address, "circuit", "run=demo&step=6000")
    alone = page.locator("[data-number='circuit alone']")
    stops = page.locator(".bench-circuit svg [tabindex='0']")
    expect(stops).to_have_count(1)  # one stop of the Tab key, arrows move inside
    expect(alone).to_have_text("92%")
    edge = page.locator(".link[data-edge='attn.1[relation_2]>mlp.1[relation_2]']")
    assert edge.get_attribute("aria-pressed") == "true"
    edge.focus()
    page.keyboard.press("Enter")
    expect(alone).not_to_have_text("92%")
    expect(page.locator(".instrument")).to_have_attribute("data-judged", "1")
    assert edge.get_attribute("aria-pressed") == "false"
    page.wait_for_url("**toggled=**")
    page.reload()
    ready(page, "circuit")
    assert edge.get_attribute("aria-pressed") == "false"
    edge.press("Enter")
    expect(alone).to_have_text("92%")
    slider = page.locator(".size-slider")
    slider.focus()
    page.keyboard.press("Home")  # its own numbers follow without the server
    expect(page.locator(".bench-circuit .link.kept")).to_have_count(0)
    expect(stops).to_have_count(1)
    expect(stops).not_to_have_css("display", "none")  # it moves once the drawing has settled
    expect(page.locator(".bench-size .legend")).to_contain_text("0.00")
    page.wait_for_url("**size=0**")


def test_an_attention_pattern_is_read_with_the_names_of_its_tokens(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    go(page, address, "question", "run=demo&step=6000")
    page.get_by_role("button", name="block 0, head 1").click()
    large = page.locator(".large-pattern.open")
    names = large.locator(".large-name").all_text_contents()
    assert names == [name for name in ("Abuja", "farthest city", "next city east") for _ in "rc"]
    rows = [float(text) for text in large.locator(".number").all_text_contents()]
    assert len(rows) == 6
    assert rows[0] == 1  # the first token sees itself alone
    assert abs(sum(rows[1:3]) - 1) < 0.011
    assert abs(sum(rows[3:]) - 1) < 0.016
    page.get_by_label("Close the pattern").click()
    expect(large).to_have_count(0)


def test_a_hover_says_in_words_what_a_state_is(page: Any, address: str) -> None:
    go(page, address, "")
    page.locator(".node[data-layer='1'][data-position='1']").hover()
    assert "Readable here" in page.locator(".tooltip").inner_text()


def test_another_split_changes_the_numbers(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    go(page, address, "")
    before = page.locator(".maps").inner_text()
    assert "ID test: " in page.locator(".sentence").inner_text()
    page.get_by_role("radio", name="Trained").click()
    expect(page.locator(".maps")).not_to_have_text(before, use_inner_text=True)
    # what is compared with the shortcut of a split is the accuracy on that split
    expect(page.locator(".sentence")).to_contain_text("Trained: ")


def test_a_sentence_marks_its_roles_and_says_its_tokens(page: Any, address: str) -> None:
    instrument = go(page, address, "question", "run=text")
    words = instrument.locator(".worded-tokens").inner_text()
    assert words.startswith("What is the ")
    assert "The model writes “" in instrument.locator(".sentence").inner_text()
    subject = instrument.locator(".token", has_text="e_").first
    assert subject.evaluate("e => e.style.borderBottomColor") != ""
    subject.hover()
    said = page.locator(".tooltip").inner_text()
    assert f"“{subject.inner_text()}”, token " in said
    assert said.endswith(": subject; states of the role are read and swapped here.")


def test_the_lab_of_a_text_run_shows_both_sentences_and_keeps_its_cells(
    page: Any, address: str
) -> None:
    instrument = go(page, address, "lab", "run=text&cells=1,0;0,3")
    assert instrument.locator(".worded").count() == 2
    assert instrument.locator(".heatmap").nth(1).locator("[aria-pressed=true]").count() == 2
    titles = instrument.locator(".panel.answers h3").all_inner_texts()
    assert titles == ["Before, whole names", "After, whole names"]


def test_choosing_a_cell_patches_it_and_changes_the_answers(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    go(page, address, "lab")
    after = page.locator(".answers").nth(1)
    unpatched = page.locator(".answers").nth(0).inner_text()
    question = page.locator(".page-lab .heatmap").nth(1)  # beside the donor's
    chosen = question.locator(".cell rect[stroke-width='3']:not([stroke='none'])")
    expect(chosen).to_have_count(1)
    for index in (2, 5):  # the last position in both layers: all that is read
        content = page.locator(".instrument").get_attribute("data-content")
        question.locator(".cell").nth(index).click()
        expect(page.locator(".instrument")).not_to_have_attribute("data-content", content)
    expect(chosen).to_have_count(3)
    expect(after).not_to_have_text(unpatched.replace("Before", "After"), use_inner_text=True)
    page.get_by_text("Copy as script").click()
    page.get_by_text("run_patched(model").wait_for()


def test_a_cell_of_the_lab_draws_only_what_depends_on_it_and_a_step_the_whole_page(
    page: Any, address: str
) -> None:
    received: list[bytes] = []

    def follow(socket: Any) -> None:
        socket.on("framereceived", lambda frame: received.append(frame))

    page.once("websocket", follow)
    go(page, address, "lab", "run=small&cells=none")
    page.get_by_text("Tries of this session (0)").click()
    page.get_by_text("each try is listed here").wait_for()

    def sent(act: Callable[[], None], tries: int) -> bytes:
        ready(page, "lab")
        received.clear()
        act()
        page.get_by_text(f"Tries of this session ({tries})").wait_for()
        page.locator("[data-testid=stDataFrame]").wait_for()  # it stays open
        return b"".join(received)

    cell = page.locator(".page-lab .heatmap").nth(1).locator(".cell").first
    assert b"Search question" not in sent(cell.click, 1)
    assert b"Search question" in sent(lambda: page.keyboard.press("Home"), 2)
    page.wait_for_url(lambda url: "step=0" in url and "cells=0%2C0" in url)


def test_the_address_keeps_page_run_step_and_question_over_a_reload(
    page: Any, address: str
) -> None:
    go(page, address, "question", "run=small&step=20&question=e_0%7Cr_0%7Cr_1")
    at_step(page, 20)
    page.reload()
    ready(page, "question")
    at_step(page, 20)
    assert "question=e_0%7Cr_0%7Cr_1" in page.url


def test_the_address_keeps_the_split_and_what_the_circuit_shows(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    def chosen(name: str) -> Any:
        return expect(page.get_by_role("radio", name=name, exact=True))

    go(page, address, "", "run=demo")
    page.get_by_role("radio", name="Discovered edges").click()
    page.get_by_role("radio", name="Trained", exact=True).click()
    page.wait_for_url("**split=train_inferred**")
    page.wait_for_url("**circuit=edges**")
    page.reload()
    ready(page, "formation")
    chosen("Discovered edges").to_be_checked()
    chosen("Trained").to_be_checked()
    expect(page.locator(".found:visible")).not_to_have_count(0)
    page.get_by_role("radio", name="States", exact=True).click()
    page.get_by_role("radio", name="ID test", exact=True).click()
    page.wait_for_url(lambda url: "circuit=" not in url and "split=" not in url)
    go(page, address, "", "run=demo&circuit=%3Cb%3E&split=nonsense")  # of a stranger's making
    chosen("States").to_be_checked()
    chosen("ID test").to_be_checked()


def test_a_click_on_a_neighbour_goes_on_from_there(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    go(page, address, "data", "run=small&entity=e_0")
    page.locator(".page-around[data-entity=e_0]").wait_for()
    neighbour = page.locator(".neighbour:not([data-name=e_0])").first
    name = neighbour.get_attribute("data-name")
    neighbour.locator(".hit").click()
    page.locator(f".page-around[data-entity={name}]").wait_for()
    page.wait_for_url(f"**entity={name}**")
    text = page.locator(".page-around .entity")
    light = text.get_attribute("fill")
    page.emulate_media(color_scheme="dark")  # at dusk, with the page open
    expect(text).not_to_have_attribute("fill", light)
    page.emulate_media(color_scheme="light")
    expect(text).to_have_attribute("fill", light)


def test_a_question_stays_when_the_page_changes(page: Any, address: str) -> None:
    go(page, address, "question", "run=small&question=e_3%7Cr_0%7Cr_1")
    for title, kind in (("Patching lab", "lab"), ("Data", "compact"), ("One question", "question")):
        page.get_by_role("link", name=title).click()
        ready(page, kind)
        assert "question=e_3%7Cr_0%7Cr_1" in page.url


def test_the_history_has_an_entry_for_each_page_and_none_for_a_step(
    page: Any, address: str
) -> None:
    page = page.context.new_page()  # Chromium counts no more than 50 entries of a page
    go(page, address, "", "run=small&step=40")
    before = page.evaluate("history.length")
    for key, step in (("Home", 0), ("ArrowRight", 10)):
        page.keyboard.press(key)
        page.wait_for_url(f"**step={step}*")
    assert page.evaluate("history.length") == before
    page.get_by_role("link", name="Patching lab").click()
    ready(page, "lab")
    page.wait_for_url("**cells=**")
    assert page.evaluate("history.length") == before + 1
    page.close()


def test_all_figures_are_saved_as_one_zip_of_what_export_writes(page: Any, address: str) -> None:
    go(page, address, "data")
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Show the figures").click()
    page.get_by_text("Format", exact=True).wait_for()
    page.get_by_label("Format").click()
    page.get_by_role("option", name="csv").click()
    page.get_by_role("button", name="Make").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    content = Path(download.value.path()).read_bytes()
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    tables = ("around", "relations", "facts", "splits")
    assert {f"data_{name}.{kind}" for name in tables for kind in ("csv", "json")} == set(names)


def test_a_dark_page_is_drawn_dark(page: Any, address: str) -> None:
    dark = page.context.browser.new_context(color_scheme="dark").new_page()
    go(dark, address, "")
    assert "dark" in (dark.locator(".instrument").get_attribute("class") or "")
    dark.context.close()


CHOOSE = """async () => {
    await hopscopeSlices.values.get('formation').unpacked;
    const every = [...document.querySelectorAll('*')];
    const find = (what) => every.flatMap(e => e.shadowRoot ?? [])
        .map(root => root.querySelector(what)).find(Boolean);
    const box = find('.slice-panel select');
    box.selectedIndex = 1;
    box.dispatchEvent(new Event('change'));
    return find('.page-formation').dataset.slice;
}"""
CHOSEN = "globalThis.hopscopeSlices?.values.get('formation')?.unpacked"


def test_a_slice_is_drawn_at_once_with_the_numbers_that_the_server_gives(
    page: Any, address: str
) -> None:
    """Chosen and drawn in one task of the browser, into which no answer of the server can fall."""
    go(page, address, "")
    page.get_by_role("button", name="Slice").click()
    page.get_by_text("Choose questions").click()
    box = page.get_by_role("combobox", name="First relation")
    box.wait_for()
    page.wait_for_function(CHOSEN)
    assert page.evaluate(CHOOSE) == "relation_1=r_0"
    numbers = page.locator(".page-formation .cell").all_inner_texts()
    page.wait_for_url("**slice=relation_1**")
    page.get_by_text("Slice: first relation r_0").first.wait_for()
    assert box.input_value() == "r_0"
    page.goto("about:blank")
    go(page, address, "", "run=small&slice=relation_1%3Dr_0")
    page.locator(".page-formation[data-slice$='relation_1=r_0']").wait_for()
    server = page.evaluate("hopscopeSlices.slices.get('formation')")
    assert server["measures"]["id_test"]["lens"]
    assert page.locator(".page-formation .cell").all_inner_texts() == numbers
    page.get_by_role("button", name="Slice").click()
    page.get_by_role("button", name="All questions").click()
    page.locator(".page-formation[data-slice='']").wait_for()
    page.wait_for_url(lambda url: "slice" not in url.partition("?")[2])


def test_the_panel_names_the_nearest_where_no_question_has_a_name(page: Any, address: str) -> None:
    go(page, address, "slices", "run=small&slice=relation_1%3Dr_11")
    page.get_by_role("button", name="Slice").click()
    box = page.get_by_role("combobox", name="First relation")
    box.wait_for()
    note = page.locator(".slice-panel label + .note").first
    told = "No question has the first relation 'r_11'; did you mean 'r_1'?"
    assert note.inner_text() == told
    assert box.get_attribute("aria-invalid") == "true"
    assert box.get_attribute("aria-describedby") == note.get_attribute("id")
    box.select_option("r_1")
    page.get_by_text("Slice: first relation r_1: ").first.wait_for()
    assert note.inner_text() == ""
    assert box.get_attribute("aria-invalid") is None
    go(page, address, "", "run=small&slice=relation_1%3Dr_11")
    page.locator(".page-formation[data-slice$='relation_1=r_11']").wait_for()
    page.get_by_text("no question", exact=True).nth(3).wait_for()


def test_the_run_table_and_a_slice_work_together(page: Any, address: str) -> None:
    """A tag is written in the table; a slice chosen by a row holds on another page."""
    page.goto(f"{address}/runs")
    table = page.locator("[data-testid=stDataFrame]").first
    table.wait_for()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 52)
    page.get_by_label("Tags, between commas").fill("paper")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Tags, between commas").wait_for()
    go(page, address, "slices", "run=small&by=relation_1")
    errors = page.locator("[data-testid=stDataFrame]").first
    errors.wait_for()
    box = errors.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 52)
    page.wait_for_url("**slice=relation_1**")
    page.get_by_text("Slice: first relation").first.wait_for()
    page.get_by_role("link", name="Formation").click()
    ready(page, "formation")
    assert "slice=relation_1" in page.url
    page.locator(".legend-item", has_text="ID test, slice").wait_for()
    page.get_by_label("Smoothing of curves").select_option("0.8")
    page.locator(".raw").first.wait_for(state="attached")
