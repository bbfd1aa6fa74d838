"""Asking prompt by prompt: answers of before are kept, and what is not an answer is asked again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from circuits.corpus.proposals.answers import Answers
from circuits.corpus.proposals.judging import Proposal, proposals_in
from circuits.corpus.proposals.prompts import Prompt
from circuits.corpus.proposals.server import Answer, ServerFailed

TEMPERATURES = (0.0, 0.7)
"""Of the tries: an answer that is not the JSON that was asked for is no other at temperature 0."""

MOST_FAILURES = 3
"""So many prompts in a row that a server fails to answer end the run."""


@dataclass
class Asking:
    """Proposals of a model, prompt by prompt."""

    model: str
    answer: Answer
    answers: Answers
    """Those of before, which grow."""
    rejected: Counter[str]
    """By reason; grows."""
    asked: int = 0
    """Prompts that were sent."""
    _failures: int = 0

    def proposals(self, prompt: Prompt) -> list[Proposal]:
        """What the model proposes for a prompt; [] and counted if it gives no answer.

        Raises:
            HopscopeError: as `answer` does; a server's own error (5xx) only at the third prompt in
                a row that has one, since a single prompt may cause it.
        """
        before = self.answers.get(prompt.digest(self.model))
        found = None if before is None else self._read(prompt, before)
        if found is not None:
            return found
        why = "malformed"
        for temperature in TEMPERATURES:
            self.asked += 1
            try:
                text = self.answer(prompt, temperature)
            except ServerFailed:
                why, self._failures = "server error", self._failures + 1
                if self._failures == MOST_FAILURES:
                    raise
                break
            self._failures = 0
            found = self._read(prompt, text)
            if found is not None:
                self.answers.keep(prompt.digest(self.model), text)
                return found
        self.rejected[why] += len(prompt.subjects)
        return []

    def _read(self, prompt: Prompt, text: str) -> list[Proposal] | None:
        digest = prompt.digest(self.model)
        return proposals_in(text, prompt.relation, prompt.subjects, digest, self.rejected)
