"""Sheets: places, letters, shared axes and legends, in both renderers, and their data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import synthetic_results as made
from pypdf import PdfReader

from analyses import Sheet, export, figure, read_sheet
from analyses.figures import to_matplotlib, to_plotly
from analyses.figures.sheets.description import parse_description
from analyses.figures.specs.charts import Lines, Panels, PointGroup, Scatter, Series
from analyses.figures.specs.sheet import letter
from circuits.errors import HopscopeError

DEMO = Path(__file__).parents[3] / "assets" / "demo"


def lines(end: float, label: str = "a", y: float = 1.0, title: str = "Lines") -> Lines:
    x = np.array([1.0, end])
    series = (Series(label=label, x=x, y=np.array([0.0, y])), Series(label="all", x=x, y=x * 0))
    return Lines(name="lines", title=title, series=series, y_label="share")


def sheet_of(*panels, **fields) -> Sheet:
    return Sheet(name="sheet", title="A sheet", panels=panels, **fields)


def test_panels_fill_rows_and_a_wide_one_starts_the_next() -> None:
    sheet = sheet_of(*[lines(2)] * 4, columns=3, spans=(1, 1, 2, 1))
    places = [(p.letter, p.row, p.column, p.span) for p in sheet.places()]
    assert places == [("a", 0, 0, 1), ("b", 0, 1, 1), ("c", 1, 0, 2), ("d", 1, 2, 1)]
    assert [letter(i) for i in (25, 26, 27, 52, 701, 702)] == ["z", "aa", "ab", "ba", "zz", "aaa"]


def test_shared_axes_span_all_panels_and_are_labelled_at_the_edge_only() -> None:
    sheet = sheet_of(*(lines(x, y=y) for x, y in ((2, 1), (8, 3), (4, 2), (4, 2))), share="both")
    assert {(p.x_limits, p.y_limits) for p in sheet.drawn_panels()} == {((1.0, 8.0), (0.0, 3.0))}
    assert [(p.hide_x, p.hide_y) for p in sheet.places()] == [
        (True, False), (True, True), (False, False), (False, True),
    ]  # fmt: skip
    drawn = to_matplotlib(sheet, "page")
    axes = [ax for ax in _axes(drawn) if ax.lines]
    assert len({ax.get_xlim() for ax in axes}) == 1
    assert [bool(ax.get_ylabel()) for ax in axes] == [True, False, True, False]
    ranges = {tuple(axis.range) for axis in to_plotly(sheet).select_xaxes()}
    assert len(ranges) == 1


def test_axes_with_other_labels_or_scales_are_not_shared() -> None:
    log = Lines(name="l", title="L", series=lines(100).series, y_label="share", x_log=True)
    drawn = sheet_of(lines(2), log, share="x").drawn_panels()
    assert [panel.x_limits for panel in drawn] == [(1.0, 2.0), (1.0, 100.0)]


def _axes(figure):
    parts = [figure]
    while parts:
        part = parts.pop(0)
        yield from part.axes if part is not figure else []
        parts += part.subfigs


def test_frames_of_a_row_stand_in_line() -> None:
    sheet = sheet_of(lines(2, "one"), lines(2, "another\nthat is longer"), joint_legend=False)
    boxes = [ax.get_window_extent() for ax in _axes(to_matplotlib(sheet, "page")) if ax.lines]
    assert boxes[0].y0 == pytest.approx(boxes[1].y0, abs=0.5)
    assert boxes[0].y1 == pytest.approx(boxes[1].y1, abs=0.5)


def test_what_several_panels_have_is_explained_once() -> None:
    sheet = sheet_of(lines(2, "one"), lines(2, "two"))

    def labels(sheet):
        parts, found = [to_matplotlib(sheet, "page")], []
        while parts:
            part = parts.pop()
            found += [text.get_text() for legend in part.legends for text in legend.get_texts()]
            parts += part.subfigs
        return sorted(found)

    assert labels(sheet) == ["all", "one", "two"]
    assert labels(sheet_of(lines(2, "one"), lines(2, "two"), joint_legend=False)) == [
        "all", "all", "one", "two",
    ]  # fmt: skip
    drawn = to_plotly(sheet)
    shown = [(t.name, t.legend) for t in drawn.data if t.showlegend]
    assert sorted(name for name, _ in shown) == ["all", "one", "two"]
    assert dict(shown)["all"] is None, "the common legend"


@pytest.fixture(scope="module")
def mixed() -> Sheet:
    """Lines, maps side by side and a diagram, as a paper's figure has them."""
    tracing = made.causal_tracing()
    panels = (
        lines(2),
        figure(tracing, "strength", step=2000),
        figure(tracing, "strength", step=0, split="id_test"),
    )
    return sheet_of(*panels, spans=(1, 2, 1), columns=2)


def test_a_sheet_is_exactly_as_wide_as_asked_with_every_letter(mixed, tmp_path) -> None:
    written = export(mixed, tmp_path / "s.pdf", 5.5)
    page = PdfReader(written[0]).pages[0]
    assert float(page.mediabox.width) == pytest.approx(5.5 * 72)
    words = page.extract_text().split()
    assert {"a", "b", "c"} <= set(words)


def test_each_panel_has_its_own_data_and_provenance(mixed, tmp_path) -> None:
    export(mixed, tmp_path / "s.svg")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == sorted(
        ["s.svg", "s.json"] + [f"s_{a}.{end}" for a in "abc" for end in ("csv", "json")]
    )
    record = json.loads((tmp_path / "s_b.json").read_text())
    assert record["provenance"]["selection"] == {"step": 2000}
    assert list(record["files"]) == ["s_b.csv"]
    export(mixed, tmp_path / "s.svg")  # known as ours
    (tmp_path / "s_b.csv").write_text("edited")
    with pytest.raises(HopscopeError, match="changed since"):
        export(mixed, tmp_path / "s.svg")


