"""Examples in docstrings as code: a griffe extension that puts a fence around each doctest."""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)
"""From a prompt to the next empty line, which ends the expected output as well."""


class FencedDoctests(griffe.Extension):
    """Puts every doctest of a docstring into a fenced block of the language pycon."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object that is documented."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """A docstring with fences around its doctests."""
    return DOCTEST.sub(lambda found: _fence(found[1], found[0]), text)


def _fence(indent: str, block: str) -> str:
    return f"{indent}```pycon\n{block}\n{indent}```"
