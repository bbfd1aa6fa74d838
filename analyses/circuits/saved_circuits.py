"""Circuits that a user has worked out, kept in the run folder by name: `RUN/circuits/NAME.json`.

A saved circuit is small: the names of its edges, what was found out about components (notes) and
which heads belong together (groups). It says of which weights it is, by the SHA-256 of their
checkpoint, so that a circuit of another run, or of weights that have changed since, is refused.
Effects of its edges are those that circuit_discovery stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from circuits.circuit.circuit import Circuit
from circuits.circuit.json_records import json_object, record
from circuits.errors import HopscopeError, unknown_name
from circuits.files import make_folder, write_atomically
from circuits.runs.run import Run

FOLDER, FORMAT, VERSION = "circuits", "hopscope saved circuit", 1
LARGEST = 4_000_000
"""Bytes of a file that are read; a circuit of 10,000 edges takes 0.5 million."""
NAME = re.compile(r"\w(?:[\w .+-]{0,58}[\w+-])?")
"""A name is a file's, an address's and a list's: letters, digits, spaces, . + - and _."""

Text = Annotated[str, Field(max_length=2000)]


@dataclass(frozen=True)
class SavedCircuit:
    """A named circuit of one checkpoint with what its author noted."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    name: str
    run: str
    """Name of the run's folder when it was saved, for people."""
    step: int
    weights: str
    """SHA-256 of the checkpoint."""
    split: str
    """The questions that it was worked out on."""
    heads: bool
    """Whether attention heads are told apart."""
    edges: tuple[str, ...]
    """Names of the edges it keeps (see `circuits.circuit.nodes_and_edges`)."""
    notes: dict[str, Text] = field(default_factory=dict)
    """Text by the name of a component."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of attention heads by that of their group."""


_RECORD = TypeAdapter(SavedCircuit)


def saved_circuit(run: Run, name: str) -> SavedCircuit:
    """Open a saved circuit of a run.

    Raises:
        HopscopeError: if there is none of this name, the file is not a saved circuit, or it is one
            of other weights than the run has.

    >>> import shutil, tempfile
    >>> from circuits import open_run
    >>> from analyses import stored_circuit
    >>> folder = shutil.copytree("assets/demo", tempfile.mkdtemp() + "/demo")
    >>> run = open_run(folder)
    >>> found = stored_circuit(run, split="id_test")
    >>> path = save_circuit(run, "first try", found, 6000, "id_test", notes={"output": "Tokyo"})
    >>> saved_names(run), saved_circuit(run, "first try").notes
    (['first try'], {'output': 'Tokyo'})
    >>> found.keeping(saved_circuit(run, "first try").edges).nodes == found.nodes
    True
    """
    path = _path(run, name)
    names = saved_names(run)
    if name not in names:
        raise unknown_name("saved circuit", name, names)
    try:
        if path.stat().st_size > LARGEST:
            raise HopscopeError(f"{path} is larger than any saved circuit; it is not read.")
        saved = _read(path.read_bytes())
    except OSError as error:
        raise HopscopeError(f"{path} cannot be read ({error.strerror}).") from None
    except HopscopeError as error:
        raise HopscopeError(f"{path}: {error}") from None
    return _checked(run, path, saved)


def saved_names(run: Run) -> list[str]:
    """Names of the run's saved circuits, in alphabetical order."""
    found = (path.stem for path in (run.path / FOLDER).glob("*.json"))
    return sorted(name for name in found if NAME.fullmatch(name))


def save_circuit(
    run: Run,
    name: str,
    circuit: Circuit,
    step: int,
    split: str,
    *,
    notes: dict[str, str] | None = None,
    groups: dict[str, Sequence[str]] | None = None,
) -> Path:
    """Keep a circuit's edges in the run folder; an older one of the name is replaced.

    Args:
        run: The run.
        name: Letters, digits, spaces, ".", "+", "-" and "_", at most 60.
        circuit: Of this run's shape.
        step: The checkpoint that it is a circuit of.
        split: The questions that it was worked out on.
        notes: Text by the name of a component.
        groups: Names of heads by that of their group.

    Raises:
        HopscopeError: for a name or notes that cannot be kept, or if a file of that name is not a
            saved circuit of ours, which is then left as it is.
    """
    path = _path(run, name)
    table = {
        "name": name,
        "run": run.path.name,
        "step": run.checked_step(step),
        "weights": run.digest(step),
        "split": split,
        "heads": circuit.heads,
        "edges": [edge.name for edge in circuit.edges],
        "notes": dict(notes or {}),
        "groups": {group: list(heads) for group, heads in (groups or {}).items()},
    }
    record(_RECORD, table, "a saved circuit")
    if path.exists():
        try:
            _read(path.read_bytes())
        except HopscopeError as error:
            raise HopscopeError(f"{path}: {error} Choose another name.") from None
    text = json.dumps({"format": FORMAT, "version": VERSION, **table}, indent=1, ensure_ascii=False)
    make_folder(path.parent)
    write_atomically(path, f"{text}\n".encode())
    return path


def _path(run: Run, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise HopscopeError(
            f"{name[:60]!r} cannot name a circuit; take up to 60 letters, digits, spaces, "
            "., +, - and _, beginning with a letter or digit."
        )
    return run.path / FOLDER / f"{name}.json"


def _read(content: bytes) -> SavedCircuit:
    table = json_object(content, "a saved circuit")
    if table.pop("format", None) != FORMAT:
        raise HopscopeError(f'this is not a saved circuit: it does not say "format": "{FORMAT}".')
    if (version := table.pop("version", None)) != VERSION:
        raise HopscopeError(
            f"this circuit has version {version!r} and this Hopscope reads version {VERSION}; "
            "open it with the Hopscope that wrote it."
        )
    return record(_RECORD, table, "a saved circuit")


def _checked(run: Run, path: Path, saved: SavedCircuit) -> SavedCircuit:
    """Refuse a circuit of other weights."""
    here = run.digest(saved.step) if saved.step in run.steps else None
    if here != saved.weights:
        raise HopscopeError(
            f"{path} is a circuit of step {saved.step:,} of the run {saved.run!r}, whose weights "
            f"{run.path.name} does not have; open it in the run that it was saved in."
        )
    if saved.split not in run.corpus.splits:
        raise unknown_name("split of a saved circuit", saved.split, run.corpus.splits)
    return saved
