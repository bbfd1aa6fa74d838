"""2WikiMultiHopQA as two-hop questions: its compositional and inference questions.

Its files are described in `circuits.graph.sources.two_wiki`, whose reader makes the graph. A
question is asked in its own words, "Q: ... A:"; it has no prompts for its single hops.
"""

from __future__ import annotations

from circuits.graph.sources.question_files.record import (
    FileQuestion,
    QuestionFile,
    distinct,
    question_prompt,
)
from circuits.graph.sources.two_wiki.reader import TwoWikiOptions, two_wiki_questions

OPTIONS = TwoWikiOptions


def fill(file: QuestionFile, options: TwoWikiOptions) -> None:
    """Read all questions."""
    for asked in two_wiki_questions(file.path, options):
        file.counts["records"] += 1
        file.facts += [((s, None), relation, (o, None)) for s, relation, o in asked.evidences]
        if asked.type not in ("compositional", "inference"):
            continue
        for subject, first, bridge, second, answer in asked.chains():
            file.questions.append(
                FileQuestion(
                    subject,
                    first,
                    bridge,
                    second,
                    answer,
                    composed=(question_prompt(asked.question),) if asked.question else (),
                    answer_aliases=distinct([asked.answer], but=answer),
                    category=asked.type,
                    identity=asked.identity,
                )
            )
