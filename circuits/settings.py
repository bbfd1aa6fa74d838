"""Settings typed by the user: read from `key=value`, validated, refused in a sentence."""

from __future__ import annotations

import ast
import inspect
import textwrap
import tomllib
from collections.abc import Mapping
from itertools import pairwise
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


def sentences(model: type[BaseModel]) -> dict[str, str]:
    """What is written below each setting of a class and of those that it stands on.

    Pydantic's `use_attribute_docstrings` reads the same when a class is made, which for all options
    of all analyses is a tenth of a second of every start.

    >>> from analyses.options.common import AnalysisOptions
    >>> sentences(AnalysisOptions)["examples"]
    'Examples per split; they are drawn once and are the same at every checkpoint.'
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found |= _below_fields(ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0])
    return found


def _below_fields(cls: ast.AST) -> dict[str, str]:
    assert isinstance(cls, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(cls.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }  # fmt: skip


def _keys(model: type[BaseModel], parents: list[str]) -> list[str]:
    for parent in parents:
        nested = model.model_fields[parent].annotation if parent in model.model_fields else None
        kinds = [k for k in (nested, *get_args(nested)) if isinstance(k, type)]  # or one | None
        inner = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
