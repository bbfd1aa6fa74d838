"""From a question file to a knowledge graph: names are merged by a stated policy and counted.

`notes["wording"]` holds the file's templates and phrases, which a recipe's [text] uses where it has
no own; `notes["questions"]` what the file asks in two hops, so that a corpus can hold it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError, unknown_name
from circuits.graph.knowledge_graph import KnowledgeGraph, MultiValued
from circuits.graph.sources.options import existing_file, existing_path
from circuits.graph.sources.question_files.options import QuestionFileOptions
from circuits.graph.sources.question_files.record import QuestionFile, Read
from circuits.graph.sources.question_files.wording import wording
from circuits.graph.sources.question_signs import SIGNS, described, question_format
from circuits.graph.sources.two_wiki.names import Merge, Naming, name_entities
from circuits.settings import validated

Reader = Callable[[str | Path | None, Any, MultiValued], KnowledgeGraph]


def filled(path: Path, format_: str, fill: Read, options: Any) -> QuestionFile:
    """The content of a file.

    Raises:
        HopscopeError: if it cannot be read, or has nothing in it.
    """
    file = QuestionFile(path, format_)
    fill(file, options)
    if not options.skip_broken:
        file.broken.refuse(
            "Correct the file, or set source.options.skip_broken = true to leave such out."
        )
    if not file.facts:
        left = f" ({file.broken.count:,} records are broken)" if file.broken.count else ""
        raise HopscopeError(f"{path} holds no question and no fact{left}; give another file.")
    return file


def question_file(
    path: str | Path, format_: str | None = None, options: Mapping[str, Any] | None = None
) -> QuestionFile:
    """Read a file of two-hop questions or of facts with prompts, in its format.

    Args:
        path: The file.
        format_: A key of `SIGNS`; by default the columns or keys of the file tell.
        options: Options of that format.

    Raises:
        HopscopeError: if the format is not known or the file cannot be read in it.
    """
    found = format_ or question_format(existing_path(path, "questions"))
    if found is None:
        raise HopscopeError(
            f"{path} is not a known question file; each is told by columns or keys: "
            f"{described()}. Give the file as it was published."
        )
    if found not in SIGNS:
        raise unknown_name("question format", found, SIGNS)
    home = import_module(f"circuits.graph.sources.question_files.{found}")
    kind = f"option of source {found!r}"
    chosen = validated(home.OPTIONS, options or {}, "source.options", kind)
    return filled(existing_path(path, found), found, home.fill, chosen)


def graph_reader(format_: str, fill: Read, folders: bool = False) -> Reader:
    """The reader of a source: (path, options, policy) -> graph; `folders`: of folders as well."""

    def read(
        path: str | Path | None, options: QuestionFileOptions, multi_valued: MultiValued
    ) -> KnowledgeGraph:
        found = existing_path(path, format_) if folders else existing_file(path, format_)
        file = filled(found, format_, fill, options)
        return graph_of(file, options, multi_valued)

    return read


def graph_of(
    file: QuestionFile, options: QuestionFileOptions, multi_valued: MultiValued
) -> KnowledgeGraph:
    """The graph of all facts; `notes` reports what was merged, left out and repeated."""
    naming = named(file, options)
    by_name = {(mention[0], relation): naming[mention] for mention, relation, _ in file.facts}
    asked = {
        (by_name.get((q.subject, q.relation_1), q.subject), q.relation_1, q.relation_2): None
        for q in file.questions
    }
    return KnowledgeGraph.from_triples(
        file.format,
        ((naming[s], relation, naming[o]) for s, relation, o in file.facts),
        multi_valued=multi_valued,
        notes={
            "source": file.path.name,
            "questions": [list(question) for question in asked],
            "n_questions": len(file.questions),
            "wording": wording(file),
            "merged": naming.report,
            "report": {
                **file.counts,
                "broken": file.broken.count,
                "first_broken": file.broken.first,
                "names": file.names.report(),
            },
            "reading": [*file.said, *_said_of(naming), *file.names.sentences()],
        },
    )


def named(file: QuestionFile, options: QuestionFileOptions) -> Naming:
    """What each mention is called in the graph."""
    mentions = [mention for subject, _, obj in file.facts for mention in (subject, obj)]
    merge: Merge
    if options.merge == "auto":
        merge = "ids" if any(identity for _, identity in mentions) else "exact"
    else:
        merge = options.merge
    return name_entities(mentions, merge, {})


def _said_of(naming: Naming) -> list[str]:
    report, said = naming.report, []
    if report["merged_groups"]:
        name, forms = report["examples"][0]
        said.append(
            f"Entities with several spellings: {report['merged_groups']:,}; each is one entity (by "
            f"{report['by']}), e.g. {name!r} for {', '.join(map(repr, forms))}."
        )
    if report["names_of_several_entities"]:
        several = report["names_of_several_entities"]
        said.append(
            f"Names that belong to several Wikidata ids: {len(several):,}; they are apart, with "
            f"the id in brackets, e.g. {several[0]!r}."
        )
    return said
