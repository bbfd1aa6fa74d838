"""The payload's fields as TypeScript.

`python -m app.instrument.typescript` prints them; that text is kept in `js/payload.d.ts`, by which
editors and `tsc -p app/instrument/js/jsconfig.json` check what the scripts read.
"""

import types
from typing import Any, Union, get_args, get_origin, get_type_hints

from app.instrument import (
    around_fields,
    bench_fields,
    fields,
    heads_fields,
    packed_fields,
    question_fields,
    value_fields,
)

PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", types.NoneType: "null"}
RECORDS = [
    kind
    for module in (
        packed_fields,
        bench_fields,
        heads_fields,
        question_fields,
        fields,
        around_fields,
        value_fields,
    )
    for kind in vars(module).values()
    if hasattr(kind, "__required_keys__") and kind.__module__ == module.__name__
]
"""All records, each after those that it contains."""


def typescript() -> str:
    """All records as TypeScript interfaces."""
    head = "// Made by `python -m app.instrument.typescript`; change app/instrument/fields.py.\n"
    return head + "".join(_interface(record) for record in RECORDS)


def _interface(record: Any) -> str:
    lines = []
    for name, kind in get_type_hints(record).items():
        mark = "" if name in record.__required_keys__ else "?"
        lines.append(f"  {name}{mark}: {_typescript(kind)};\n")
    return f"\n/** {record.__doc__} */\nexport interface {record.__name__} {{\n{''.join(lines)}}}\n"


def _typescript(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return " | ".join(_typescript(part) for part in get_args(kind))
    if get_origin(kind) is list:
        item = _typescript(get_args(kind)[0])
        return f"({item})[]" if " " in item else f"{item}[]"
    if get_origin(kind) is dict:
        return f"Record<string, {_typescript(get_args(kind)[1])}>"
    return PLAIN.get(kind) or str(kind.__name__)


if __name__ == "__main__":
    print(typescript(), end="")
