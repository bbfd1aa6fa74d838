"""Recognise the data folders of the *Grokked Transformers* code (arXiv 2405.15071).

`data/NAME/{train,valid,test}.json` hold questions, each an `input_text` "<e_1><r_2><r_3>" and a
`target_text` that goes on with the answer, and `vocab.json` the list of tokens. Which of the
questions are facts and how they were split is part of the folder, so it is not a file of triples.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError

_FIELDS = {"input_text", "target_text"}


def refuse_grokked(record: Mapping[str, Any], file: Path | str) -> None:
    """Raise an error that says what to do if this is a record of that layout."""
    if record.keys() >= _FIELDS:
        raise _refusal(f"{file} has records with input_text and target_text, which")


def refuse_grokked_folder(folder: Path) -> None:
    """Raise an error that says what to do if this is a folder of that layout."""
    if (folder / "vocab.json").is_file() and (folder / "train.json").is_file():
        raise _refusal(f"{folder} has a vocab.json beside a train.json, which")


def _refusal(found: str) -> HopscopeError:
    return HopscopeError(
        f"{found} is the layout of the Grokked Transformers code: a folder of questions that are "
        "already split, not a list of triples. A command `hopscope import` for such folders is "
        "planned and not there yet. For now, take the graph's atomic facts (<e_0><r_1> with its "
        "answer <e_2>) as lines of subject, relation and object in a TSV file, or generate such "
        "a graph anew with the source 'grokked_composition'."
    )
