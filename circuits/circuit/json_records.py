"""Records read from JSON that may be damaged or not ours: one sentence, never a traceback."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from circuits.errors import HopscopeError
from circuits.files import WRITTEN_BY_EXPORT

T = TypeVar("T")


def json_object(text: str | bytes, what: str) -> dict[str, Any]:
    """The object that a JSON text holds.

    Args:
        text: From a file, say.
        what: What it should be, for the error: "a circuit".
    """
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HopscopeError(f"this is not {what}: it is not JSON ({error}).") from None
    if not isinstance(table, dict):
        raise HopscopeError(f"this is not {what}: it is not a JSON object.")
    if table.get("written_by") == WRITTEN_BY_EXPORT:
        raise HopscopeError(
            f"this is not {what}: it is the record that export wrote beside the figure "
            f"{table.get('figure')!r}, with its files and where its numbers come from."
        )
    return table


def record(adapter: TypeAdapter[T], table: Any, what: str) -> T:
    """A record made of JSON data, each field checked."""
    try:
        return adapter.validate_json(json.dumps(table))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        cause = first.get("ctx", {}).get("error")
        said = str(cause) if isinstance(cause, HopscopeError) else first["msg"] + "."
        raise HopscopeError(f"this is not {what}: {f'{place}: ' if place else ''}{said}") from None
