"""Two-hop questions that follow from facts, for files that have facts and prompts only."""

from __future__ import annotations

from collections import defaultdict

from circuits.graph.sources.question_files.record import FileQuestion, QuestionFile
from circuits.graph.sources.two_wiki.names import Mention


def ask_chains(file: QuestionFile) -> None:
    """Add a question for every chain of two facts, with the file's prompts for its single hops.

    Left out are (subject, relation) with several objects, which have no one right answer, and
    chains that lead back to an entity that they have passed; both are counted.
    """
    objects: defaultdict[tuple[Mention, str], dict[Mention, None]] = defaultdict(dict)
    for subject, relation, obj in file.facts:
        objects[subject, relation][obj] = None
    one = {key: next(iter(found)) for key, found in objects.items() if len(found) == 1}
    file.counts["keys_of_several_objects"] = len(objects) - len(one)
    hops: defaultdict[Mention, list[tuple[str, Mention]]] = defaultdict(list)
    for (subject, relation), obj in one.items():
        hops[subject].append((relation, obj))
    if len(one) < len(objects):
        file.say(
            f"{len(objects) - len(one):,} of {len(objects):,} (subject, relation) have several "
            "objects; no question is asked over them."
        )
    prompts = {relation: most.most_common(1)[0][0] for relation, most in file.templates.items()}
    for (subject, first), bridge in one.items():
        for second, answer in hops[bridge]:
            if len({subject, bridge, answer}) < 3:
                file.counts["chains_that_return"] += 1
                continue
            file.questions.append(
                FileQuestion(
                    subject[0],
                    first,
                    bridge[0],
                    second,
                    answer[0],
                    hop_1=_prompt(prompts, first, subject[0]),
                    hop_2=_prompt(prompts, second, bridge[0]),
                )
            )


def _prompt(prompts: dict[str, str], relation: str, subject: str) -> str | None:
    template = prompts.get(relation)
    return None if template is None else template.replace("{subject}", subject)
