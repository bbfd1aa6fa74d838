"""Settings as typed and as tables: one parser, one validation, one kind of sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circuits.errors import HopscopeError
from circuits.recipes.schema import load_recipe, parse_recipe
from circuits.settings import parse_setting


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a.b=1", "a.b", 1),
        (" a = [1, 'x=y'] ", "a", [1, "x=y"]),
        ("a=bare word", "a", "bare word"),
        ("a=", "a", ""),
    ],
)
def test_a_value_is_toml_or_a_bare_word(text: str, key: str, value: Any) -> None:
    assert parse_setting(text, "key=value", "a=1") == (key, value)


@pytest.mark.parametrize("text", ["", "a", "=1", ".a=1", "a..b=1", "a. =1"])
def test_what_has_no_key_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(HopscopeError, match=r"is not of the form key=value, e\.g\. a=1\."):
        parse_setting(text, "key=value", "a=1")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"trainin": {}}, r"mine: unknown recipe key 'trainin'. Did you mean 'training'"),
        ({"model": {"d_modl": 3}}, r"mine in \[model\]: unknown recipe key 'd_modl'.*'d_model'"),
        ({"model": {"d_model": 0}}, r"mine: model\.d_model = 0 is refused: "),
        ({"model": 3}, r"mine: model = 3 is refused: "),
    ],
)
def test_a_wrong_table_names_where_key_and_remedy(table: dict[str, Any], said: str) -> None:
    with pytest.raises(HopscopeError, match=said):
        parse_recipe(table, "mine")


@pytest.mark.parametrize("reverse", [False, True])
def test_naming_another_source_drops_what_belongs_to_the_recipes_own(
    tmp_path: Path, reverse: bool
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[source]\nname = "geonames"\nmulti_valued = "mark"\n'
        'options = { n_countries = 9 }\nleave_out_relations = ["capital"]\n'
    )
    overrides = ["source.name=triples", "source.path=facts.tsv"]
    source = load_recipe(recipe, overrides[::-1] if reverse else overrides).source
    assert (source.name, source.path, source.multi_valued) == ("triples", "facts.tsv", "mark")
    assert not source.options
    assert not source.leave_out_relations
    same = load_recipe(recipe, ["source.name=geonames"]).source
    assert same.options == {"n_countries": 9}
    assert same.leave_out_relations == ("capital",)
