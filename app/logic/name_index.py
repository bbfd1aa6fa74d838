"""Finding a name among very many while the user types.

Sending tens of thousands of options to a browser and filtering them takes seconds; it gets only the
few that contain what was typed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property


def folded(text: str) -> str:
    """Text as it is compared when searching: without case and accents.

    >>> folded("São Paulo")
    'sao paulo'
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


class NameIndex:
    """Names by key, searched by the words in them.

    >>> index = NameIndex([7, 8, 9], ["Lyon", "New York", "York"])
    >>> index.search("york"), index.name(8)
    ([9, 8], 'New York')
    """

    def __init__(self, keys: Sequence[int], names: Sequence[str]) -> None:
        self.keys = list(keys)
        self._names = dict(zip(self.keys, names, strict=True))

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def name(self, key: int) -> str:
        """The name of a key."""
        return self._names[key]

    @cached_property
    def _folded(self) -> list[str]:
        return [folded(name) for name in self._names.values()]

    def search(self, words: str, limit: int = 60) -> list[int]:
        """Keys of names that contain every word, regardless of case and accents.

        A name equal to the typed text comes first, then those that begin with it.
        """
        typed = folded(words).strip()
        parts = typed.split()
        found = zip(self.keys, self._folded, strict=True)
        hits = [(key, name) for key, name in found if all(part in name for part in parts)]
        ranked = sorted(hits, key=lambda hit: (hit[1] != typed, not hit[1].startswith(typed)))
        return [key for key, _ in ranked[:limit]]
