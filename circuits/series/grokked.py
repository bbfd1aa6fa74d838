"""Graph, ID and OOD facts and questions from a data folder of *Grokked Transformers* (2405.15071).

1. Facts are the items of `train.json` with three tokens before `</a>`.
2. ID facts are those that occur in a trained inferred fact, as either hop or as one of the two
   values compared; all others are OOD. (The files do not say it; the published tracing scripts
   recover it so. At a low phi a fact that was meant to be ID may never occur.)
3. Trained questions are the other items of `train.json`. Test questions are those of `test.json`
   by their `type`; what it repeats of `train.json` (`train_inferred`, `id_atomic`, `ood_atomic`) is
   not a test. A type that the paper does not have goes by the question's own hops, and is left out
   where those are no facts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from circuits.corpus.build import atomic_queries, chain_queries
from circuits.corpus.names import (
    ATOMIC_ID,
    ATOMIC_OOD,
    ID_TEST,
    IO_TEST,
    OI_TEST,
    OOD_TEST,
    TRAIN,
)
from circuits.corpus.queries import Queries
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.graph.knowledge_graph import KnowledgeGraph
from circuits.series.grokked_comparisons import Comparisons
from circuits.series.grokked_files import Item, read_items, read_vocabulary
from circuits.series.recovered import Recovered, recovered

TYPES = {"test_inferred_iid": ID_TEST, "test_inferred_ood": OOD_TEST}
"""Our split for each type of test question."""

REPEATED = ("train_inferred", "id_atomic", "ood_atomic", "train_atomic")
"""Types of items in `test.json` that `train.json` has too."""

Rows = Int[np.ndarray, "n hops"]


def read_grokked(folder: str | Path) -> Recovered:
    """Recover the corpus of a data folder.

    Args:
        folder: Holds train.json, test.json and vocab.json.

    Raises:
        HopscopeError: naming the file and the item, if a file is missing or damaged, if facts
            contradict each other, or if an answer does not follow from them.
    """
    data = Path(folder)
    if not data.is_dir():
        raise HopscopeError(f"{data} is not a folder; --data names the one with train.json.")
    trained, tested = read_items(data / "train.json"), read_items(data / "test.json")
    listed = read_vocabulary(data / "vocab.json")
    facts = Facts(data.resolve().name, [item for item in trained if item.is_atomic])
    asked = [item for item in trained if not item.is_atomic]
    if not asked:
        raise HopscopeError(f"{data / 'train.json'} holds facts only and no question about two.")
    comparing = asked[0].is_comparison
    for item in (*asked, *tested):
        if not item.is_atomic and (
            item.is_comparison != comparing or len(item.tokens) != len(asked[0].tokens)
        ):
            raise HopscopeError(f"{item.where} has another form than {asked[0].where}.")
    questions: Chains | Comparisons = (
        Comparisons(facts.graph, facts.row, asked + tested) if comparing else Chains(facts)
    )
    return _divided(data, facts, questions, asked, tested, listed)


class Facts:
    """The facts that the items state, as a graph, and the row of each by its names."""

    def __init__(self, name: str, items: list[Item]) -> None:
        stated: dict[tuple[str, str], Item] = {}
        for item in items:
            first = stated.setdefault((item.tokens[0], item.tokens[1]), item)
            if first.tokens != item.tokens:
                raise HopscopeError(
                    f"{item.where} says <{'><'.join(item.tokens)}>, but {first.where} says "
                    f"<{'><'.join(first.tokens)}>; a (subject, relation) has one object here."
                )
        self.graph = KnowledgeGraph.from_triples(
            name,
            [item.tokens for item in stated.values()],  # type: ignore[misc]  # three each
            provenance="synthetic",
            notes={"source": "train.json of an imported series"},
        )
        graph = self.graph
        named = ((graph.entities[s], graph.relations[r]) for s, r, _ in graph.facts.tolist())
        self.row = {key: i for i, key in enumerate(named)}
        """Row of the fact about each (subject, relation)."""


class Chains:
    """Compositions as rows of facts."""

    task = "composition"

    def __init__(self, facts: Facts) -> None:
        self.graph, self._row = facts.graph, facts.row
        self._object = [facts.graph.entities[o] for o in facts.graph.facts[:, 2]]

    def rows(self, item: Item) -> list[int] | None:
        """The fact of each hop, None if one is missing or they end elsewhere."""
        here, *relations, answer = item.tokens
        chain: list[int] = []
        for relation in relations:
            row = self._row.get((here, relation))
            if row is None:
                return None
            chain.append(row)
            here = self._object[row]
        return chain if here == answer else None

    @property
    def specials(self) -> dict[str, str]:
        """No symbol beside names."""
        return {}

    def queries(self, vocab: Vocab, rows: Rows) -> Queries:
        """The questions of these chains."""
        return chain_queries(self.graph, vocab, rows)


def _divided(
    data: Path,
    facts: Facts,
    questions: Chains | Comparisons,
    asked: list[Item],
    tested: list[Item],
    listed: tuple[str, ...],
) -> Recovered:
    graph = facts.graph
    chains = {TRAIN: [_followed(questions.rows, item) for item in asked]}
    in_distribution = np.zeros(len(graph), bool)
    in_distribution[np.array(chains[TRAIN])] = True
    known = {item.tokens for item in asked}
    left_out: Counter[str] = Counter()
    tests: dict[str, list[list[int]]] = defaultdict(list, {ID_TEST: [], OOD_TEST: []})
    for item in tested:
        if item.is_atomic or item.type in REPEATED:
            continue
        if item.tokens in known:
            left_out["questions of test.json that are trained as well"] += 1
            continue
        if item.type in TYPES:
            tests[TYPES[item.type]].append(_followed(questions.rows, item))
        elif rows := questions.rows(item):
            tests[_by_hops(in_distribution[rows])].append(rows)
        else:
            left_out[f"questions of type {item.type!r} that do not follow from facts"] += 1
    vocab, texts = _vocabulary(data, graph, questions.specials, listed)
    splits = {
        name: questions.queries(vocab, _table(rows, len(chains[TRAIN][0])))
        for name, rows in (*chains.items(), *tests.items())
    } | atomic_queries(graph, vocab, in_distribution)
    return recovered(
        questions.task,  # type: ignore[arg-type]
        graph,
        vocab,
        texts,
        splits,
        (TRAIN, ATOMIC_ID, ATOMIC_OOD),
        in_distribution,
        [f"{n:,} {what} are left out." for what, n in left_out.items()],
    )


def _followed(rows: Callable[[Item], list[int] | None], item: Item) -> list[int]:
    found = rows(item)
    if found is None:
        raise HopscopeError(
            f"{item.where}, <{'><'.join(item.tokens)}>, does not follow from the facts of "
            "train.json; are all three files of one data set?"
        )
    return found


def _by_hops(is_id: Bool[np.ndarray, " hops"]) -> str:
    """The split of a question by whether its first and last facts are ID."""
    first, last = bool(is_id[0]), bool(is_id[1:].all())
    return {(True, True): ID_TEST, (True, False): IO_TEST, (False, True): OI_TEST}.get(
        (first, last), OOD_TEST
    )


def _table(rows: Iterable[list[int]], width: int) -> Rows:
    return np.array(list(rows), np.int64).reshape(-1, width)


def _vocabulary(
    data: Path, graph: KnowledgeGraph, specials: dict[str, str], listed: tuple[str, ...]
) -> tuple[Vocab, list[str]]:
    """Our vocabulary, and each token as `vocab.json` writes it.

    What it lists beside the names of facts and questions becomes a special symbol.
    """
    both = set(graph.entities) & set(graph.relations)
    if both:
        raise HopscopeError(
            f"{data / 'train.json'}: {min(both)!r} is both an entity and a relation, "
            "and one token cannot be both."
        )
    texts = [f"<{name}>" for name in (*graph.entities, *graph.relations, *specials.values())]
    missing = [text for text in texts if text not in set(listed)]
    if missing:
        raise HopscopeError(
            f"{data / 'vocab.json'} lacks {len(missing):,} of the {len(texts):,} tokens of the "
            f"questions, {missing[0]} first; is it of the same data set?"
        )
    known = set(texts)
    others = [text for text in listed if text not in known]
    named = [text.removeprefix("<").removesuffix(">") for text in others]
    vocab = Vocab(graph.entities, graph.relations, (*specials, *named))
    return vocab, [*texts, *others]
