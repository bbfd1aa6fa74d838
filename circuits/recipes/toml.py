"""A recipe written as TOML for the run folder, complete with all defaults."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from circuits.errors import HopscopeError
from circuits.recipes.schema import Recipe


def recipe_toml(recipe: Recipe, leave_out: Collection[str] = ()) -> str:
    """TOML text that `parse_recipe` reads back as an equal recipe.

    Args:
        recipe: What to write.
        leave_out: Sections that are not known of the run; they are read back with their defaults.

    TOML has no null: a key whose value is None is left out, and the default of every such key
    is None.
    """
    table = recipe.model_dump(mode="json", exclude_none=True, exclude=set(leave_out))
    lines = [f"{key} = {_value(v)}" for key, v in table.items() if not isinstance(v, Mapping)]
    for section, values in table.items():
        if isinstance(values, Mapping):
            lines += ["", f"[{section}]"]
            lines += [f"{_key(key)} = {_value(v)}" for key, v in values.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    raise HopscopeError(f"{value!r} cannot be written into a recipe; use numbers, words or lists.")


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else json.dumps(key)
