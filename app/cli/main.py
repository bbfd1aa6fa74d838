"""The `hopscope` command in full: one sub-command per task, each imported when it is called.

Each command lives in its own module beside this one (`app.cli.COMMANDS` names them) and imports
heavy libraries only when it runs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli import ABOUT, COMMANDS, MODULES
from app.cli.terminal import say
from circuits import __version__
from circuits.errors import HopscopeError
from circuits.runs.remote_arguments import mirrored


class Commands(TyperGroup):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None if there is none."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module = import_module(f"app.cli.{MODULES.get(cmd_name, cmd_name)}")
            command = getattr(module, f"{cmd_name}_command")
            short = command.__doc__.split("\n\n")[0]  # else cut after one line
            alone = typer.Typer(
                add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
            )
            alone.command(cmd_name, short_help=short)(command)
            self.commands[cmd_name] = typer.main.get_command(alone)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does it, which looks among `commands` for names like an unknown one."""
        if args[0] not in COMMANDS:
            for name in COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


cli = typer.Typer(
    name="hopscope",
    cls=Commands,
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich takes longer to import than all the rest
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"hopscope {__version__}")
        raise typer.Exit


@cli.callback(help=ABOUT)
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
