"""The program: a table of commands, each loaded when it is called, and one place where every way to end is handled.

Nothing heavy is imported for `--help`; a command imports what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from chroma_search.cli.exit_codes import ExitCode
from chroma_search.cli.output import OutputError, output_errors
from chroma_search.version import __version__

NAME = "chroma-search"

COMMANDS: dict[str, tuple[str, str]] = {
    "info": ("info", "Show what is in a folder: tenants, databases, collections, records, bytes."),
    "query": ("query", "Run a search in the query language and show the records."),
    "explain": ("explain", "Show how a search is run, and why so."),
    "export": ("export", "Write a collection to a Parquet or JSONL file."),
    "import": ("import_file", "Read a Parquet or JSONL file into a collection."),
    "import-chroma": ("import_chroma", "Copy the collections of a folder that Chroma wrote."),
    "compact": ("compact", "Bring collections into one segment each, without what was deleted."),
    "purge": ("purge", "Remove from all files what was deleted or replaced."),
    "backup": ("backup", "Copy a folder that is in use."),
    "verify": ("verify", "Check every byte of a folder."),
    "repair": ("repair", "Make a damaged folder whole again."),
    "run": ("run", "Serve a folder over Chroma's HTTP API."),
    "user": ("user", "Add, list and remove the users of a server."),
}
"""Name -> module below `chroma_search.cli` that has it as `command`, and what it does in one line."""


class Program(click.Group):
    """The group of all commands, which loads a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None when there is none of the name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"chroma_search.cli.{COMMANDS[cmd_name][0]}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of an argument list; an unknown one is answered with the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0][:80]!r}: {meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their lines from the table, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(
    NAME,
    cls=Program,
    help="Chroma's Search API over a folder on this machine.",
    epilog="Every command has --help and --json. Exit codes: see docs/cli.md.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name=NAME)
def program() -> None:
    """Hold the commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code (`exit_codes.py`).

    Args:
        arguments: what stands behind the name of the program; None for those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_json = "--json" in (given[: given.index("--")] if "--" in given else given)
    usual, warnings.formatwarning = warnings.formatwarning, _warning_line
    _open_closed_streams()
    try:
        code = _run(given, is_json=is_json)
        with output_errors():
            sys.stdout.flush()
    except BrokenPipeError:
        _mute_stdout()
        return ExitCode.BROKEN_PIPE
    except OutputError as error:
        from chroma_search.cli.failure import say  # only when there is something to say

        _mute_stdout()
        say(f"error: {error}")
        return ExitCode.FAILED
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    finally:
        warnings.formatwarning = usual
    return code


def _run(given: list[str], *, is_json: bool) -> int:
    try:
        with program.make_context(NAME, given or ["--help"]) as context:
            ended = program.invoke(context)
        return ended if isinstance(ended, int) else ExitCode.OK
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (BrokenPipeError, OutputError, click.Abort):
        raise
    except Exception as error:
        from chroma_search.cli.failure import tell  # only when there is something to tell

        return tell(error, is_json=is_json)


def _open_closed_streams() -> None:
    """Let what goes to a stream that was closed before the start (`>&-`) go nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 until the process ends


def _mute_stdout() -> None:
    """Let what Python flushes once more at its end go nowhere, silently."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warning_line(message: Any, *_: Any) -> str:
    return f"warning: {message}\n"
