"""The data files of *Grokked Transformers* (arXiv 2405.15071) and its forks, read and checked.

`train.json` and `test.json` are lists of items. `target_text` is the question, the answer and
`</a>`, each token in angle brackets; `input_text` is the question alone; `type`, in test items,
says what is tested. `vocab.json` lists the tokens that were added to GPT-2's.

    <e_1><r_2><e_3></a>                           the fact (e_1, r_2, e_3)
    <e_1><r_2><r_4><e_5></a>                      a composition and its answer
    <attr_1><q><e_1><mask><e_2><attr_1_0></a>     a comparison of two entities, and its label
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from circuits.errors import HopscopeError

END = "/a"
QUERY_MARK, MASK = "q", "mask"


class Item(NamedTuple):
    """One item of a data file."""

    tokens: tuple[str, ...]
    """The question's tokens and the answer, without brackets."""
    type: str | None
    path: Path
    place: int

    @property
    def where(self) -> str:
        """File and place, for errors."""
        return f"{self.path}, item {self.place}"

    @property
    def is_atomic(self) -> bool:
        """Whether it states a fact."""
        return len(self.tokens) == 3

    @property
    def is_comparison(self) -> bool:
        """Whether it compares two entities."""
        return len(self.tokens) == 6 and self.tokens[1:4:2] == (QUERY_MARK, MASK)


def read_items(path: Path) -> list[Item]:
    """The items of `train.json` or `test.json`.

    Raises:
        HopscopeError: if the file is missing or not JSON, or an item is not of this form.
    """
    rows = _read_json(path)
    if not isinstance(rows, list) or not rows:
        raise HopscopeError(f"{path} is not a list of items; is it a data file of this layout?")
    return [_item(path, place, row) for place, row in enumerate(rows, 1)]


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The tokens that `vocab.json` lists, with their brackets."""
    tokens = _read_json(path)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise HopscopeError(f"{path} is not a list of tokens; is it a data file of this layout?")
    return tuple(tokens)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise HopscopeError(
            f"there is no {path}; --data names the folder that holds train.json, test.json and "
            "vocab.json."
        ) from None
    except OSError as error:
        raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError):
        raise HopscopeError(
            f"{path} is not JSON; it may be half downloaded or a pointer of git-lfs: get it again."
        ) from None


def _item(path: Path, place: int, row: Any) -> Item:
    try:
        asked, whole, kind = row["input_text"], row["target_text"], row.get("type")
        tokens = whole[1:-1].split("><")
        question = f"<{'><'.join(tokens[:-2])}>"
        well_formed = whole[0] == "<" and tokens[-1] == END and len(tokens) > 3
        well_formed = well_formed and asked == question and all(tokens)
    except (KeyError, TypeError, AttributeError, IndexError):
        well_formed = False
    if not well_formed or not isinstance(kind, str | None):
        raise HopscopeError(
            f"{path}, item {place} is not a question in angle brackets (input_text) that "
            "target_text repeats with an answer and </a>."
        )
    return Item(tuple(tokens[:-1]), kind, path, place)
