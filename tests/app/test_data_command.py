"""`hopscope data`, as a user types it."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from app.cli.data import chosen_recipe, data_command
from circuits.errors import HopscopeError

app = typer.Typer()
app.command()(data_command)
run = CliRunner()


def _json(*arguments: str) -> dict:
    result = run.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    return json.loads(result.stdout)


SMALL = ["grokked_composition", "--set", "source.options.n_entities=40"]
SMALL += ["--set", "source.options.n_relations=12", "--set", "source.options.out_degree=6"]


def test_json_has_the_graph_its_splits_and_the_baselines():
    report = _json("geonames")
    assert report["graph"]["phi"] == pytest.approx(11.6, abs=0.05)
    assert report["corpus"]["splits"]["id_test"] >= 1000
    assert "h_r2" in report["baselines"]["id_test"]


def test_tables_name_every_relation_and_the_verdict():
    few = ["geonames", "--set", "source.options.n_countries=9"]
    text = run.invoke(app, few, catch_exceptions=False).stdout
    for words in ("phi per relation", "currency", "Fully generalizable", "id_test", "ood_test"):
        assert words in text


def test_phi_shows_what_augmentation_would_add():
    before = _json(*SMALL)
    after = _json(*SMALL, "--phi", "7", "--set", "splits.id_test_items=20")
    added = after["corpus"]["augmentation"]
    assert before["corpus"]["augmentation"]["facts_after"] == 240
    assert added["facts_after"] > added["facts_before"] == 240
    assert added["phi_r_after"].keys() == added["phi_r_before"].keys()


def test_a_recipe_is_a_source_too(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('[source]\nname = "triples"\npath = "f.tsv"\nmulti_valued = "mark"\n')
    rows = [f"e{i}\tr{j}\te{(i * 3 + j) % 20}" for i in range(20) for j in range(4)]
    (tmp_path / "f.tsv").write_text("\n".join(rows))
    report = _json(str(recipe))
    assert report["graph"]["atomic"] == 80
    assert report["graph"]["name"] == "f"


def test_a_recipe_keeps_its_options_for_its_own_source_only(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('seed = 7\n[source]\nname = "geonames"\noptions = {n_countries = 5}\n')
    own = chosen_recipe("geonames", recipe, [], None)
    other = chosen_recipe("grokked_composition", recipe, [], 3.6)
    assert own.source.options == {"n_countries": 5}
    assert (other.source.name, other.source.options) == ("grokked_composition", {})
    assert (own.seed, other.seed) == (7, 7)
    assert other.augmentation.phi == 3.6


def test_a_graph_without_paths_is_reported_and_says_why_there_are_no_splits():
    report = _json("grokked_comparison")
    assert report["graph"]["inferred"] == 0
    assert "no splits" in report["no_corpus"]


def test_a_wish_that_cannot_be_met_is_an_error():
    with pytest.raises(HopscopeError, match="cannot be reached"):
        run.invoke(app, ["geonames", "--phi", "500"], catch_exceptions=False)
    with pytest.raises(HopscopeError, match="Did you mean 'geonames'"):
        run.invoke(app, ["geonmes"], catch_exceptions=False)


def test_of_many_relations_the_least_trained_are_shown_and_the_rest_counted():
    many = ["grokked_composition", "--set", "source.options.n_entities=200"]
    many += ["--set", "source.options.n_relations=60", "--set", "source.options.out_degree=6"]
    text = run.invoke(app, many, catch_exceptions=False).stdout
    assert "and 20 more, phi_r up to" in text
