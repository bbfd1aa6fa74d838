"""The `hopscope` command: one sub-command per task.

Each command lives in its own module beside this one and imports heavy libraries only when it runs,
so that `hopscope --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from app.cli.analyze import analyze_command
from app.cli.app import app_command
from app.cli.augment import augment_command
from app.cli.certify import certify_command
from app.cli.check import check_command
from app.cli.compare import compare_command
from app.cli.data import data_command
from app.cli.export import export_command
from app.cli.import_series import import_command
from app.cli.paper import paper_command
from app.cli.publish import publish_command
from app.cli.runs import runs_command
from app.cli.sheet import sheet_command
from app.cli.sweep import sweep_command
from app.cli.terminal import say
from app.cli.train import train_command
from circuits import __version__
from circuits.errors import HopscopeError
from circuits.runs.remote_arguments import mirrored

cli = typer.Typer(
    name="hopscope",
    help="Watch the circuit for two-hop reasoning form while a transformer groks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich takes longer to import than all the rest
)
COMMANDS: dict[str, Callable[..., None]] = {
    "data": data_command,
    "augment": augment_command,
    "train": train_command,
    "import": import_command,
    "sweep": sweep_command,
    "analyze": analyze_command,
    "certify": certify_command,
    "check": check_command,
    "compare": compare_command,
    "export": export_command,
    "sheet": sheet_command,
    "paper": paper_command,
    "publish": publish_command,
    "runs": runs_command,
    "app": app_command,
}
for name, command in COMMANDS.items():
    first = (command.__doc__ or "").split("\n\n")[0]  # else cut after one line
    cli.command(name, short_help=first)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"hopscope {__version__}")
        raise typer.Exit


@cli.callback()
def hopscope(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Watch the circuit for two-hop reasoning form while a transformer groks."""


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        with mirrored(sys.argv[1:]) as arguments:
            cli(arguments)
    except HopscopeError as error:
        say(f"hopscope: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
