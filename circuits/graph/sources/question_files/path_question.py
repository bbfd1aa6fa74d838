"""PathQuestion and PathQuestion-Large (arXiv 1801.09893): a question, its answers and its path.

Files `PathQuestion/PQ-2H.txt`, `PQ-3H.txt`, `PQL-2H.txt`, `PQL-3H.txt` of zmtkeke/IRN, also
`data/PQ/2H.txt` and the like (no licence is stated). One question per line, separated by tabs:

    what is the nation of ann_lee 's couple ?	france(france/)	ann_lee#spouse#bo#nationality#france#<end>#france

1. The question. Several lines word one path; they are one question here, with several wordings.
2. The answer, in brackets all right answers, each followed by "/"; `data/PQ` has them in column 4.
3. The path: subject, relation, entity, relation, entity, ..., in PQ followed by `<end>` and the
   answer. PQL writes relations as Freebase does, `__film__cinematographer__film`.

By default underscores become blanks, and such a relation "film/cinematographer/film". Paths of
three hops give facts only. The knowledge bases beside (`2H-kb.txt`, ...) are plain triples: source
`triples`.
"""  # noqa: E501  # a line of the file, as it is

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from circuits.graph.sources.formats.files import opened, text_lines
from circuits.graph.sources.question_files.options import QuestionFileOptions
from circuits.graph.sources.question_files.reader import graph_reader
from circuits.graph.sources.question_files.record import (
    FileQuestion,
    QuestionFile,
    distinct,
    question_prompt,
)

_ANSWERS = re.compile(r"(?P<first>.*?)\((?P<all>.*)\)")
Key = tuple[str, ...]


class PathQuestionOptions(QuestionFileOptions):
    """How PathQuestion is read.

    >>> OPTIONS().readable
    True
    """

    readable: bool = True
    """Write names with blanks in place of underscores; else as in the file."""


OPTIONS = PathQuestionOptions


def fill(file: QuestionFile, options: PathQuestionOptions) -> None:
    """Read all lines."""
    asked: dict[Key, FileQuestion] = {}
    for place, line in _lines(file, options.limit):
        try:
            _line(file, line, options.readable, asked)
        except ValueError as problem:
            file.broken.add(place, line, str(problem))
    file.questions += asked.values()
    longer = file.counts["questions_of_more_hops"]
    if longer:
        file.say(
            f"{longer:,} of {file.counts['records']:,} lines have more than two hops: their facts "
            "are read, the questions are not."
        )


def _lines(file: QuestionFile, limit: int | None) -> Iterator[tuple[str, str]]:
    with opened(file.path) as stream:
        filled = (
            (f"line {n}", line)
            for n, line in text_lines(stream, str(file.path))
            if line and not line.isspace()
        )
        yield from islice(filled, limit)


def _line(file: QuestionFile, line: str, readable: bool, asked: dict[Key, FileQuestion]) -> None:
    fields = line.rstrip("\r").split("\t")
    if len(fields) < 3:
        raise ValueError(
            f"has {len(fields)} fields in place of three: question, answer and path, by tabs"
        )
    question, answers, path = fields[:3]
    parts = path.split("#<end>")[0].split("#")
    if len(parts) < 3 or len(parts) % 2 == 0:
        raise ValueError(
            f"has a path of {len(parts)} parts; expected are subject#relation#entity#..., e.g. "
            "ann_lee#spouse#bo#nationality#france"
        )
    file.counts["records"] += 1
    names = [file.name(_entity(part, readable), "name") for part in parts[::2]]
    relations = [file.name(_relation(file, part, readable), "relation") for part in parts[1::2]]
    file.facts += [
        ((subject, None), relation, (obj, None))
        for subject, relation, obj in zip(names[:-1], relations, names[1:], strict=True)
    ]
    if len(relations) != 2:
        file.counts["questions_of_more_hops"] += len(relations) > 2
        return
    wording = question_prompt(_sentence(question) if readable else question)
    found = _ANSWERS.fullmatch(answers)
    right = found["all"] if found else fields[3] if len(fields) > 3 else answers
    also = [_entity(name, readable) for name in right.split("/")]
    key = (names[0], *relations, *names[1:])
    before = asked.setdefault(
        key, FileQuestion(names[0], relations[0], names[1], relations[1], names[2])
    )
    asked[key] = replace(
        before,
        composed=distinct([*before.composed, wording], but=""),
        answer_aliases=distinct([*before.answer_aliases, *also], but=names[2]),
    )


def _entity(text: str, readable: bool) -> str:
    return " ".join(text.split("_")).strip() if readable else text


def _relation(file: QuestionFile, text: str, readable: bool) -> str:
    if not readable:
        return text
    steps = [" ".join(step.split("_")).strip() for step in text.split("__") if step.strip("_")]
    relation = "/".join(steps)
    if len(steps) > 1:
        file.phrases[relation] = steps[-1]
    return relation


def _sentence(question: str) -> str:
    """The question with its names readable and its marks where they belong."""
    return " ".join(question.replace("_", " ").split()).replace(" 's", "'s").replace(" ?", "?")


read = graph_reader("path_question", fill)
