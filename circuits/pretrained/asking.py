"""From the questions of a file to a corpus that a series can be asked about.

What cannot be asked is left out and counted by reason: a role that is not in the prompt, a prompt
that is too long, a name without tokens, two names with the same tokens, a row that contradicts an
earlier one or repeats it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from circuits.corpus.build import atomic_queries, chain_queries
from circuits.corpus.corpus import Corpus
from circuits.corpus.names import ASKED, TRAIN
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.pretrained.asked_text import AskedText, FileWording
from circuits.pretrained.marking import (
    Marked,
    marked_fact,
    marked_question,
    mention,
)
from circuits.pretrained.phrases import Around, Phrases, around, mention_around
from circuits.pretrained.tokenizer import SeriesTokenizer
from circuits.series.recovered import recovered
from circuits.text.spans import token_spans
from circuits.text.two_hop_questions import TwoHopQuestion

_REASONS = {
    "subject": "the subject is not in the prompt",
    "relation_1": "no words for relation 1 in the prompt (it is not the second hop's with other "
    "words for the bridge)",
    "relation_2": "no words for relation 2 in the prompt",
}
"""Why a composed prompt is left out, by the role that is not found."""


@dataclass(frozen=True)
class _Kept:
    """A question whose roles were found."""

    question: TwoHopQuestion
    composed: Marked
    hops: tuple[Marked, Marked]

    @property
    def facts(self) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
        q = self.question
        return (q.subject, q.relation_1, q.bridge), (q.bridge, q.relation_2, q.answer)

    @property
    def prompts(self) -> tuple[Marked, Marked, Marked]:
        return (self.composed, *self.hops)


@dataclass
class _Rules:
    """What was seen so far, and what that refuses."""

    tokenizer: SeriesTokenizer
    n_ctx: int
    object_of: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: set[tuple[str, str, str]] = field(default_factory=set)
    name_of: dict[tuple[int, ...], str] = field(default_factory=dict)
    tokens_of: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def refusal(self, kept: _Kept) -> str | None:
        """Why the question is left out; None: it is asked, and remembered."""
        q = kept.question
        names: dict[tuple[int, ...], str] = {}
        if any(self.object_of.get((s, r), o) != o for s, r, o in kept.facts):
            return "an earlier row gives the same subject and relation another object"
        if (q.subject, q.relation_1, q.relation_2) in self.asked:
            return "asked by an earlier row"
        for name in (q.subject, q.bridge, q.answer):
            tokens = self._tokens(name)
            if not tokens:
                return "a name has no tokens of its own"
            if self.name_of.get(tokens, name) != name or names.get(tokens, name) != name:
                return "two names have the same tokens"
            names[tokens] = name
        if why := self._misfit(kept, max(map(len, names))):
            return why
        self.name_of |= names
        self.object_of |= {(s, r): o for s, r, o in kept.facts}
        self.asked.add((q.subject, q.relation_1, q.relation_2))
        return None

    def _tokens(self, name: str) -> tuple[int, ...]:
        if name not in self.tokens_of:
            self.tokens_of[name] = self.tokenizer.names([name])[0]
        return self.tokens_of[name]

    def _misfit(self, kept: _Kept, longest: int) -> str | None:
        encoded = self.tokenizer.encode([each.text for each in kept.prompts])
        for each, (ids, offsets) in zip(kept.prompts, encoded, strict=True):
            if len(ids) + longest > self.n_ctx:
                return f"longer than the model's {self.n_ctx} tokens"
            spans = token_spans(offsets, np.array(each.roles))
            if (spans[:, 0] >= spans[:, 1]).any():
                return "a role has no tokens"
        return None


def asked_text(
    questions: Sequence[TwoHopQuestion], name: str, tokenizer: SeriesTokenizer, n_ctx: int
) -> AskedText:
    """The corpus of a file's questions, its report with the counts of what was left out.

    Args:
        questions: Two-hop questions with the prompts of their hops.
        name: What the graph is called.
        tokenizer: Of the series.
        n_ctx: Tokens that the model takes.

    Raises:
        HopscopeError: with the counts, if no question is left.
    """
    rules, dropped = _Rules(tokenizer, n_ctx), Counter[str]()
    kept: list[_Kept] = []
    for question in questions:
        marked = _marked(question)
        why = marked if isinstance(marked, str) else rules.refusal(marked)
        if why is None:
            assert isinstance(marked, _Kept)
            kept.append(marked)
        else:
            dropped[why] += 1
    said = "; ".join(f"{n:,}: {why}" for why, n in dropped.most_common())
    if not kept:
        raise HopscopeError(
            f"none of the {len(questions):,} questions of {name} can be asked ({said or 'none'}); "
            "give a file whose prompts name the subject and end where the answer begins."
        )
    corpus = _corpus(kept, name, dropped)
    return AskedText(corpus, _wording(kept, corpus.vocab, tokenizer))


def _marked(question: TwoHopQuestion) -> _Kept | str:
    """The question in its first wording with all roles; why not in `composed` if there is none."""
    composed = marked_question(question)
    for wording in question.paraphrases:
        if isinstance(composed, Marked):
            break
        other = replace(question, composed=wording)
        if isinstance(marked := marked_question(other), Marked):
            question, composed = other, marked
    if isinstance(composed, str):
        return _REASONS[composed]
    hop_1 = marked_fact(question.hop_1.rstrip(), question.subject)
    hop_2 = marked_fact(question.hop_2.rstrip(), question.bridge)
    if hop_1 is None or hop_2 is None:
        return f"hop {1 if hop_1 is None else 2} has a prompt without its subject or relation"
    text = composed.text.rstrip()
    return _Kept(question, Marked(text, composed.roles), (hop_1, hop_2))


def _corpus(kept: Sequence[_Kept], name: str, dropped: Counter[str]) -> Corpus:
    triples = list(dict.fromkeys(fact for each in kept for fact in each.facts))
    graph = KnowledgeGraph.from_triples(name, triples, notes={"source": name})
    vocab = Vocab(graph.entities, graph.relations)
    place = {
        (graph.entities[s], graph.relations[r]): i
        for i, (s, r, _) in enumerate(graph.facts.tolist())
    }
    rows = [[place[s, r] for s, r, _ in each.facts] for each in kept]
    chains = {TRAIN: np.empty((0, 2), np.int64), ASKED: np.array(rows, np.int64)}
    known = np.ones(len(graph), bool)
    splits = {split: chain_queries(graph, vocab, each) for split, each in chains.items()}
    splits |= atomic_queries(graph, vocab, known)
    notes = ["The questions come from a file, so what the model was trained on is unknown."]
    if dropped:
        of = len(kept) + sum(dropped.values())
        each_reason = "; ".join(f"{why}: {n:,}" for why, n in dropped.most_common())
        notes.append(f"{sum(dropped.values()):,} of {of:,} questions are left out. {each_reason}.")
    found = recovered("composition", graph, vocab, (), splits, (TRAIN,), known, notes).corpus
    found.report["dropped"] = dict(dropped.most_common())
    return found


def _wording(kept: Sequence[_Kept], vocab: Vocab, tokenizer: SeriesTokenizer) -> FileWording:
    entity = {name: i for i, name in enumerate(vocab.entities)}
    relation = {name: i + vocab.first_relation for i, name in enumerate(vocab.relations)}
    asked: dict[tuple[int, ...], Marked] = {}
    prompts: dict[str, Counter[Around]] = {name: Counter() for name in vocab.relations}
    mentions: dict[str, Counter[Around]] = {name: Counter() for name in vocab.relations}
    aliases: dict[str, tuple[str, ...]] = {}
    for each in kept:
        q = each.question
        ids = entity[q.subject], relation[q.relation_1], relation[q.relation_2]
        asked.setdefault(ids, each.composed)
        for (s, r, _), hop in zip(each.facts, each.hops, strict=True):
            asked.setdefault((entity[s], relation[r]), hop)
            prompts[r][around(hop.text, hop.roles[0])] += 1
        where = mention(q)
        assert where is not None
        mentions[q.relation_1][mention_around(q.composed, where, each.composed.roles[0])] += 1
        for name, more in ((q.bridge, q.bridge_aliases), (q.answer, q.answer_aliases)):
            if more:
                aliases[name] = tuple(dict.fromkeys((*aliases.get(name, ()), *more)))
    ordered = [
        {name: [words for words, _ in table.most_common()] for name, table in tables.items()}
        for tables in (prompts, mentions)
    ]
    return FileWording(tokenizer, vocab, asked, Phrases(*ordered), aliases)
