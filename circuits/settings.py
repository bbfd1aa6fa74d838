"""Settings typed by the user: read from `key=value`, validated, refused in a sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from circuits.errors import HopscopeError, unknown_name

Settings = TypeVar("Settings", bound=BaseModel)


def parse_setting(text: str, form: str, example: str) -> tuple[str, Any]:
    """Key and value of "key=value"; a value that is not TOML is taken as a string.

    Args:
        text: As typed.
        form: The expected form, for the error.
        example: A valid example, for the error.

    >>> parse_setting("training.steps=500", "section.key=value", "seed=1")
    ('training.steps', 500)
    >>> parse_setting("source.name=geonames", "section.key=value", "seed=1")
    ('source.name', 'geonames')
    """
    key, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not all(part.strip() for part in key.split(".")):
        raise HopscopeError(f"{text!r} is not of the form {form}, e.g. {example}.")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def validated(model: type[Settings], given: Mapping[str, Any], where: str, kind: str) -> Settings:
    """The settings in a table, validated; the error names the first thing that is wrong.

    Args:
        model: The pydantic model to validate against.
        given: The table, nested like the model.
        where: The origin of the table, for the error, e.g. the name of a file.
        kind: The word for its keys in the error, e.g. "recipe key".

    Raises:
        HopscopeError: if a key is unknown (the error suggests the nearest one) or a value is not
            allowed.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
    *parents, key = [str(part) for part in first["loc"]] or [""]
    if first["type"] == "extra_forbidden":
        inside = f" in [{'.'.join(parents)}]" if parents else ""
        raise HopscopeError(f"{where}{inside}: {unknown_name(kind, key, _keys(model, parents))}")
    dotted = ".".join([*parents, key])
    raise HopscopeError(f"{where}: {dotted} = {first['input']!r} is refused: {first['msg']}.")


def _keys(model: type[BaseModel], parents: list[str]) -> list[str]:
    for parent in parents:
        nested = model.model_fields[parent].annotation if parent in model.model_fields else None
        kinds = [k for k in (nested, *get_args(nested)) if isinstance(k, type)]  # or one | None
        inner = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
