"""The documentation: every analysis is explained, and the site is built without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from import_graph import ROOT

from analyses.catalog import CATALOG

sys.path.append(str(ROOT / "docs"))

import build_site
from generator.analysis_page import GIVEN, told
from generator.doctests import fenced
from generator.pictures import result_of
from generator.staging import Staging

pytestmark = pytest.mark.slow_first


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with blank pictures: specs are made, but drawing them takes most of the time."""
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "docs/build_site.py", "--draft", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


class Addresses(HTMLParser):
    """Every address that a page points to on this site."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.found.add(value.partition("#")[0].partition("?")[0])


def test_the_site_is_built_and_no_link_or_picture_leads_nowhere(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(pages) > len(CATALOG)
    for page in pages:
        for address in Addresses(page.read_text(encoding="utf-8")).found:
            if address and not re.match(r"[a-z]+:", address):
                assert (page.parent / address).exists(), f"{page.name}: {address}"


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in (site / "index.html", site / "analyses" / "logit_lens.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//', text)


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_analysis_says_how_it_is_read_and_what_misleads(name: str) -> None:
    doc = told(CATALOG[name])
    assert len(doc.how) == 1
    assert doc.misleads
    assert doc.definition
    for paragraph in (*doc.how, doc.misleads[0]):
        assert len(paragraph.split()) > 20, "say it specifically"
    assert not any("How to read" in text or GIVEN in text for text in doc.definition)


def test_the_identity_of_the_atomic_prompt_is_told_where_states_are_read() -> None:
    for name in ("logit_lens", "tuned_lens", "probes", "trace_classes", "crosscoder", "attention"):
        assert re.search(r"atomic|every model that knows", " ".join(told(CATALOG[name]).misleads))


def test_a_page_shows_definition_options_and_papers(site: Path) -> None:
    text = (site / "analyses" / "causal_tracing.html").read_text(encoding="utf-8")
    for part in ("How to read it", "What misleads", "Noising", "corruptions", "2405.15071"):
        assert part in text
    assert text.index("How to read it") < text.index("What misleads") < text.index("Noising")


def test_the_reference_documents_every_public_name(site: Path) -> None:
    for face in ("circuits", "analyses"):
        text = (site / "reference" / f"{face}.html").read_text(encoding="utf-8")
        for name in sys.modules[face].__all__:
            if name not in ("__version__",):
                assert re.search(rf'id="{face}[\w.]*\.{name}"', text), name


def test_every_page_of_docs_is_in_the_navigation() -> None:
    settings = yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = {
        page
        for part in settings["nav"]
        for item in next(iter(part.values()))
        for page in item.values()
    }
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= listed


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_analysis_has_a_result_of_its_present_version_to_draw(name: str) -> None:
    result, _ = result_of(CATALOG[name])
    assert result.attrs["analysis"] == name


def test_a_doctest_is_shown_as_code() -> None:
    text = "Adds.\n\n    >>> 1 + 1\n    2\n\nMore."
    assert fenced(text) == "Adds.\n\n    ```pycon\n    >>> 1 + 1\n    2\n    ```\n\nMore."


def test_a_link_out_of_docs_leads_to_a_page_that_shows_the_file(tmp_path: Path) -> None:
    source = ROOT / "docs" / "guide.md"
    Staging(tmp_path).write("guide.md", "[run](../circuits/runs/run.py#x)", source)
    assert (tmp_path / "guide.md").read_text() == "[run](source/circuits/runs/run.py.md)"
    assert "def open_run" in (tmp_path / "source/circuits/runs/run.py.md").read_text()


def test_a_dead_link_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"guide.md links to ../nowhere.py"):
        Staging(tmp_path).write("guide.md", "[run](../nowhere.py)", ROOT / "docs" / "guide.md")


def test_a_folder_with_other_files_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").touch()
    monkeypatch.setattr(sys, "argv", ["build_site.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        build_site.main()
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