def test_plotly_draws_the_same_numbers_in_frames_that_do_not_overlap(mixed) -> None:
    drawn = to_plotly(mixed)
    frames = [
        (*x.domain, *y.domain)
        for x, y in zip(drawn.select_xaxes(), drawn.select_yaxes(), strict=True)
    ]
    assert len(frames) == 5
    for i, (left, right, bottom, top) in enumerate(frames):
        for other in frames[:i]:
            assert right <= other[0] or left >= other[1] or top <= other[2] or bottom >= other[3]
    maps = [t for t in drawn.data if t.type == "heatmap"]
    np.testing.assert_array_equal(maps[-1].z, mixed.panels[2].values)


def test_two_panels_with_one_title_stay_apart_in_the_data() -> None:
    both = Panels(name="p", title="P", panels=(lines(2, "x"), lines(3, "y")))
    assert both.frame()["panel"].nunique() == 2
    assert list(sheet_of(lines(2), lines(2)).frame()["panel"].unique()) == ["a", "b"]


def test_a_sheet_is_read_from_toml(tmp_path) -> None:
    file = tmp_path / "two.toml"
    file.write_text(
        f"""title = "Two"
        runs = {{ demo = "{DEMO}" }}
        [[panel]]
        figure = "accuracy"
        title = "Mine"
        [[panel]]
        figure = "causal_tracing_strength"
        step = 600
        select = {{ split = "id_test" }}
        span = 2"""
    )
    sheet = read_sheet(file)
    assert [p.title for p in sheet.panels] == ["Mine", "Which states the answer depends on"]
    assert sheet.panels[1].provenance["selection"] == {"step": 600, "split": "id_test"}
    assert str(tmp_path) not in json.dumps(sheet.to_json()["provenance"])


PANEL = {"figure": "accuracy"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"panel": [{"figre": "accuracy"}]}, "panel 1: unknown panel key 'figre'. Did you mean"),
        ({"panel": [PANEL, {"step": 3}]}, "panel 2: name its figure"),
        ({"panel": [{**PANEL, "run": "b"}]}, "panel 1: unknown run 'b'"),
        ({"panel": [PANEL], "runs": {"a": "a", "b": "b"}}, "name its run, one of a, b"),
        ({"panel": [{**PANEL, "span": 3}]}, "span = 3 is more than the sheet's 2 columns"),
        ({"panel": [PANEL], "colums": 2}, "Did you mean 'columns'?"),
        ({"panel": [PANEL], "share": "z"}, "share = 'z' is refused"),
        ({"panel": []}, "panel"),
    ],
)
def test_a_wrong_description_is_refused_in_a_sentence(change, said) -> None:
    with pytest.raises(HopscopeError, match=said.replace("?", r"\?")):
        parse_description({"runs": {"a": "a"}, **change}, "sheet.toml")


def test_embedded_fonts_of_a_sheet_are_truetype(mixed, tmp_path) -> None:
    export(mixed, tmp_path / "s.pdf", "neurips")
    page = PdfReader(tmp_path / "s.pdf").pages[0]
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        inner = font["/DescendantFonts"][0].get_object()
        assert inner["/Subtype"] == "/CIDFontType2"
        assert "/FontFile2" in inner["/FontDescriptor"].get_object()
    assert float(page.mediabox.width) == pytest.approx(5.5 * 72)


def test_text_of_an_svg_is_text_if_asked_for(tmp_path) -> None:
    spec = lines(2, title="A & <b>")
    export(spec, tmp_path / "paths.svg")
    export(spec, tmp_path / "text.svg", svg_text=True)
    assert "A &amp; &lt;b&gt;</text>" in (tmp_path / "text.svg").read_text()
    assert "<text" not in (tmp_path / "paths.svg").read_text()


def test_a_sheet_that_cannot_be_laid_out_is_refused() -> None:
    for fields in ({"panels": ()}, {"spans": (1, 2)}, {"share": "z"}, {"columns": 0}):
        with pytest.raises(HopscopeError):
            Sheet(**{"name": "s", "title": "S", "panels": (lines(2),), **fields})
    with pytest.raises(HopscopeError, match="cannot be a panel of another"):
        sheet_of(sheet_of(lines(2)))


def test_series_with_one_name_stay_apart_in_the_data() -> None:
    point = np.array([1.0])
    twice = tuple(Series(label="Paris", x=point, y=point) for _ in range(2))
    assert list(Lines(name="l", title="L", series=twice).frame()["series"]) == [
        "Paris (1)", "Paris (2)",
    ]  # fmt: skip


def test_a_scatter_plot_without_labels_keeps_both_coordinates_in_its_data() -> None:
    groups = (PointGroup(label="a", x=np.array([1.0]), y=np.array([2.0])),)
    table = Scatter(name="s", title="S", groups=groups).frame()
    assert (table["x"].item(), table["y"].item()) == (1.0, 2.0)


def test_a_series_of_one_point_is_seen() -> None:
    point = Series(label="one", x=np.array([1.0]), y=np.array([0.5]))
    spec = Lines(name="l", title="L", series=(point,))
    (line,) = to_matplotlib(spec).axes[0].lines
    assert line.get_marker() == "o"
    assert to_plotly(spec).data[0].mode == "lines+markers"


def test_the_common_legend_stands_below_those_of_the_panels() -> None:
    drawn = to_matplotlib(sheet_of(lines(2, "one"), lines(2, "two")), "page")
    spans = {
        text.get_text(): legend.get_window_extent().intervaly
        for part in drawn.subfigs
        for legend in part.legends
        for text in legend.get_texts()
    }
    assert spans["all"][1] <= min(spans["one"][0], spans["two"][0])
