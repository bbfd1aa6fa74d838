"""Options of the commands whose work can leave this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from circuits.errors import HopscopeError, unknown_name

if TYPE_CHECKING:
    from circuits.slurm_tasks import SlurmRequest

Backend = Annotated[str, typer.Option(help="local (this machine), ray or slurm (a cluster).")]
Address = Annotated[
    str | None,
    typer.Option(help="Of the Ray cluster; else RAY_ADDRESS, or this machine's."),
]
Partition = Annotated[str | None, typer.Option(help="Slurm: as for sbatch.")]
Time = Annotated[
    str | None, typer.Option("--time", help="Slurm: for each task, e.g. 4:00:00; 1 h by default.")
]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm", help="Slurm: other options of sbatch, e.g. account=ours; may be repeated."
    ),
]


def checked_backend(backend: str, slurm: dict[str, object], address: str | None) -> str:
    """The backend, if it is one and no option of another was given."""
    backend = "local" if backend == "loky" else backend
    if backend not in ("local", "ray", "slurm"):
        raise unknown_name("backend", backend, ["local", "ray", "slurm"])
    wrong = [] if backend == "slurm" else [name for name, value in slurm.items() if value]
    wrong += ["--address"] if address is not None and backend != "ray" else []
    if wrong:
        other = "ray" if wrong == ["--address"] else "slurm"
        raise HopscopeError(
            f"{', '.join(wrong)} belongs to --backend {other}, and the backend is {backend}; give "
            f"--backend {other} or leave it out."
        )
    return backend


def slurm_request(
    partition: str | None, time: str | None, further: list[str] | None, at_once: int | None
) -> SlurmRequest:
    """What was asked for on the command line."""
    from circuits.slurm_tasks import SlurmRequest

    options = {}
    for text in further or ():
        key, separator, value = text.partition("=")
        if not separator or not key.strip(" -"):
            raise HopscopeError(f"--slurm {text!r} is not of the form option=value, as mem=8G.")
        options[key.strip(" -")] = value.strip()
    usual = SlurmRequest()
    return SlurmRequest(
        time=usual.time if time is None else time,
        partition=partition,
        at_once=at_once,
        further=options,
    )
