"""Tags and a note that a person gives to a run, kept in the run folder's `notes.json`.

The file is written by the dashboard's run table or by `write_notes`, never by training. A file of
that name that is not Hopscope's is refused, and never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import HopscopeError
from circuits.files import write_atomically
from circuits.runs.sending import send_file

NOTES = "notes.json"
FORMAT = "hopscope notes"
MOST_BYTES = 1_000_000
LONGEST_TAG = 40


@dataclass(frozen=True)
class Notes:
    """What a person wrote about a run.

    Raises:
        HopscopeError: if a tag is empty, too long, or holds a comma or a line break.

    >>> Notes(("paper", "seed 0"), "Keep.").tags
    ('paper', 'seed 0')
    """

    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for tag in self.tags:
            if not tag.strip() or len(tag) > LONGEST_TAG or "," in tag or not tag.isprintable():
                raise HopscopeError(
                    f"{tag[:60]!r} cannot be a tag; write up to {LONGEST_TAG} characters without a "
                    "comma."
                )


def tags_of(text: str | Iterable[str]) -> tuple[str, ...]:
    """Tags as they are typed, between commas: trimmed, each once, in order.

    >>> tags_of(" paper, seed 0,,paper")
    ('paper', 'seed 0')
    """
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(dict.fromkeys(tag for part in parts if (tag := " ".join(part.split()))))


def read_notes(folder: str | Path) -> Notes:
    """The tags and note of a run folder; none where there is no file.

    Raises:
        HopscopeError: if its `notes.json` is not Hopscope's, or cannot be read.

    >>> read_notes("assets/demo")
    Notes(tags=(), note='')
    """
    path = Path(folder) / NOTES
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise ValueError("not a plain file")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("too large")
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["written_by"] != FORMAT or not isinstance(table["note"], str):
            raise ValueError("of another program")
        tags = table["tags"]
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise ValueError("its tags are not a list of texts")
        return Notes(tags_of(tags), table["note"])
    except FileNotFoundError:
        return Notes()
    except OSError as error:
        raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HopscopeError(
            f"{path} was not written by Hopscope, so it is neither read nor overwritten; rename it "
            "to keep tags and notes here."
        ) from error


def write_notes(folder: str | Path, notes: Notes) -> None:
    """Keep the tags and note of a run, atomically; empty ones remove the file.

    Args:
        folder: A run folder.
        notes: All tags and the whole note: what was there is replaced.

    Raises:
        HopscopeError: if the folder holds a `notes.json` that is not Hopscope's, or cannot be
            written.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_notes(folder, Notes(("paper",), "The run of figure 2."))
    >>> read_notes(folder).note
    'The run of figure 2.'
    """
    path = Path(folder) / NOTES
    read_notes(folder)  # refuses a file that is not ours
    table = {"written_by": FORMAT, "tags": list(notes.tags), "note": notes.note}
    content = json.dumps(table, ensure_ascii=False, indent=1).encode()
    if len(content) > MOST_BYTES:
        raise HopscopeError(
            f"A note of {len(content):,} bytes is refused; keep it below a megabyte."
        )
    if notes == Notes():
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, content + b"\n")
    send_file(path)
