"""Where the `hopscope` command begins: the page of `--help` at once, all else through typer.

Nothing here imports typer or a command, which would take several times as long as all the rest. A
test holds the page against typer's own, which says what the docstrings of the commands say.
"""

import gc
import os
import sys
import textwrap

from app.cli import ABOUT, COMMANDS

_OPTIONS = {
    "--version": "Print the version.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the "
    "installation.",
    "--help": "Show this message and exit.",
}


def overview(program: str, columns: int) -> str:
    """The page of `--help` for a terminal of this width, as typer lays it out.

    >>> print(overview("hopscope", 80).splitlines()[0])
    Usage: hopscope [OPTIONS] COMMAND [ARGS]...
    """
    width = max(min(columns, 80) - 2, 50)
    parts = [
        f"Usage: {program} [OPTIONS] COMMAND [ARGS]...",
        textwrap.fill(ABOUT, width, initial_indent="  ", subsequent_indent="  "),
        _section("Options", _OPTIONS, width),
        _section("Commands", COMMANDS, width),
    ]
    return "\n\n".join(parts)


def _section(title: str, rows: dict[str, str], width: int) -> str:
    """Two columns below a title."""
    indent = 4 + max(map(len, rows))
    room = max(width - indent, 10)
    lines = [f"{title}:"]
    for name, text in rows.items():
        first, *others = textwrap.wrap(text, room)
        lines.append(f"  {name}".ljust(indent) + first)
        lines += [" " * indent + line for line in others]
    return "\n".join(lines)


def main(program: str = "hopscope") -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--help"]:
        print(overview(program, _columns()))
        return
    gc.set_threshold(50_000)  # what imports make stays: seeking garbage in it is 8% of a start
    from app.cli.main import main as run

    run()


def _columns() -> int:
    """Width of the terminal, as `shutil.get_terminal_size`, whose module takes long to import."""
    try:
        return int(os.environ["COLUMNS"]) or 80
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return 80


if __name__ == "__main__":
    main("python -m app.cli")
