"""A corpus on disk: `corpus.safetensors` (all arrays) and `corpus.json` (names and report).

The JSON holds the SHA-256 of the arrays, so a mismatched pair or a truncated file is noticed before
anything is read from it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as arrays_to_bytes

from circuits.corpus.corpus import Corpus
from circuits.corpus.queries import Queries
from circuits.corpus.role_names import QueryKind
from circuits.corpus.vocab import Vocab
from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.graph.knowledge_graph import PROVENANCES, KnowledgeGraph
from circuits.recipes.schema import Task

SCHEMA = 1
ARRAYS, NAMES = "corpus.safetensors", "corpus.json"
_NONE = np.empty((0, 3), np.int32)


def save(corpus: Corpus, folder: Path) -> None:
    """Write both files, the JSON last; each appears whole or not at all."""
    graph = corpus.graph
    arrays = {
        "facts": graph.facts.astype(np.int32),
        "provenance": graph.provenance.astype(np.int8),
        "held_back": graph.held_back.astype(np.int32),
        "also_true": graph.also_true.astype(np.int32),
        "in_distribution": corpus.in_distribution.astype(np.uint8),
    }
    for name, queries in corpus.splits.items():
        arrays[f"{name}/tokens"] = queries.token_ids.astype(np.int32)
        arrays[f"{name}/bridges"] = queries.bridge_ids.astype(np.int32)
        arrays[f"{name}/answers"] = queries.answer_ids.astype(np.int32)
    data = arrays_to_bytes({k: np.ascontiguousarray(v) for k, v in arrays.items()})
    table = {
        "schema": SCHEMA,
        "sha256": hashlib.sha256(data).hexdigest(),
        "task": corpus.task,
        "graph": {"name": graph.name, "notes": graph.notes},
        "entities": graph.entities,
        "relations": graph.relations,
        "specials": corpus.vocab.specials,
        "splits": {name: queries.kind for name, queries in corpus.splits.items()},
        "trained": corpus.trained,
        "report": corpus.report,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / ARRAYS, data)
    write_atomically(folder / NAMES, json.dumps(table, ensure_ascii=False, indent=1).encode())


def load(folder: Path) -> Corpus:
    """The corpus in a folder.

    Raises:
        HopscopeError: if a file is missing, damaged or of another schema.
    """
    table, data = _read_names(folder), _read(folder / ARRAYS)
    try:
        if table["schema"] != SCHEMA:
            raise _damaged(folder, f"its schema is {table['schema']}, this version reads {SCHEMA}")
        if hashlib.sha256(data).hexdigest() != table["sha256"]:
            raise _damaged(folder, f"{ARRAYS} does not have the checksum that {NAMES} states")
        return _corpus(table, load_arrays(data))
    except HopscopeError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def _corpus(table: dict[str, Any], arrays: dict[str, np.ndarray]) -> Corpus:
    entities, relations = tuple(table["entities"]), tuple(table["relations"])

    def facts(rows: np.ndarray) -> np.ndarray:
        _within(rows[:, [0, 2]], len(entities))
        _within(rows[:, 1], len(relations))
        return rows

    vocab = Vocab(entities, relations, tuple(table["specials"]))
    graph = KnowledgeGraph(
        name=table["graph"]["name"],
        entities=entities,
        relations=relations,
        facts=facts(arrays["facts"]),
        provenance=_within(arrays["provenance"], len(PROVENANCES)),
        held_back=facts(arrays["held_back"]),
        also_true=facts(arrays.get("also_true", _NONE)),  # older runs have none
        notes=table["graph"]["notes"],
    )
    if arrays["in_distribution"].shape != (len(graph),) or table["task"] not in get_args(Task):
        raise ValueError("facts and their division do not fit together")
    splits = {}
    for name, kind in table["splits"].items():
        if kind not in get_args(QueryKind):
            raise ValueError(f"unknown kind of query {kind!r}")
        parts = [arrays[f"{name}/{part}"] for part in ("tokens", "bridges", "answers")]
        tokens, bridges, answers = (_within(part, len(vocab)) for part in parts)
        splits[name] = Queries(kind, vocab, tokens, bridges, answers)
    return Corpus(
        task=table["task"],
        graph=graph,
        vocab=vocab,
        in_distribution=arrays["in_distribution"].astype(bool),
        splits=splits,
        trained=tuple(table["trained"]),
        report=table["report"],
    )


def _within(values: np.ndarray, size: int) -> np.ndarray:
    if values.size and not (values.min() >= 0 and values.max() < size):
        raise ValueError(f"an index is outside 0 to {size - 1}")
    return values


def _read_names(folder: Path) -> dict[str, Any]:
    try:
        table = json.loads(_read(folder / NAMES))
    except ValueError as error:  # not UTF-8 or not JSON
        if isinstance(error, HopscopeError):
            raise
        raise _damaged(folder, f"{NAMES} is not JSON ({error})") from error
    if not isinstance(table, dict):
        raise _damaged(folder, f"{NAMES} holds no table")
    return table


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HopscopeError(
            f"{path} cannot be read ({error.strerror}); a run folder holds {NAMES} and {ARRAYS}. "
            "Give another run, or train it again from its recipe.toml."
        ) from error


def _damaged(folder: Path, why: str) -> HopscopeError:
    return HopscopeError(
        f"the corpus in {folder} is damaged: {why}. Train the run again from its recipe.toml."
    )
