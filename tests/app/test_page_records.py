"""A page's figures have the numbers that were measured, and names as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hand_wired import hand_wired

from analyses.figures import export
from analyses.figures.specs.charts import Bars, HeatMap, Lines
from analyses.figures.words import SPLITS, TARGETS
from app.instrument.palette import COLOURS
from app.instrument.payload import DRAWN_SPLITS, LENS_TARGETS, lens_targets
from app.logic.asked import Asked
from app.logic.lab.patch_lab import Operation, Outcome
from app.logic.lab.record import LabRecord
from app.logic.question_book import QuestionBook
from app.logic.question_record import QuestionRecord
from app.logic.question_trace import Named, QuestionTrace, Watched
from circuits.corpus.vocab import Vocab

SMALL = 0.00042
"""A probability that the browser is sent as 0.000."""
NAMES = tuple(
    f"University of California, {place}"
    for place in ("Riverside", "Santa Cruz", "San Diego", "Irvine", "Davis", "Merced")
)


class Named_(QuestionBook):
    """A book whose entities and relations bear these names."""

    def __init__(self, entities: tuple[str, ...], relations: tuple[str, ...]) -> None:
        super().__init__(hand_wired().corpus)
        self.vocab = Vocab(entities, relations)

    @property
    def fact(self) -> dict[tuple[int, int], int]:  # type: ignore[override]
        return {}


def book(*relations: str) -> QuestionBook:
    return Named_(NAMES, relations or ("studied at", "worked at"))


def record(relations: tuple[str, ...] = (), tokens: tuple[int, ...] = (0, 6, 7)) -> QuestionRecord:
    """Two steps, two layers of states, one head; every probability is `SMALL`."""
    cells = (2, 2, 3)
    small = np.full(cells, SMALL)
    some = np.zeros(cells, int)
    trace = QuestionTrace(
        steps=(0, 10),
        top=Named(np.tile(np.arange(6), (2, 1)), np.full((2, 6), SMALL)),
        curves=tuple((token, np.array([0.0, SMALL])) for token in range(6)),
        lens=Named(np.zeros((*cells, 2), int), np.full((*cells, 2), SMALL)),
        watched=(Watched(1, 1, small, some),),
        attention=np.full((2, 1, 1, 3, 3), SMALL),
        swap=Named(some, small),
        swap_target=small,
    )
    asked = Asked(tokens, (1,), 2)
    return QuestionRecord("run", book(*relations), asked, Asked((3, 6, 7), (4,), 5), 5, trace)


def numbers(figure: HeatMap | Lines) -> set[float]:
    column = figure.value_label if isinstance(figure, HeatMap) else figure.y_label
    return set(figure.frame()[column].dropna())


def test_a_question_is_exported_as_measured_and_sent_in_thousandths(tmp_path: Path) -> None:
    figures = {figure.name: figure for figure in record().figures(10)}
    for name in ("question_bridge", "question_swap"):
        assert numbers(figures[name]) == {SMALL}  # type: ignore[arg-type]
    assert numbers(figures["question_answers"]) == {0.0, SMALL}  # type: ignore[arg-type]
    assert set(figures["question_attention"].frame()["attention"].dropna()) == {SMALL}
    export(figures["question_bridge"], tmp_path / "bridge.csv")
    assert set(pd.read_csv(tmp_path / "bridge.csv")["probability"]) == {SMALL}
    sent = json.loads(record().payload({"steps": [0, 10]}))["question"]
    assert set(sent["swap"]["target"]["values"]) == {0}
    assert sent["names"]["5"] == NAMES[5]


def test_answers_that_begin_alike_have_curves_of_their_own() -> None:
    answers, *_ = record().figures(10)
    assert isinstance(answers, Lines)
    labels = [series.label.removesuffix(" (right)") for series in answers.series]
    assert labels == list(NAMES)
    assert len({series.colour for series in answers.series}) == len(NAMES)


def test_a_relation_asked_twice_keeps_both_columns() -> None:
    bridge = record(tokens=(0, 6, 6)).figures(10)[1]
    assert isinstance(bridge, HeatMap)
    assert bridge.columns == (NAMES[0], "studied at", "studied at")
    assert bridge.frame().groupby("x").size().tolist() == [2, 2, 2]


def test_an_entity_and_a_relation_of_one_name_are_told_apart() -> None:
    both = Named_(("capital", "Lyon"), ("capital", "country"))
    assert [both.name(token) for token in range(4)] == [
        "capital", "Lyon", "capital (relation)", "country"
    ]  # fmt: skip


@pytest.fixture
def lab() -> LabRecord:
    before = torch.tensor([0.9, SMALL, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    after = torch.tensor([SMALL, 0.9, 0.0, 0.05, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    return LabRecord(
        run="run",
        book=Named_((*NAMES[:5], "worked at"), ("studied at", "worked at")),
        receiver=(0, 6, 7),
        donor=(1, 6, 7),
        operation=Operation("resid_pre", ((1, 1),), None, "cache"),
        outcome=Outcome(before, after),
        target=1,
        effect=np.full((2, 3), SMALL),
        marks={0: ("✓", "answer")},
    )


def test_the_lab_is_exported_as_measured_with_whole_names(lab: LabRecord) -> None:
    grid, answers = lab.figures(10)
    assert numbers(grid) == {SMALL}  # type: ignore[arg-type]
    assert isinstance(answers, Bars)
    assert answers.categories[:3] == (NAMES[0], NAMES[2], NAMES[1])
    before, after = (dict(zip(answers.categories, s.values, strict=True)) for s in answers.series)
    assert (before[NAMES[1]], after[NAMES[0]]) == (SMALL, SMALL)
    assert before[NAMES[0]] == after[NAMES[1]] == 0.9
    assert {"worked at", "worked at (relation)"} & set(answers.categories)


def test_the_lab_sends_what_it_shows(lab: LabRecord) -> None:
    sent = json.loads(lab.payload({}))["lab"]
    assert sent["before"][0] == {"name": NAMES[0], "share": 0.9, "mark": "✓", "kind": "answer"}
    assert sent["positions"] == ["subject", "relation 1", "relation 2"]
    assert sent["cells"] == [[1, 1]]


def test_a_presentation_of_the_lab_says_which_answer_is_expected(lab: LabRecord) -> None:
    swapped = replace(lab, marks={**lab.marks, 1: ("⇄", "swap")})
    said = [json.loads(record.payload({}))["lab"]["said"] for record in (lab, swapped)]
    assert said[0].endswith("Written: the donor's activation (resid_pre).")
    assert said[1].endswith(f"(resid_pre), which should make it {NAMES[1]}.")


def test_colours_on_the_page_are_those_of_the_figures() -> None:
    from analyses.figures.renderers.style import CATEGORIES
    from analyses.figures.words import split_of, target_of

    for split in DRAWN_SPLITS:
        assert COLOURS[split] == CATEGORIES[split_of(split).colour]
    for target in {name for names in LENS_TARGETS.values() for name in names}:
        assert COLOURS[target] == CATEGORIES[target_of(target).colour]


def test_letters_in_discs_are_explained_for_every_name_that_the_lens_looks_for() -> None:
    run = SimpleNamespace(corpus=SimpleNamespace(task="composition"))
    three = ["bridge", "bridge_2", "relation_2", "relation_3", "answer"]
    lens = xr.Dataset(coords={"target": three})
    assert lens_targets(run, lens) == three  # type: ignore[arg-type]
    assert lens_targets(run, None) == ["bridge", "relation_2", "answer"]  # type: ignore[arg-type]


def test_an_answer_has_the_same_colour_on_screen_and_on_paper() -> None:
    made = record()
    sent = json.loads(made.payload({"steps": [0, 10]}))["question"]["curves"]
    drawn = made.figures(10)[0]
    assert isinstance(drawn, Lines)
    assert [curve["colour"] for curve in sent] == [f"run_{s.colour}" for s in drawn.series]
    by_token = {curve["token"]: curve["colour"] for curve in sent}
    assert by_token[made.asked.values[0]] == f"run_{TARGETS['bridge'].colour}"
    assert by_token[made.asked.answer] == f"run_{TARGETS['answer'].colour}"


def test_trained_id_and_ood_stay_apart_without_colour() -> None:
    def grey(name: str) -> float:
        red, green, blue = (int(COLOURS[name][i : i + 2], 16) for i in (1, 3, 5))
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255

    looks = [(grey(name), SPLITS[name].dash) for name in DRAWN_SPLITS]
    for i, (light, dash) in enumerate(looks):
        assert all(abs(light - other) > 0.2 or dash != lines for other, lines in looks[:i])


def test_trained_id_and_ood_stay_apart_in_greyscale() -> None:
    """Lightness L* (CIE 1976) of their colours on either theme; 10 is plainly seen side by side."""
    from itertools import combinations

    from analyses.figures.renderers.style import category, rgb
    from analyses.figures.words import split_of

    def lightness(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
        luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
        return 116 * luminance ** (1 / 3) - 16

    for theme, apart in (("light", 15), ("dark", 10)):
        found = [
            lightness(category(split_of(name).colour, theme))
            for name in ("train_inferred", "id_test", "ood_test")
        ]
        assert min(abs(a - b) for a, b in combinations(found, 2)) >= apart


def test_a_bridge_swap_is_brown_on_screen_and_on_paper() -> None:
    from analyses.figures.renderers.style import CATEGORIES
    from analyses.figures.words import control_colour

    assert COLOURS["swap"] == CATEGORIES[control_colour("bridge")]
