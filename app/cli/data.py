"""`hopscope data`: what a source offers, and what a recipe would make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuits.errors import HopscopeError

if TYPE_CHECKING:
    from circuits.graph.knowledge_graph import KnowledgeGraph
    from circuits.recipes.schema import Recipe

SPLIT_UP_TO = 5_000_000
"""The most two-hop paths for which splits are computed without a recipe."""


def data_command(
    source: Annotated[
        str, typer.Argument(help="A source (geonames, ...), a file, or a recipe (.toml).")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON to standard output.")] = False,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose augmentation and splits are to be shown.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, may be repeated.")
    ] = None,
    phi: Annotated[
        float | None, typer.Option(help="Show what augmentation to this phi would add.")
    ] = None,
    phi_g: Annotated[
        float, typer.Option(help="phi from which the architecture is taken to grok.")
    ] = 3.6,
) -> None:
    """Report on a source: phi per relation, shortcuts, splits, what augmentation would add.

    Inverse and duplicate relations are named, with the option that leaves them out. For a recipe
    with a section [text], some facts and questions are shown as text, with their tokens.
    """
    from circuits.corpus.build import source_graph
    from circuits.graph.report import graph_report

    chosen = chosen_recipe(source, recipe, list(settings or ()), phi)
    graph = source_graph(chosen.source)
    report = graph_report(graph, phi_g)
    asked = bool(recipe or settings or phi is not None or source.endswith(".toml"))
    made = _corpus(chosen, graph, report.inferred, asked)
    if as_json:
        print(json.dumps({"graph": report.to_json(), **made}, ensure_ascii=False, indent=2))
        return
    from app.cli.corpus_tables import print_corpus
    from app.cli.tables import print_graph

    print_graph(report, made)
    print_corpus(made)
    if "text" in made:
        from app.cli.text_tables import print_text

        print_text(made["text"])


def chosen_recipe(
    source: str, recipe: Path | None, settings: list[str], phi: float | None
) -> Recipe:
    """The recipe with the source put in; the recipe's options are kept if it is the same source."""
    from circuits.graph.sources import find_source
    from circuits.recipes.schema import load_recipe, parse_recipe

    if phi is not None:
        settings.append(f"augmentation.phi={phi}")
    if source.endswith(".toml"):
        if recipe is not None:
            raise HopscopeError(f"{source} is a recipe already; leave out --recipe {recipe}.")
        return load_recipe(Path(source), settings)
    named, path = find_source(source)
    if recipe is None:
        table: dict[str, Any] = {"source": {"name": named.name}}
        if path is not None:
            table["source"]["path"] = str(path)
        return parse_recipe(table, "the command line", settings)
    loaded = load_recipe(recipe, settings)
    if path is None and loaded.source.name == named.name:
        return loaded
    same = loaded.source.name == named.name
    section = loaded.source.model_copy(
        update={
            "name": named.name,
            "path": None if path is None else str(path),
            "options": loaded.source.options if same else {},
        }
    )
    return loaded.model_copy(update={"source": section})


def _corpus(recipe: Recipe, graph: KnowledgeGraph, inferred: int, asked: bool) -> dict[str, Any]:
    """What the recipe makes of the graph, or why it cannot; unmet explicit requests are errors."""
    if inferred > SPLIT_UP_TO and not asked:
        return {
            "no_corpus": f"Splits of {inferred:,} two-hop paths are computed only when a recipe is "
            "given (--recipe)."
        }
    from circuits.corpus.build import build_corpus
    from circuits.corpus.shortcuts import baselines

    try:
        corpus = build_corpus(recipe, graph)
    except HopscopeError as error:
        if asked:
            raise
        return {"no_corpus": f"With the default recipe there are no splits: {error}"}
    made = {"corpus": corpus.report, "baselines": baselines(corpus)}
    if recipe.text is None:
        return made
    from app.cli.text_tables import text_report
    from circuits.text.corpus import text_corpus

    return made | {"text": text_report(text_corpus(recipe, corpus))}
