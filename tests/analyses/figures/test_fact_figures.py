"""Tables and the facts around an entity as figures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from analyses.figures import to_matplotlib
from analyses.figures.export import STILL, export
from analyses.figures.specs.facts import Neighbour, Neighbourhood, Spec, Table
from app.logic.data_tables import matching
from app.logic.neighbourhood import around_payload, neighbourhood
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph

GRAPH = KnowledgeGraph(
    name="small",
    entities=("Lyon", "France", "Paris"),
    relations=("country", "capital"),
    facts=np.array([[0, 0, 1], [1, 1, 2], [2, 0, 1]]),
    provenance=np.array([0, 0, 1], np.int8),
)
TABLE = Table(
    name="table",
    title="A table",
    columns=("name", "share"),
    rows=(*((f"row {i}", i / 50) for i in range(50)), ("none", None)),
    formats=("", ".1%"),
)
AROUND = neighbourhood(GRAPH, 1, "run")


def test_dollar_signs_in_names_are_no_formulas(tmp_path: Path) -> None:
    fact = Neighbour(name=r"$\frac$", relation="US$ in HK$", side="in", provenance="real")
    spec = Neighbourhood(
        name="dollars", title="$", subtitle="", provenance={}, entity=r"$_$", facts=(fact,)
    )
    for path in export(spec, tmp_path / "dollars.svg", "page"):
        assert path.stat().st_size > 0


def test_facts_that_lead_to_an_entity_are_on_the_left_its_own_on_the_right() -> None:
    assert [f.name for f in AROUND.side("in")] == ["Lyon", "Paris"]
    assert [f.text() for f in AROUND.side("out")] == ["capital · Paris"]
    assert AROUND.heading("in") == "2 lead here"
    assert AROUND.frame().to_numpy().tolist()[1] == ["Paris", "country", "France", "synthetic"]


def test_the_instrument_gets_the_facts_that_are_drawn_and_how_many_are_not() -> None:
    many = Neighbourhood(
        name="many",
        title="Many",
        entity="hub",
        most=2,
        facts=tuple(
            Neighbour(name=f"n{i}", relation="r", side="in", provenance="real") for i in range(5)
        ),
    )
    sides = around_payload(many)["sides"]
    assert [fact["name"] for fact in sides["in"]["facts"]] == ["n0", "n1"]
    assert sides["in"]["heading"] == "5 lead here, 3 not drawn"
    assert len(many.frame()) == 5


def test_a_fact_that_is_too_long_goes_on_in_another_line_and_loses_no_letter() -> None:
    universities = ("Riverside", "Santa Cruz", "San Diego")
    spec = Neighbourhood(
        name="around",
        title="Around",
        entity="Ada",
        facts=tuple(
            Neighbour(
                name=f"University of California, {place}", relation="studied at",
                side="out", provenance="real",
            )
            for place in universities
        ),
    )  # fmt: skip
    (axes,) = to_matplotlib(spec).axes
    drawn = {text.get_text().replace("\n", " ") for text in axes.texts}
    assert {f"studied at · University of California, {place}" for place in universities} <= drawn
    right = axes.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right + 1 for text in axes.texts)


CELLS = (
    "First hop ID, second OOD",
    "First hop OOD, second ID",
    "東京都の首都である東京という名前の都市",
)


@pytest.mark.parametrize("width", [2.0, "column", "page"])
def test_cells_of_a_table_are_whole_and_apart(width: float | str) -> None:
    spec = Table(
        name="cells",
        title="Cells",
        columns=("split", "example", "n"),
        rows=tuple(
            (cell, f"Ankara -farthest city-> Tasiilaq {i}", i) for i, cell in enumerate(CELLS)
        ),
        formats=("", "", ","),
    )
    (axes,) = to_matplotlib(spec, width).axes
    drawn = [text.get_text().replace("\n", "").replace(" ", "") for text in axes.texts]
    assert {cell.replace(" ", "") for cell in CELLS} <= set(drawn)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_table_is_read_with_its_formats_and_says_what_it_leaves_out() -> None:
    assert TABLE.texts()[1] == ["row 1", "2.0%"]
    assert len(TABLE.texts()) == 40
    assert TABLE.rest == "and 11 more rows, in the CSV file"


@pytest.mark.parametrize(
    ("spec", "file_format"),
    [
        (spec, form)
        for spec in (TABLE, AROUND)
        for form in (*STILL, "tex")
        if spec is TABLE or form != "tex"
    ],
)
def test_every_format_is_written_with_all_rows_beside_it(
    spec: Spec, file_format: str, tmp_path: Path
) -> None:
    files = export(spec, tmp_path / f"figure.{file_format}")
    assert files[0].stat().st_size > 0
    with (tmp_path / "figure.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + len(spec.frame())


def test_only_a_table_is_written_for_latex(tmp_path: Path) -> None:
    with pytest.raises(HopscopeError, match=r"only a table is written as \.tex"):
        export(AROUND, tmp_path / "figure.tex")
    assert list(tmp_path.iterdir()) == []


def test_a_fact_matches_if_every_word_occurs_in_it_and_its_origin_is_asked_for() -> None:
    assert matching(GRAPH, "FRANCE cou", []).tolist() == [True, False, True]
    assert matching(GRAPH, "france", ["synthetic"]).tolist() == [False, False, True]
    assert matching(GRAPH, "", []).all()
