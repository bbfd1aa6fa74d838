"""Names of facts are drawn as they are: no coordinates, no markup, never shortened."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from analyses.figures import export, to_html, to_matplotlib, to_plotly
from analyses.figures.specs.base import Spec
from analyses.figures.specs.charts import (
    Bars,
    BarSeries,
    CircuitDiagram,
    DrawnEdge,
    DrawnNode,
    HeatMap,
    Lines,
    Panels,
    PointGroup,
    Reference,
    Scatter,
    Series,
    StackedArea,
)
from analyses.figures.specs.facts import Neighbour, Neighbourhood, Table

X = np.arange(3.0)
TWICE = HeatMap(
    name="twice",
    title="Ankara, farthest city of its farthest city",
    values=np.array([[0.1, 0.2, 0.3], [0.4, 1.0, 0.6]]),
    rows=("0", "1"),
    columns=("Ankara", "farthest city", "farthest city"),
    value_label="probability",
)
DATES = ("1853-03-07", "1862", "1e3")
UNIVERSITIES = tuple(
    f"University of California, {place}"
    for place in ("Riverside", "Santa Cruz", "San Diego", "Irvine", "Davis", "Merced")
)
EVIL = "<b>x</b> %{y} $a$ &amp; <br> __ [in]"


def test_a_relation_that_is_asked_twice_has_two_columns() -> None:
    figure = to_plotly(TWICE)
    (trace,) = figure.data
    np.testing.assert_array_equal(trace.z, TWICE.values)
    assert list(trace.x) == [0, 1, 2]
    assert list(figure.layout.xaxis.ticktext) == ["Ankara", "farthest city", "farthest city"]
    written = {(a.x, a.y): a.text for a in figure.layout.annotations}
    assert written[1, 1] == "1.00"
    assert written[2, 1] == "0.60"


def test_the_table_of_a_map_tells_columns_of_one_name_apart() -> None:
    frame = TWICE.frame()
    assert frame.loc[(frame.x == 2) & (frame.y == 1), "probability"].item() == 0.6
    assert frame.loc[(frame.x == 1) & (frame.y == 1), "probability"].item() == 1.0


def bars(*names: str) -> Bars:
    values = np.linspace(0.1, 0.9, len(names))
    return Bars(
        name="bars", title="Bars", categories=names, y_limits=(0, 1),
        series=(BarSeries(label="before", values=values),),
        references=(Reference(label="chance", value=0.5),),
    )  # fmt: skip


@pytest.mark.parametrize(
    "spec", [bars(*DATES), HeatMap(**{**vars(TWICE), "columns": DATES})], ids=["bars", "map"]
)
def test_dates_and_numbers_among_names_do_not_make_an_axis_of_time(spec: Spec) -> None:
    axis = to_plotly(spec).layout.xaxis
    assert axis.type == "linear"
    assert list(axis.ticktext) == list(DATES)
    assert list(axis.tickvals) == [0, 1, 2]
    assert tuple(axis.range) == (-0.5, 2.5)


def test_bars_of_one_name_stand_beside_each_other() -> None:
    figure = to_plotly(bars("capital", "capital"))
    assert [list(trace.x) for trace in figure.data if trace.type == "bar"] == [[0, 1]]
    (axes,) = to_matplotlib(bars("capital", "capital")).axes
    assert [patch.get_height() for patch in axes.patches] == [0.1, 0.9]


@pytest.mark.parametrize("width", ["column", "page"])
def test_names_that_begin_alike_are_whole_below_bars_and_in_the_csv(width: str, tmp_path) -> None:
    spec = bars(*UNIVERSITIES)
    labels = to_matplotlib(spec, width).axes[0].get_xticklabels()
    assert [label.get_text().replace("\n", " ") for label in labels] == list(UNIVERSITIES)
    export(spec, tmp_path / "bars.csv")
    assert pd.read_csv(tmp_path / "bars.csv")["category"].tolist() == list(UNIVERSITIES)


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("maps", [1, 4])
def test_long_names_below_maps_leave_the_maps_their_room(width: str, maps: int) -> None:
    one = HeatMap(**{**vars(TWICE), "columns": UNIVERSITIES[:3]})
    spec = Panels(name="maps", title="Maps", panels=(one,) * maps, columns=4)
    figure = to_matplotlib(spec, width)
    for axes in figure.axes[:maps]:
        box = axes.get_window_extent()
        assert box.height > 0.5 * figure.dpi
        assert box.width > 0.4 * figure.dpi
        assert [t.get_text().replace("\n", " ") for t in axes.get_xticklabels()] == list(
            UNIVERSITIES[:3]
        )


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def every_kind(name: str) -> dict[str, Spec]:
    """A spec of each kind in which everything is called `name`."""
    grid = np.array([[0.25, 0.5], [0.75, 1.0]])
    diagram = CircuitDiagram(
        name="d", title=name, subtitle=name, positions=("subject", "relation_1"), depth=1,
        nodes=(DrawnNode(layer=1, position=1, label=name, strength=0.5),),
        edges=(DrawnEdge(kind="output", source=(1, 1), target=None, strength=0.5),),
        targets=(), tokens=(name, name), output=name, strength_label=name,
        rows=(name, name), legend=(("carried", name), ("read", f"{name}2")),
    )  # fmt: skip
    about: dict[str, Any] = {"name": "x", "title": name, "subtitle": name}
    table = Table(columns=(name, "n"), rows=((name, 1),), formats=("", ","), **about)
    fact = Neighbour(name=name, relation=name, side="in", provenance="real")
    labels = (name, f"{name}2")
    heat = HeatMap(
        values=grid, rows=labels, columns=labels, row_label=name, column_label=name,
        value_label=name, **about,
    )  # fmt: skip
    return {
        "lines": Lines(
            series=tuple(Series(label=n, x=X, y=X) for n in labels), x_label=name, y_label=name,
            references=(Reference(label=f"{name}3", value=0.5),), **about,
        ),
        "map": heat,
        "areas": StackedArea(x=X, labels=labels, shares=np.full((2, 3), 0.5), **about),
        "bars": Bars(
            categories=labels, series=(BarSeries(label=name, values=np.array([0.1, 0.2])),),
            references=(Reference(label=f"{name}2", value=0.5),), x_label=name, **about,
        ),
        "scatter": Scatter(
            groups=tuple(PointGroup(label=n, x=X, y=X, names=(n,) * 3) for n in labels), **about
        ),
        "panels": Panels(panels=(heat, heat), columns=2, **about),
        "circuit": diagram,
        "table": table,
        "around": Neighbourhood(entity=name, facts=(fact,), **about),
    }  # fmt: skip


OURS = re.compile(r"</?b>|<br>|<extra></extra>|%\{(x:,|y:\.3f|text|customdata|fullData\.name)\}")
"""What our own templates and headings may hold besides names."""


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("template", "bdata"):
                yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


@pytest.mark.parametrize("kind", every_kind("x"))
def test_plotly_reads_no_name_as_markup(kind: str) -> None:
    spec = every_kind(EVIL)[kind]
    drawn = list(texts(json.loads(to_plotly(spec).to_json())))
    assert any(EVIL in html.unescape(text) for text in drawn)
    for text in drawn:
        rest = OURS.sub("", text)
        assert not re.search(r"[<>$]", rest), text
        assert "&amp; " not in rest.replace("&amp;amp; ", ""), text
    for template in re.findall(r'"hovertemplate":"([^"]*)"', to_plotly(spec).to_json()):
        assert "%{y} " not in template  # no name's


def test_the_title_of_a_page_is_text() -> None:
    assert "<title>&lt;script&gt;" in to_html(Lines(name="x", title="<script>", series=()))


@pytest.mark.parametrize("kind", every_kind("x"))
@pytest.mark.parametrize("name", ["_hidden", r"$\frac$", "a\\$b", "</text>&"])
def test_matplotlib_draws_every_name_and_explains_every_series(kind: str, name: str) -> None:
    spec = every_kind(name)[kind]
    figure = to_matplotlib(spec, "page")
    figure.savefig(io.BytesIO(), format="svg")
    named = [text for text in figure.findobj(Text) if name in text.get_text().replace("\n", "")]
    assert named
    assert not any(text.get_parse_math() for text in named)
    expected = {
        "lines": [name, f"{name}2", f"{name}3"],
        "areas": [name, f"{name}2"],
        "bars": [name, f"{name}2"],
        "scatter": [name, f"{name}2"],
        "circuit": [name, f"{name}2"],
    }
    assert sorted(legend_texts(figure)) == sorted(expected.get(kind, []))


def test_series_of_one_name_that_look_different_are_both_explained() -> None:
    spec = Lines(
        name="x", title="x",
        series=tuple(Series(label="capital", x=X, y=X, colour=i) for i in (0, 1)),
    )  # fmt: skip
    assert legend_texts(to_matplotlib(spec)) == ["capital", "capital"]
    assert [trace.showlegend for trace in to_plotly(spec).data] == [True, True]
    assert len({trace.legendgroup for trace in to_plotly(spec).data}) == 2


def test_panels_explain_what_only_one_of_them_has() -> None:
    one = Lines(name="a", title="a", series=(Series(label="a", x=X, y=X),))
    other = Lines(
        name="b",
        title="b",
        series=(Series(label="a", x=X, y=X), Series(label="b", x=X, y=X, colour=1)),
    )
    spec = Panels(name="x", title="x", panels=(one, other), columns=2)
    shown = [trace.name for trace in to_plotly(spec).data if trace.showlegend]
    assert shown == legend_texts(to_matplotlib(spec, "page")) == ["a", "b"]


@pytest.mark.parametrize("width", ["column", "page"])
def test_names_below_bars_of_several_panels_do_not_touch(width: str) -> None:
    spec = Panels(name="x", title="x", panels=(bars(*UNIVERSITIES[:4]),) * 3, columns=3)
    for axes in to_matplotlib(spec, width).axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        if axes.get_xticklabels()[0].get_rotation():  # one beside the other, aslant
            apart = [b.x1 - a.x1 for a, b in pairwise(boxes)]
            assert min(apart) > 0.1 * axes.get_figure().dpi
        else:
            assert not any(a.overlaps(b) for a, b in pairwise(boxes))
