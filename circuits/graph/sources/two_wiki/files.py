"""Records of 2WikiMultiHopQA from its three published shapes, and from what pandas makes of them.

A JSON list (the authors' archive), JSONL, or parquet (both hub repositories); further shapes of
JSON as in `json_shapes`, each also gzipped. Only the fields that matter are kept, and a JSON list
is decoded record by record, so that the 600 MB of contexts are never in memory at once.
`evidences` may be a list, a JSON string, or a struct of columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.formats.broken import Broken
from circuits.graph.sources.formats.files import opened
from circuits.graph.sources.formats.grokked_layout import refuse_grokked
from circuits.graph.sources.formats.json_shapes import json_records
from circuits.graph.sources.formats.json_values import json_values
from circuits.graph.sources.options import existing_file
from circuits.graph.sources.registry import HUB_NAMES

FIELDS = ("_id", "id", "type", "question", "answer", "evidences", "evidences_id")
_STRUCTS = (("fact", "relation", "entity"), ("subject", "relation", "object"))


def records(path: Path, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The records of one file, reduced to `FIELDS` (all fields, if it has no evidences).

    Args:
        path: A file of any of the shapes.
        say: Receives a sentence on the file's shape, if it is not a plain list of records.

    Raises:
        HopscopeError: if it is not one of the shapes, with what was found.
    """
    if path.suffix.lower() == ".parquet":
        yield from _parquet_records(path)
        return
    broken = Broken(str(path))
    with opened(path) as stream:
        for place, record in json_records(json_values(stream, broken), str(path), _known, say):
            if not isinstance(record, dict):
                broken.add(place, repr(record), "is not a JSON object")
                continue
            refuse_grokked(record, path)
            known = "evidences" in record  # else all its fields are named in the refusal
            yield {key: record[key] for key in FIELDS if key in record} if known else record
    broken.refuse("Every record must be one question; correct the file.")


def _known(keys: Iterable[str]) -> bool:
    return "evidences" in keys or {"question", "answer"} <= set(keys)


def hub_files(path: str | Path | None, hub: str | None, split: str) -> list[Path]:
    """Files to read: the path itself, or those of a hub data set, fetched into the hub's cache."""
    if path is not None and not Path(path).exists():
        named = [name for name in HUB_NAMES if Path(path).as_posix().endswith(name)]
        hub = named[0] if named else hub
    if hub is None or (path is not None and Path(path).exists()):
        return [existing_file(path, "two_wiki")]
    from huggingface_hub import HfApi, hf_hub_download  # here: only a download needs it

    wanted = ("train",) if split == "train" else ("dev", "validation")
    try:
        siblings = HfApi().dataset_info(hub).siblings or []
        files = [
            sibling.rfilename
            for sibling in siblings
            if sibling.rfilename.endswith(".parquet")
            and sibling.rfilename.split("/")[-1].startswith(wanted)
        ]
        paths = [Path(hf_hub_download(hub, f, repo_type="dataset")) for f in sorted(files)]
    # Every failure has the same remedy, and the hub's error classes change between versions.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HopscopeError(
            f"the hub data set {hub!r} cannot be fetched ({reason}); fetch its parquet files on a "
            'machine that can, and set source.path = "train.parquet".'
        ) from None
    if not paths:
        raise HopscopeError(f"the hub data set {hub!r} has no parquet file for split {split!r}.")
    return paths


def _parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa  # imported here: slow, and only this format needs it
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        columns = [name for name in names if name in FIELDS]
        if "evidences" not in columns:
            raise HopscopeError(
                f"{path} has the columns {', '.join(names)}, and not 'evidences' among them; "
                "give 2WikiMultiHopQA's own file."
            )
        for batch in file.iter_batches(columns=columns):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise HopscopeError(f"{path} is not a readable parquet file: {first}") from None


def rows(value: object) -> list[list[Any]]:
    """`evidences` in any of its forms as rows of three.

    Raises:
        ValueError: if it has none of these forms; the message says why.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("are not JSON") from None
    if value is None:
        return []
    if isinstance(value, dict):
        return _rows_of_struct(value)
    if not isinstance(value, list):
        raise ValueError("are not a list")
    return [_row(item) for item in value]


def _rows_of_struct(struct: dict[str, Any]) -> list[list[Any]]:
    names = next((names for names in _STRUCTS if set(names) <= struct.keys()), None)
    if names is None:
        raise ValueError(f"have the members {', '.join(struct)}")
    columns = [struct[name] or [] for name in names]  # null where the question has none
    if not all(isinstance(column, list) for column in columns):
        raise ValueError("have members that are not lists")
    if len({len(column) for column in columns}) > 1:
        sizes = ", ".join(f"{n}: {len(c)}" for n, c in zip(names, columns, strict=True))
        raise ValueError(f"have members of different lengths ({sizes})")
    return [list(row) for row in zip(*columns, strict=True)]


def _row(item: object) -> list[Any]:
    if isinstance(item, dict):
        names = next((names for names in _STRUCTS if set(names) <= item.keys()), None)
        item = [item[name] for name in names] if names else None
    if not isinstance(item, list) or len(item) != 3:
        raise ValueError("have a row that is not a triple")
    return item
