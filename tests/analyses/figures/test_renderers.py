"""Both renderers draw every kind of figure, with the numbers of the spec."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
import synthetic_results as made

from analyses.figures import circuit_dataset, figure, to_html, to_matplotlib, to_plotly
from analyses.figures.renderers.matplotlib.renderer import to_bytes
from analyses.figures.renderers.style import THEMES, diverging, sequential
from analyses.figures.specs.charts import (
    Bars,
    BarSeries,
    HeatMap,
    Lines,
    Panels,
    PointGroup,
    Reference,
    Scatter,
    Series,
    StackedArea,
)
from circuits.errors import HopscopeError

X = np.arange(5.0)
LINES = Lines(
    name="lines",
    title="Lines",
    series=(
        Series(label="a", x=X, y=X / 4, low=X / 5, high=X / 3),
        Series(label="b", x=X, y=1 - X / 4),
    ),
    references=(Reference(label="shortcut", value=0.39),),
    cursor=2.0,
    y_limits=(0, 1),
)  # fmt: skip
MAP = HeatMap(
    name="map",
    title="Map",
    values=np.array([[0.0, 0.5], [np.nan, 1.0]]),
    rows=("0", "1"),
    columns=("subject", "relation 1"),
    value_label="strength",
)
SPECS = {
    "lines": LINES,
    "map": MAP,
    "areas": StackedArea(
        name="areas", title="Areas", x=X, labels=("a", "b"), shares=np.stack([X / 4, 1 - X / 4])
    ),
    "bars": Bars(
        name="bars", title="Bars", categories=("p", "q"), y_limits=(0, 1),
        series=(BarSeries(label="a", values=np.array([0.2, 0.7]), low=np.array([0.1, 0.6]),
                          high=np.array([0.3, 0.8])),),
    ),
    "scatter": Scatter(
        name="scatter", title="Scatter", groups=(PointGroup(label="a", x=X, y=X**2),), diagonal=True
    ),
    "circuit": figure(circuit_dataset(made.causal_tracing(), made.logit_lens()), step=2000),
    "panels": Panels(name="panels", title="Panels", panels=(MAP, LINES), columns=2),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPECS)
def test_matplotlib_draws_every_kind_at_exactly_the_asked_width(kind):
    assert to_matplotlib(SPECS[kind], 5.5).get_figwidth() == 5.5


NUMBERS = {
    "lines": lambda data: (data[1].y, X / 4),
    "map": lambda data: (data[0].z, MAP.values),
    "areas": lambda data: (data[1].y, 1 - X / 4),
    "bars": lambda data: (data[0].y, [0.2, 0.7]),
    "scatter": lambda data: (data[0].y, X**2),
    "panels": lambda data: (data[0].z, MAP.values),
    "circuit": lambda data: (data[0].line.width, 0.35 + 15 * 1.0),  # the widest edge first
}
"""A number of each kind as plotly draws it, and as the spec has it."""


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("theme", THEMES)
def test_plotly_draws_the_specs_numbers_in_every_theme(kind, theme):
    figure = to_plotly(SPECS[kind], theme=theme)
    drawn, expected = NUMBERS[kind](figure.data)
    np.testing.assert_allclose(np.array(drawn, float), expected)
    assert figure.layout.paper_bgcolor == THEMES[theme].paper


def test_a_notebook_shows_a_figure_as_the_picture_that_is_exported():
    assert MAP._repr_png_() == to_bytes(MAP, "png", "page")
    assert MAP._repr_png_().startswith(b"\x89PNG")


def test_matplotlib_lines_have_the_specs_numbers():
    (axes,) = to_matplotlib(LINES).axes
    first, second, shortcut, cursor = axes.get_lines()
    np.testing.assert_array_equal(first.get_ydata(), X / 4)
    np.testing.assert_array_equal(second.get_ydata(), 1 - X / 4)
    np.testing.assert_array_equal(shortcut.get_ydata(), [0.39, 0.39])
    np.testing.assert_array_equal(cursor.get_xdata(), [2.0, 2.0])


def test_a_logarithmic_axis_leaves_out_step_0():
    spec = figure_of_log_steps()
    (axes,) = to_matplotlib(spec).axes
    assert axes.get_lines()[0].get_xdata().min() == 1


def figure_of_log_steps() -> Lines:
    return Lines(
        name="log", title="Log", series=(Series(label="a", x=X, y=X),), x_log=True, y_limits=(0, 4)
    )


def test_few_cells_are_written_out_and_missing_ones_stay_empty():
    axes = to_matplotlib(MAP).axes[0]
    assert sorted(t.get_text() for t in axes.texts) == ["0.00", "0.50", "1.00"]


def large_maps(n_columns: int, rows: tuple[str, ...]) -> Panels:
    values = np.linspace(-0.001, 28.34, len(rows) * n_columns).reshape(len(rows), n_columns)
    columns = tuple(f"relation {i}" for i in range(n_columns))
    maps = [
        HeatMap(
            name=name,
            title=f"State after attention, {name}",
            values=values,
            rows=rows,
            columns=columns,
            limits=(0.0, 29.0),
            value_label="fall (nats)",
        )
        for name in ("subject", "relation 1", "relation 2")
    ]
    return Panels(name="maps", title="Maps", panels=tuple(maps), columns=3)  # fmt: skip


@pytest.mark.parametrize("width", [2.0, "column", "page"])
@pytest.mark.parametrize("n_columns", [3, 9])
@pytest.mark.parametrize("rows", [("0", "1"), ("MLP 0 at relation 1 to head 1.3 at relation 2",)])
def test_words_of_maps_stay_in_their_place(width, n_columns, rows):
    figure = to_matplotlib(large_maps(n_columns, rows), width)
    *maps, bar = figure.axes
    for ax in maps:
        cell = ax.get_window_extent().width / n_columns
        assert all(text.get_window_extent().width <= cell for text in ax.texts)
        assert ax.title.get_window_extent().x1 <= bar.get_window_extent().x0 + 1
        assert ax.get_tightbbox().x0 >= 0


def test_values_of_ten_and_more_have_one_decimal_and_no_zero_has_a_sign():
    axes = to_matplotlib(large_maps(3, ("0",)), "page").axes[0]
    assert [t.get_text() for t in axes.texts] == ["0.0", "14.2", "28.3"]


def test_panels_on_one_scale_share_one_colour_bar():
    spec = figure(made.causal_tracing(), "strength", step=0)
    assert len(to_matplotlib(spec, "page").axes) == 3 + 1


def test_the_colour_scale_does_not_move_with_the_step():
    for step in (0, 4000):
        spec = figure(made.causal_tracing(), "strength", step=step, split="id_test")
        trace = to_plotly(spec).data[0]
        assert (trace.zmin, trace.zmax) == (0, 1)


def test_an_edge_tells_its_numbers_in_words():
    texts = {
        trace.text for trace in to_plotly(SPECS["circuit"]).data if isinstance(trace.text, str)
    }
    assert any(t.startswith("S[2, relation 1] to S[3, relation 2]") for t in texts)


def test_a_page_needs_no_network():
    fetched = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            fetched.extend(value for name, value in attrs if name in ("src", "href"))

    Tags().feed(to_html(LINES))
    assert fetched == []


def test_a_title_from_data_cannot_inject_markup():
    evil = Lines(name="x", title="<script>alert(1)</script>", series=LINES.series)
    head = to_html(evil).split("<body>")[0]
    assert "<script>" not in head


def test_maps_rise_evenly_in_lightness():
    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(np.dot([0.2126, 0.7152, 0.0722], linear)) ** (1 / 3)  # about CIE lightness

    light = [luminance(c) for c in sequential("light")]
    assert np.all(np.diff(light) < 0)
    assert np.diff(light).std() < 0.35 * abs(np.diff(light).mean())
    middle = [luminance(c) for c in diverging("light")]
    assert int(np.argmax(middle)) == len(middle) // 2


@pytest.mark.parametrize("width", ["colum", "0.1", 99])
def test_an_impossible_width_is_refused(width):
    with pytest.raises(HopscopeError, match="column, page"):
        to_matplotlib(MAP, width)


def test_a_map_over_uneven_steps_gives_each_step_its_length() -> None:
    """Steps 0, 100, 900: the borders lie halfway, at 50 and 500, on paper and on the page."""
    spec = HeatMap(
        name="m", title="m", values=np.array([[0.1, 0.2, 0.3]]), rows=("0",),
        columns=("0", "100", "900"), places=np.array([0.0, 100.0, 900.0]), cursor=1,
    )  # fmt: skip
    assert spec.edges.tolist() == [0, 50, 500, 900]
    axes = to_matplotlib(spec).axes[0]
    (mesh,) = (c for c in axes.collections if hasattr(c, "get_coordinates"))
    assert mesh.get_coordinates()[0, :, 0].tolist() == [0, 50, 500, 900]
    assert not axes.texts  # the first step's column has no room for a value
    page = to_plotly(spec)
    assert list(page.data[0].x) == [0, 100, 900]
    assert list(page.layout.xaxis.range) == [0, 900]
    assert [shape.x0 for shape in page.layout.shapes] == [100]


def test_a_long_subtitle_does_not_stand_over_the_plot() -> None:
    short, long = (
        HeatMap(name="m", title="m", subtitle=text, values=np.ones((1, 1)), rows=("0",),
                columns=("a",))
        for text in ("n = 300", "a sentence that goes on and on " * 16)
    )  # fmt: skip
    tops = [to_plotly(spec).layout.margin.t for spec in (short, long)]
    heights = [to_plotly(spec).layout.height for spec in (short, long)]
    assert tops[1] - tops[0] == heights[1] - heights[0] >= 3 * 16


def test_many_charts_at_column_width_fit_a_page() -> None:
    chart = Lines(name="c", title="c", series=(Series(label="a", x=np.arange(2.0), y=np.ones(2)),))
    spec = Panels(name="p", title="p", panels=(chart,) * 9, columns=3)
    assert to_matplotlib(spec, "column").get_figheight() < 9.5  # one below the other: 17 inches


def test_the_words_around_narrow_charts_stay_in_the_figure_and_apart() -> None:
    steps = np.linspace(0, 8500, 18)
    panels = tuple(
        StackedArea(
            name=f"p{i}", title="IO test (first hop ID, second OOD)", x=steps,
            shares=np.array([steps / 8500, 1 - steps / 8500]), x_label="training step",
            labels=("right", "mean strength of the circuit's edges (shares of an effect, no size)"),
        )
        for i in range(6)
    )  # fmt: skip
    figure = to_matplotlib(Panels(name="p", title="p", panels=panels, columns=2), "column")
    figure.canvas.draw()
    around = [ax.title for ax in figure.axes] + list(figure.legends[0].get_texts())
    boxes = [text.get_window_extent() for text in around]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.width
    for ax in figure.axes:
        ticks = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert len(ticks) > 1
        assert all(a.x1 < b.x0 for a, b in pairwise(ticks))


def test_the_words_below_small_maps_of_12_heads_stand_apart() -> None:
    maps = tuple(
        HeatMap(name=f"m{i}", title="m", values=np.full((8, 12), i / 3), limits=(0, 1),
                rows=tuple(map(str, range(8))), columns=tuple(map(str, range(12))),
                column_label="position that it cannot read")
        for i in range(3)
    )  # fmt: skip
    figure = to_matplotlib(Panels(name="p", title="p", panels=maps, columns=3), "column")
    figure.canvas.draw()
    named = [ax for ax in figure.axes if ax.get_xlabel()]
    below = [ax.xaxis.label.get_window_extent() for ax in named]
    assert len(below) == 3
    assert all(a.x1 < b.x0 for a, b in pairwise(below))
    for ax in named:
        ticks = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert len(ticks) > 1
        assert all(a.x1 < b.x0 for a, b in pairwise(ticks))


def test_a_value_stands_in_what_is_seen_of_its_cell() -> None:
    steps = np.array([0.0, 100, 200, 300])
    spec = HeatMap(name="m", title="m", values=np.full((1, 4), 0.5), rows=("0",),
                   columns=("0", "100", "200", "300"), places=steps)  # fmt: skip
    (ax, _) = to_matplotlib(spec, "page").axes
    assert [text.get_position()[0] for text in ax.texts] == [25, 100, 200, 275]
    assert [note.x for note in to_plotly(spec).layout.annotations] == [25, 100, 200, 275]


def test_maps_of_the_same_rows_and_columns_on_a_page_name_them_once() -> None:
    maps = tuple(
        HeatMap(name=f"m{i}", title="m", values=np.zeros((2, 2)), rows=("relation 1", "relation 2"),
                columns=("a", "b"), column_label="position")
        for i in range(4)
    )  # fmt: skip
    layout = to_plotly(Panels(name="p", title="p", panels=maps, columns=2)).layout
    drawn = [layout.yaxis, layout.yaxis2, layout.yaxis3, layout.yaxis4]
    assert [axis.showticklabels for axis in drawn] == [True, False, True, False]
    titles = [layout[name].title.text for name in ("xaxis", "xaxis2", "xaxis3", "xaxis4")]
    assert titles == ["", "", "position", "position"]


def test_a_map_of_96_heads_fits_half_a_page() -> None:
    rows = tuple(f"{layer}.{head}" for layer in range(8) for head in range(12))
    spec = HeatMap(
        name="m", title="m", values=np.zeros((96, 3)), rows=rows, columns=("a", "b", "c")
    )
    assert to_matplotlib(spec, "column").get_figheight() < 5.5  # 15 with every name


def test_a_logarithmic_axis_within_a_power_of_ten_has_numbers() -> None:
    line = Series(label="loss", x=np.arange(3.0), y=np.array([2.2, 3.1, 6.4]))
    figure = to_matplotlib(Lines(name="l", title="l", series=(line,), y_log=True), "column")
    figure.canvas.draw()
    (ax,) = figure.axes
    low, high = ax.get_ylim()
    shown = [t.get_text() for t in ax.get_yticklabels() if low <= t.get_position()[1] <= high]
    assert "5" in shown


def test_an_arc_of_a_deep_circuit_stays_between_its_column_and_the_next() -> None:
    from analyses.figures.renderers.circuit_layout import NODE_WIDTH, _upwards

    path = _upwards(np.array([2.0, 0.0]), 24.0)
    assert path[:, 0].max() < 3 - NODE_WIDTH / 2
    assert path[:, 0].max() < 2 + 0.55  # where the picture ends


@pytest.mark.parametrize("width", ["column", "page"])
def test_a_circuit_of_12_blocks_and_8_positions_is_printed_without_overlaps(width: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patches import FancyBboxPatch

    from analyses.figures.specs.charts import CircuitDiagram, DrawnEdge, DrawnNode

    rows = ("token", *(f"{kind} {i}" for i in range(12) for kind in ("attention", "MLP")))
    nodes = [DrawnNode(layer=row, position=p, label=rows[row]) for row, p in np.ndindex(25, 8)]
    ends = [((p, p), (24 - p, p)) for p in range(8)] + [((p, 0), (p + 9, 7)) for p in range(8)]
    edges = [DrawnEdge(kind="path", source=a, target=b, strength=0.8, high=1.0) for a, b in ends]
    positions = tuple(f"relation_{i}" for i in range(8))
    spec = CircuitDiagram(
        name="deep", title="The circuit", positions=positions, depth=24, rows=rows,
        nodes=tuple(nodes), edges=tuple(edges), targets=(),
    )  # fmt: skip
    fig = to_matplotlib(spec, width)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    renderer, ax = canvas.get_renderer(), fig.axes[0]
    written = [text for text in (*ax.texts, *ax.get_yticklabels()) if text.get_text()]
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    for drawn in (written, boxes):
        x0, y0, x1, y1 = np.array([part.get_window_extent(renderer).extents for part in drawn]).T
        across = (x0[:, None] < x1) & (x0 < x1[:, None])
        overlap = across & (y0[:, None] < y1) & (y0 < y1[:, None])
        assert overlap.sum() == len(drawn)  # each with itself alone
    frame = ax.get_window_extent(renderer)
    for line in ax.lines:
        part = line.get_window_extent(renderer)
        assert frame.x0 <= part.x0
        assert part.x1 <= frame.x1
    assert fig.get_figheight() < 9  # a page of a paper; it was 11.7 and 15.4 inches
