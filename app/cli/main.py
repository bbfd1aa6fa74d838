"""The `hopscope` command: one sub-command per task.

Each command lives in its own module beside this one and imports heavy libraries only when it runs,
so that `hopscope --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from app.cli.analyze import analyze_command
from app.cli.app import app_command
from app.cli.certify import certify_command
from app.cli.compare import compare_command
from app.cli.data import data_command
from app.cli.export import export_command
from app.cli.import_series import import_command
from app.cli.terminal import say
from app.cli.train import sweep_command, train_command
from circuits.errors import HopscopeError

cli = typer.Typer(
    name="hopscope",
    help="Watch the circuit for two-hop reasoning form while a transformer groks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich takes longer to import than all the rest
)
COMMANDS: dict[str, Callable[..., None]] = {
    "data": data_command,
    "train": train_command,
    "import": import_command,
    "sweep": sweep_command,
    "analyze": analyze_command,
    "certify": certify_command,
    "compare": compare_command,
    "export": export_command,
    "app": app_command,
}
for name, command in COMMANDS.items():
    first = (command.__doc__ or "").split("\n\n")[0]  # else cut after one line
    cli.command(name, short_help=first)(command)


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        cli()
    except HopscopeError as error:
        say(f"hopscope: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
