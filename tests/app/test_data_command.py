"""`hopscope data`, as a user types it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import typer
from random_graphs import people_and_places, random_graph
from typer.testing import CliRunner

from app.cli.data import chosen_recipe, data_command
from app.cli.main import main
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


BRACKETS = [
    ("Lyon", "[in]", "France"),
    ("France", "[/film/genre]", "Euro"),
    ("Euro", "is :key: [a]", "[bold]"),
    ("Nice", "turned \u202e round", "France"),
]


def _file(folder: Path, rows: Iterable[tuple[str, str, str]], name: str = "facts.tsv") -> str:
    path = folder / name
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def _text(*arguments: str) -> str:
    """What the command prints, without the breaks that a narrow terminal makes."""
    result = run.invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "250"})
    assert result.exit_code == 0
    return result.stdout


def test_names_are_printed_as_they_are_and_never_as_markup(tmp_path):
    few = ["--set", "splits.id_test_items=1", "--set", "splits.ood_share=0"]
    text = _text(_file(tmp_path, BRACKETS), *few)
    for name in ("[in]", "[/film/genre]", "is :key: [a]", r"turned \u202e round"):
        assert name in text
    assert "\u202e" not in text


def test_phi_in_text_says_what_was_added_how_and_of_what_types(tmp_path):
    graph = people_and_places(0.0, n=60)
    names = zip(*graph.facts.T.tolist(), strict=True)
    rows = [(graph.entities[s], graph.relations[r], graph.entities[o]) for s, r, o in names]
    path = _file(tmp_path, rows[::2])
    few = ["--set", "splits.id_test_items=20", "--set", "splits.ood_share=0"]
    text = _text(path, "--phi", "1.2", *few)
    for words in ("added by densify", "of these false", "Types that added facts keep to"):
        assert words in text
    assert "effective number of bridges" in text


def test_a_recipe_in_text_prints_splits_answerers_and_what_to_beat():
    text = _text("train/recipes/wild-composition.toml")
    for words in ("added by true_facts", "of these true", "one fact of the subject", "half in"):
        assert words in text
    assert "An accuracy on ood_test means composition only above" in text


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--phi", "2.5"],
        ["--phi-g", "7"],
        ["--set", "source.multi_valued='mark'"],
        ["--set", "source.multi_valued='first'"],
        ["--set", "source.leave_out_relations=['r1']"],
        ["--set", "augmentation.least_phi_r=1.5"],
        ["--set", "augmentation.phi=2.6", "--set", "augmentation.modes=['new_entities']"],
        ["--set", "augmentation.phi=2.2", "--set", "augmentation.growth=1.0"],
        ["--set", "splits.stratify='bridge'", "--set", "splits.heldout_real_items=5"],
        ["--set", "splits.hops=3"],
        ["--set", "splits.inject_ood='both_hops'", "--set", "splits.identity_examples=true"],
        ["--set", "splits.task='comparison'", "--set", "splits.comparison_form='same'"],
        ["--recipe", "RECIPE"],
    ],
    ids=" ".join,
)
def test_every_option_prints_its_tables(tmp_path, options):
    recipe = tmp_path / "r.toml"
    recipe.write_text("seed = 3\n[splits]\nid_test_items = 9\n[source]\nname = 'triples'\n")
    graph = random_graph(40, 5, 3, several=2)
    names = zip(*graph.facts.T.tolist(), strict=True)
    rows = [(graph.entities[s], graph.relations[r], graph.entities[o]) for s, r, o in names]
    options = [str(recipe) if option == "RECIPE" else option for option in options]
    small = [] if "--recipe" in options else ["--set", "splits.id_test_items=9"]
    text = _text(_file(tmp_path, rows), *small, *options)
    assert "phi per relation" in text
    assert "id_test" in text


def test_inverse_relations_are_named_and_can_be_left_out(tmp_path):
    rows = [(f"Land {i}", "capital", f"Town {i}") for i in range(40)]
    rows += [(f"Town {i}", "capital of", f"Land {i}") for i in range(40)]
    rows += [(f"Town {i}", "twin", f"Town {(i * 7 + 3) % 40}") for i in range(40)]
    path = _file(tmp_path, rows)
    small = ["--set", "splits.id_test_items=10"]
    text = _text(path, *small)
    assert "inverse: capital states, turned round, 40 facts of capital of (100% of them)" in text
    option = re.search(r"To leave one of each pair out: --set '([^']+)'", text).group(1)
    assert option == 'source.leave_out_relations=["capital of"]'
    without = _text(path, *small, "--set", option)
    assert "capital of is left out with its 40 facts." in without
    assert "turned round" not in without


def test_relations_that_vanish_are_named_in_text(tmp_path):
    rows = [("Ann", "child", "Bo"), ("Ann", "child", "Cy"), ("Bo", "home", "Lyon")]
    text = _text(_file(tmp_path, rows))
    assert "left out wholly by the policy 'drop': child (2 facts)" in text


def test_paths_that_can_never_be_asked_are_named_apart_from_phi(tmp_path):
    rows = [("Ann", "child", "Bo"), ("Ann", "child", "Cy"), ("Bo", "home", "Lyon")]
    rows += [("Di", "child", "Bo")]
    text = _text(_file(tmp_path, rows), "--set", "source.multi_valued='mark'")
    assert "1 paths over 1 keys with several objects (with them phi would be 0.500)" in text
    assert re.search(r"phi +│ 0\.250", text)


def test_a_refusal_shows_a_hostile_name_as_text(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["hopscope", "data", "no\x1b[31mfile"])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "\x1b" not in said
    assert said.startswith("hopscope: unknown source")
