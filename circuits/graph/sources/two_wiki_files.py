"""Records of 2WikiMultiHopQA from its three published shapes.

A JSON list (the authors' archive), JSONL, or parquet (both hub repositories). Only the fields
that matter are kept, and a JSON list is decoded record by record, so that the 600 MB of contexts
are never in memory at once. Lists may be JSON strings or columns of a struct.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from circuits.errors import HopscopeError
from circuits.graph.sources.broken import Broken, decoded
from circuits.graph.sources.options import existing_file
from circuits.graph.sources.registry import HUB_NAMES

FIELDS = ("_id", "id", "type", "question", "answer", "evidences", "evidences_id")
_STRUCTS = (("fact", "relation", "entity"), ("subject", "relation", "object"))
_CHUNK = 1 << 20


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one file, reduced to `FIELDS`."""
    if path.suffix.lower() == ".parquet":
        yield from _parquet_records(path)
        return
    with path.open("rb") as file:
        is_list = file.read(_CHUNK).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["
    for record in _list_records(path) if is_list else _line_records(path):
        yield {key: record[key] for key in FIELDS if key in record}


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
    # Whatever fails here has one remedy, and the hub's transport errors change with its version.
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
        columns = [name for name in file.schema_arrow.names if name in FIELDS]
        for batch in file.iter_batches(columns=columns):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise HopscopeError(f"{path} is not a readable parquet file: {first}") from None


def _line_records(path: Path) -> Iterator[dict[str, Any]]:
    broken = Broken(str(path))
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = decoded(line, str(path), number).strip().lstrip("\ufeff")
            if not text:
                continue
            try:
                record = json.loads(text)
            except json.JSONDecodeError as error:
                broken.add(number, text, f"is not JSON ({error.msg})")
                continue
            if isinstance(record, dict):
                yield record
            else:
                broken.add(number, text, "is not a JSON object")
    broken.refuse("Every line must be one question.")


def _list_records(path: Path) -> Iterator[dict[str, Any]]:
    """Decode a JSON list one item at a time; more is read only when an item is cut off."""
    decoder, text, at, number, want = json.JSONDecoder(), "", 0, 0, _CHUNK
    with path.open(encoding="utf-8-sig") as file:
        try:
            text = file.read(want).lstrip()
            at = 1  # after the opening bracket
            while True:
                while at < len(text) and text[at] in " \t\r\n,":
                    at += 1
                if text[at : at + 1] == "]":
                    return
                try:
                    record, at = decoder.raw_decode(text, at)
                    want = _CHUNK
                except json.JSONDecodeError as error:
                    more = file.read(want)
                    want *= 2  # a long record is parsed again at most log times
                    if not more:
                        raise HopscopeError(
                            f"{path}: item {number + 1} of the JSON list cannot be read "
                            f"({error.msg}): {text[at : at + 80]!r}. Is the file complete?"
                        ) from None
                    text, at = text[at:] + more, 0
                    continue
                number += 1
                if not isinstance(record, dict):
                    raise HopscopeError(f"{path}: item {number} is not a JSON object.")
                yield record
        except UnicodeDecodeError as error:
            raise HopscopeError(
                f"{path} is not UTF-8 ({error.reason}); save the file as UTF-8."
            ) from None


def rows(value: object) -> list[list[Any]] | None:
    """`evidences` in any of its forms as rows of three; None if it is none of them."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return None
    if value is None:
        return []
    if isinstance(value, dict):
        for names in _STRUCTS:
            if all(name in value for name in names):
                return [list(row) for row in zip(*(value[n] for n in names), strict=True)]
        return None
    if not isinstance(value, list):
        return None
    table: list[list[Any]] = []
    for row in value:
        if isinstance(row, dict):
            row = next(([row[n] for n in s] for s in _STRUCTS if set(s) <= row.keys()), None)
        if not isinstance(row, list) or len(row) != 3:
            return None
        table.append(row)
    return table
