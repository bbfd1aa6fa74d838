"""What a language model is asked, and the JSON that it may answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int

from circuits.corpus.augmentation.types import EntityTypes
from circuits.graph.knowledge_graph import KnowledgeGraph

LISTED = 300
"""Objects are listed in the schema up to this many; beyond, any name may be answered."""

EXAMPLES = 5
LETTERS_PER_TOKEN = 4
"""A rule of thumb for English; only the estimate rests on it."""

LETTERS_PER_NAME = 40
"""Room for an object where they are not listed."""

_TASK = (
    "You complete a knowledge graph. For every subject give the object of the relation, spelled as "
    "in the graph, or null if you do not know it or it has none. Answer with one JSON object only, "
    'in which every subject is a key: {"SUBJECT": "OBJECT", "SUBJECT": null}.'
)


@dataclass(frozen=True)
class Prompt:
    """A batch of slots of one relation."""

    relation: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    """All that may be answered, or a few of them if there are too many to list."""
    listed: bool
    """Whether these are all."""
    examples: tuple[tuple[str, str], ...]
    """(subject, object) of known facts."""

    @property
    def messages(self) -> list[dict[str, str]]:
        """System and user message."""
        asked: dict[str, Any] = {
            "relation": self.relation,
            "known": [{"subject": s, "object": o} for s, o in self.examples],
            "objects" if self.listed else "objects such as": list(self.objects),
            "subjects": list(self.subjects),
        }
        text = json.dumps(asked, ensure_ascii=False, indent=1)
        return [{"role": "system", "content": _TASK}, {"role": "user", "content": text}]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer: an object with every subject once, and what it may say of it.

        An array of facts would admit the empty one, and the same subject twice.
        """
        name: dict[str, Any] = {"type": "string"}
        if self.listed:
            name["enum"] = list(self.objects)
        return {
            "type": "object",
            "properties": {subject: {"$ref": "#/$defs/object"} for subject in self.subjects},
            "required": list(self.subjects),
            "additionalProperties": False,
            "$defs": {"object": {"anyOf": [name, {"type": "null"}]}},
        }

    @cached_property
    def longest_answer(self) -> int:
        """Bytes of the longest answer, so that no tokenizer needs more tokens for it.

        Without blanks beyond the usual ones; objects that are not listed count
        `LETTERS_PER_NAME`.
        """
        names = self.objects if self.listed else ["x" * LETTERS_PER_NAME]
        longest = max(names, key=lambda name: len(name.encode()))
        return len(json.dumps(dict.fromkeys(self.subjects, longest), ensure_ascii=False).encode())

    @cached_property
    def letters(self) -> int:
        """Of messages and schema together."""
        return len(json.dumps([self.messages, self.schema], ensure_ascii=False))

    def digest(self, model: str) -> str:
        """Identifies what was asked of which model."""
        asked = json.dumps([model, self.messages, self.schema], ensure_ascii=False)
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


def prompts_for(
    graph: KnowledgeGraph,
    types: EntityTypes,
    batches: Sequence[tuple[int, Int[np.ndarray, " k"]]],
    seed: int,
) -> list[Prompt]:
    """A prompt for each batch (relation, subjects)."""
    found = []
    for relation, subjects in batches:
        draw = np.random.default_rng([seed, relation])
        known = graph.facts[graph.facts[:, 1] == relation]
        shown = known[np.sort(draw.permutation(len(known))[:EXAMPLES])]
        objects = types.objects(relation)
        listed = len(objects) <= LISTED
        some = objects if listed else np.sort(draw.permutation(objects)[:EXAMPLES])
        name = graph.entities
        found.append(
            Prompt(
                graph.relations[relation],
                tuple(name[s] for s in subjects),
                tuple(name[o] for o in some),
                listed,
                tuple((name[s], name[o]) for s, _, o in shown),
            )
        )
    return found
