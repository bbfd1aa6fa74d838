"""Published sites, opened from the disk in a browser; docs/publish.md runs from top to bottom."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_browser import CHROMIUM, WAIT, browser_page
from hand_wired import random_model, save_as_run
from typer.testing import CliRunner

from analyses import analyze
from app.cli.main import cli
from app.published import figures, publish
from circuits.corpus.build import build_corpus
from circuits.recipes.schema import parse_recipe
from circuits.runs.run import Run

pytestmark = pytest.mark.slow_first

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "publish.md").read_text(encoding="utf-8")
MARK = "<!-- executed by tests/app/test_published_site.py -->"
BLOCKS = re.findall(MARK + r"\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "'\"&",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


def two_figures(run: Run) -> tuple[list[figures.PublishedFigure], list[str]]:
    """As all figures are drawn, which takes half a minute."""
    drawn, left_out = figures._drawn(run.path, ["training_accuracy", "circuit"])
    return drawn, left_out.sentences


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every block of the page was executed."""
    at = tmp_path_factory.mktemp("published")
    (at / "assets").symlink_to(ROOT / "assets")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(at)
        patched.setattr(publish, "published_figures", two_figures)
        for language, text in BLOCKS:
            if language == "python":
                exec(compile(text, "docs/publish.md", "exec"), {})
                continue
            short = [] if "--questions" in text else ["--questions", "2"]
            done = CliRunner().invoke(cli, [*shlex.split(text)[1:], *short])
            assert done.exit_code == 0, (text, done.output, done.exception)
    return at


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[Any, list[str]]]:
    with browser_page() as (page, problems):
        yield page, problems


@pytest.fixture
def page(opened: tuple[Any, list[str]]) -> Iterator[Any]:
    """A page whose console had nothing to complain of."""
    page, problems = opened
    problems.clear()
    yield page
    assert problems == []


def go(page: Any, path: Path, address: str = "") -> Any:
    page.goto("about:blank")  # another fragment alone would not load the page again
    page.goto(f"{path.as_uri()}{address}")
    return page.locator(".instrument[data-ready=true]")


def test_every_block_of_the_page_is_executed() -> None:
    assert len(BLOCKS) == PAGE.count("```") // 2 == PAGE.count(MARK)


def test_the_timeline_of_a_published_run_is_driven_from_the_disk(page: Any, folder: Path) -> None:
    instrument = go(page, folder / "site" / "demo" / "index.html", "#step=600")
    assert instrument.get_attribute("data-step") == "600"
    page.keyboard.press("End")
    page.wait_for_function("location.hash.includes('step=6000')", timeout=WAIT)
    assert "98%" in instrument.locator(".sentence").inner_text()
    page.locator("[data-split=ood_test]").click()
    assert "OOD test" in instrument.locator(".sentence").inner_text()
    page.get_by_text("Discovered edges").click()
    assert instrument.locator(".circuit path").count() > 3


def test_a_published_question_shows_its_swaps_and_keeps_the_step(page: Any, folder: Path) -> None:
    instrument = go(page, folder / "site" / "demo" / "index.html", "#view=questions&step=6000")
    assert "New York City" in instrument.locator(".sentence").inner_text()
    page.locator("select.chosen").select_option("2")
    page.wait_for_function("document.querySelector('.instrument').dataset.content == 'question-2'")
    assert page.locator(".instrument").get_attribute("data-step") == "6000"
    page.get_by_role("link", name="About").click()
    assert "CC BY 4.0" in page.locator("dl").inner_text()
    assert page.locator(".instrument").count() == 0  # nothing hidden listens to the keys


def test_every_link_of_a_site_leads_to_a_file(page: Any, folder: Path) -> None:
    for site in (folder / "site", folder / "small-site"):
        for html in site.rglob("*.html"):
            for link in re.findall(r'(?:href|src)="([^"#]+)', html.read_text(encoding="utf-8")):
                assert (html.parent / link).is_file(), (html, link)


def test_runs_are_compared_by_step_and_by_accuracy(page: Any, folder: Path) -> None:
    instrument = go(page, folder / "site" / "compare" / "index.html")
    assert "textbook" in instrument.locator(".legend.shared").inner_text()
    page.get_by_role("link", name="by accuracy").click()
    assert "ID accuracy" in page.locator(".instrument[data-ready=true] .readout").inner_text()


@pytest.mark.parametrize("view", ["formation", "questions", "figures", "about"])
def test_a_page_fits_a_phone(page: Any, folder: Path, view: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    instrument = go(page, folder / "site" / "demo" / "index.html", f"#view={view}")
    if view in ("formation", "questions"):
        instrument.wait_for()
        boxes = instrument.locator(".panel").evaluate_all(
            "panels => panels.map(p => p.getBoundingClientRect()).map(b => [b.left, b.right])"
        )
        assert all(left >= 0 and right <= 390 for left, right in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_theme_that_is_switched_is_that_of_the_instrument_too(page: Any, folder: Path) -> None:
    instrument = go(page, folder / "site" / "demo" / "index.html")
    assert "dark" not in (instrument.get_attribute("class") or "").split()
    page.get_by_role("button", name="Switch between light and dark").click()
    page.locator(".instrument.dark").wait_for()


def hostile_run(root: Path) -> Run:
    """A run whose names, and that of its folder, are markup that would run a script."""
    n = 10
    names = [*HOSTILE, *(f"entity {i}" for i in range(n - len(HOSTILE)))]
    relations = ("<b>next</b>", "${before}", "third")
    facts = [
        f"{names[i]}\t{relation}\t{names[(i + 1 + 2 * r) % n]}"
        for i in range(n)
        for r, relation in enumerate(relations)
    ]
    (root / "facts.tsv").write_text("\n".join(facts) + "\n", encoding="utf-8")
    table = {
        "source": {"name": str(root / "facts.tsv")},
        "augmentation": {"phi": 1.0, "modes": []},
        "splits": {"id_test_items": 10},
    }
    corpus = build_corpus(parse_recipe(table, "a recipe of hostile names"))
    models = {step: random_model(corpus, seed=step) for step in (0, 10)}
    run = save_as_run(root / HOSTILE[0], corpus, models)
    analyze(run, "logit_lens", progress=False, n_jobs=1)
    return run.refreshed()


def test_names_are_shown_as_text_whatever_they_hold(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "published_figures", lambda run: ([], []))
    run = hostile_run(tmp_path)
    front = publish.publish([run], tmp_path / "site", questions=12, licence=HOSTILE[1])
    site = front.parent / "img-src-x-onerror-window.hacked-1" / "index.html"
    assert tmp_path.as_uri().removeprefix("file://") not in site.read_text(encoding="utf-8")
    page.goto(front.as_uri())
    assert HOSTILE[0] in page.locator("h2").all_inner_texts()
    go(page, site, "#view=questions").wait_for()
    options = page.locator("select.chosen option").all_inner_texts()
    assert all(any(name in text for text in options) for name in HOSTILE)
    page.get_by_role("link", name="About").click()
    assert HOSTILE[1] in page.locator("dl").inner_text()
    assert page.evaluate("window.hacked") is None
