"""A graph with facts that a language model, or a file, proposed; written as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from circuits.corpus.augmentation.rules import Rules, read_rules
from circuits.corpus.augmentation.types import EntityTypes, learn_types
from circuits.corpus.proposals.answers import Answers
from circuits.corpus.proposals.asking import Asking
from circuits.corpus.proposals.judging import Judge, Proposal
from circuits.corpus.proposals.prompts import LETTERS_PER_TOKEN, Prompt, prompts_for
from circuits.corpus.proposals.server import Address, Answer, answer_tokens
from circuits.corpus.proposals.slots import batches, open_slots
from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.recipes.schema import AugmentationSection


@dataclass(frozen=True)
class Estimate:
    """What asking will cost."""

    slots: int
    prompts: int
    tokens_in: int
    """By the rule of thumb of four letters a token."""
    most_tokens_out: int
    answered: int
    """Prompts that were answered before."""

    def price(self, per_million_in: float, per_million_out: float) -> float:
        """Most that it can cost, at these prices for a million tokens."""
        return (self.tokens_in * per_million_in + self.most_tokens_out * per_million_out) / 1e6


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    accepted: int
    agreeing: int
    """Of these, facts that the source states although the graph leaves them out."""
    disagreeing: int
    """Of these, facts for whose slot the source states another object."""
    rejected: dict[str, int] = field(default_factory=dict)
    """By reason."""
    asked: int = 0
    """Prompts that were sent; answers kept from before are not."""


@dataclass(frozen=True)
class Plan:
    """What will be asked about a graph."""

    graph: KnowledgeGraph
    types: EntityTypes
    rules: Rules
    prompts: tuple[Prompt, ...]

    @classmethod
    def make(
        cls,
        graph: KnowledgeGraph,
        section: AugmentationSection,
        *,
        facts: int,
        batch: int = 20,
        seed: int = 0,
    ) -> Plan:
        """Choose open slots and write their prompts.

        Args:
            graph: The graph.
            section: Its `type_relation`, `acyclic` and `protect` hold for proposed facts too.
            facts: Slots to ask for, at most.
            batch: Slots in a prompt, at most.
            seed: Of the choice among equal slots, and of the examples shown.
        """
        rules = read_rules(graph, section.protect, section.acyclic)
        types = learn_types(graph, section.type_relation)
        slots = open_slots(graph, types, facts, seed)
        found = prompts_for(graph, types, batches(slots, batch), seed)
        return cls(graph, types, rules, tuple(found))


def estimate(plan: Plan, model: str, answers: Answers) -> Estimate:
    """The cost of a plan, without what was answered before."""
    left = [p for p in plan.prompts if answers.get(p.digest(model)) is None]
    return Estimate(
        slots=sum(len(p.subjects) for p in plan.prompts),
        prompts=len(plan.prompts),
        tokens_in=sum(-(-p.letters // LETTERS_PER_TOKEN) for p in left),
        most_tokens_out=sum(map(answer_tokens, left)),
        answered=len(plan.prompts) - len(left),
    )


def augment_with(
    plan: Plan,
    model: str,
    answer: Answer,
    answers: Answers,
    out: Path,
    told: Callable[[int], None] = lambda n: None,
) -> Outcome:
    """Ask every prompt that was not answered before, judge the answers, and write the graph.

    Args:
        plan: What to ask.
        model: Its name, for the digest of a prompt and for the written facts.
        answer: Asks the model.
        answers: Those of before, which grow.
        out: The file to write.
        told: Called with the number of prompts done, after each.

    Raises:
        HopscopeError: as `answer` does, or if a file cannot be written; answers so far are kept.
    """
    judge = Judge(plan.graph, plan.types, plan.rules)
    asking = Asking(model, answer, answers, judge.rejected)
    for done, prompt in enumerate(plan.prompts, 1):
        judge.hear(asking.proposals(prompt))
        told(done)
    return _written(judge, model, out, asking.asked)


def augment_from_file(plan: Plan, file: Path, out: Path) -> Outcome:
    """Judge the facts of a JSON-lines file in place of a model's, and write the graph.

    Args:
        plan: The graph; its prompts are not used.
        file: A fact {"subject": ..., "relation": ..., "object": ...} in each line.
        out: The file to write.

    Raises:
        HopscopeError: if the file cannot be read, naming the first line that is no fact.
    """
    judge = Judge(plan.graph, plan.types, plan.rules)
    judge.hear(_facts_of(file))
    return _written(judge, f"file:{file.name}", out, 0)


def read_with(text: str) -> Address | Path:
    """What --with names: a served model, or a file of facts.

    Raises:
        HopscopeError: if it is neither.
    """
    return Path(text[len("file:") :]) if text.startswith("file:") else Address.read(text)


def _facts_of(file: Path) -> Iterator[Proposal]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HopscopeError(f"{file} cannot be read ({error}).") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            subject, relation, obj = (row[key] for key in ("subject", "relation", "object"))
            if not all(isinstance(name, str) for name in (subject, relation, obj)):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise HopscopeError(
                f'{file}, line {number} is not a fact {{"subject": ..., "relation": ..., '
                f'"object": ...}} with three names: {line[:100]}'
            ) from None
        yield Proposal(subject, relation, obj, f"line {number}")


def _written(judge: Judge, model: str, out: Path, asked: int) -> Outcome:
    graph = judge.graph
    facts = np.array([row for row, _ in judge.accepted], np.int32).reshape(-1, 3)
    agrees = _agreement(graph, facts)
    rows: list[dict[str, Any]] = [
        {**_named(graph, fact), "provenance": PROVENANCES[origin]}
        for fact, origin in zip(graph.facts.tolist(), graph.provenance.tolist(), strict=True)
    ]
    for fact, (_, proposal), agreed in zip(facts.tolist(), judge.accepted, agrees, strict=True):
        added = {"provenance": "added_llm", "model": model, "prompt": proposal.prompt}
        rows.append({**_named(graph, fact), **added, "agrees": agreed})
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    write_atomically(out, ("\n".join(lines) + "\n").encode())
    return Outcome(
        accepted=len(facts),
        agreeing=agrees.count(True),
        disagreeing=agrees.count(False),
        rejected={reason: n for reason, n in sorted(judge.rejected.items()) if n},
        asked=asked,
    )


def _agreement(graph: KnowledgeGraph, facts: np.ndarray) -> list[bool | None]:
    """Whether the source states each fact; None where it states nothing for the slot."""
    left_out = np.concatenate([graph.held_back, graph.also_true])
    slots = {(int(s), int(r)) for s, r, _ in left_out}
    true = graph.known_true(facts).tolist()
    known = [(s, r) in slots for s, r, _ in facts.tolist()]
    return [bool(t) if k else None for t, k in zip(true, known, strict=True)]


def _named(graph: KnowledgeGraph, fact: Sequence[int]) -> dict[str, str]:
    subject, relation, obj = fact
    return {
        "subject": graph.entities[subject],
        "relation": graph.relations[relation],
        "object": graph.entities[obj],
    }
