"""The run table: which rows are kept, how they are grouped, in what runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.logic.run_groups import UNKNOWN, known_to_differ
from app.logic.tables.run_table import (
    BY_RECIPE,
    BY_STATE,
    BY_TAG,
    RunRow,
    columns_of,
    differing_settings,
    grouped_rows,
    kept_rows,
    recipe_diff,
    run_row,
)
from circuits.runs.notes import Notes

ASSETS = Path(__file__).parents[2] / "assets"


def row(name: str, *tags: str, state: str = "finished", **settings: Any) -> RunRow:
    flat = {key.replace("__", "."): value for key, value in settings.items()}
    recipe = str(sorted((k, v) for k, v in flat.items() if k != "seed"))
    return RunRow(
        name, Path(name), state, 40, {"id_test": 0.5}, 2_000_000, "", Notes(tags), flat, recipe
    )


ROWS = [
    row("a", "paper", seed=0, augmentation__phi=9.0, model__n_layers=2),
    row("b", "paper", "slow", seed=1, augmentation__phi=9.0, model__n_layers=2),
    row("c", state="stopped", seed=0, augmentation__phi=18.0, model__n_layers=2),
]


def names(rows: list[RunRow]) -> list[str]:
    return [r.name for r in rows]


@pytest.mark.parametrize(
    ("text", "tags", "kept"),
    [
        ("", [], ["a", "b", "c"]),
        ("stopped", [], ["c"]),
        ("PAPER slow", [], ["b"]),
        ("phi=9.0", [], ["a", "b"]),
        ("phi=9.0 slow", [], ["b"]),
        ("phi=9", [], ["a", "b"]),
        ("", ["slow"], ["b"]),
        ("nothing", [], []),
    ],
)
def test_rows_are_kept_by_name_tag_and_setting(text: str, tags: list[str], kept: list[str]) -> None:
    assert names(kept_rows(ROWS, text, tags)) == kept


def test_only_settings_that_differ_are_columns_and_the_seed_is_one_of_its_own() -> None:
    assert differing_settings(ROWS) == ["augmentation.phi"]
    table = columns_of(ROWS, differing_settings(ROWS))
    assert table["phi"] == ["9", "9", "18"]
    assert table["seed"] == ["0", "1", "0"]
    assert table["ID %"] == [50.0] * 3
    assert table["tags"] == [["paper"], ["paper", "slow"], []]
    assert {len(column) for column in table.values()} == {3}


def test_two_settings_of_one_short_name_keep_their_sections() -> None:
    table = columns_of(ROWS, ["training.steps", "evaluation.steps"])
    assert {"training.steps", "evaluation.steps"} <= set(table)


def test_what_is_unknown_of_an_imported_run_does_not_hide_the_others_settings() -> None:
    tables = [{"phi": 9, "seed": 0}, {"phi": 18, "seed": 1}, {"phi": UNKNOWN, "seed": UNKNOWN}]
    assert known_to_differ(tables) == ["phi"]
    assert known_to_differ(tables[1:]) == []


def test_runs_are_grouped_by_state_tag_recipe_and_setting() -> None:
    def grouped(by: str | None) -> dict[str, list[str]]:
        return {name: names(rows) for name, rows in grouped_rows(ROWS, by).items()}

    assert grouped(None) == {"": ["a", "b", "c"]}
    assert grouped(BY_STATE) == {"finished": ["a", "b"], "stopped": ["c"]}
    assert grouped(BY_TAG) == {"no tag": ["c"], "paper": ["a", "b"], "slow": ["b"]}
    assert grouped(BY_RECIPE) == {"2 seeds of the recipe of a": ["a", "b"], "c": ["c"]}
    assert grouped("augmentation.phi") == {
        "augmentation.phi = 18": ["c"], "augmentation.phi = 9": ["a", "b"],
    }  # fmt: skip


def test_the_recipe_diff_has_every_differing_setting_and_the_seeds() -> None:
    diff = recipe_diff([ROWS[0], ROWS[2]])
    assert diff.columns == ("setting", "a", "c")
    assert diff.rows == (("seed", "0", "0"), ("augmentation.phi", "9", "18"))


def test_a_run_is_read_with_its_curve_and_a_broken_one_with_its_problem(tmp_path: Path) -> None:
    whole = run_row("demo", ASSETS / "demo")
    assert (whole.state, whole.step, whole.asked) == ("finished", 6000, 1000)
    assert whole.curve[-1] == whole.accuracy["id_test"]
    (tmp_path / "recipe.toml").write_text("")
    broken = run_row("x", tmp_path)
    assert broken.state == "damaged"
    assert "manifest" in broken.problem
    assert columns_of([whole, broken], [])["ID %"][1] is None
