"""How a command tells that it failed: a line for people on stderr, a JSON document for programs, and the exit code."""

from __future__ import annotations

import sys
import traceback

import click

from chroma_search.cli.exit_codes import ExitCode, exit_code_of
from chroma_search.cli.output import print_json, printable
from chroma_search.errors import ChromaSearchError, InternalError


def tell(error: Exception, *, is_json: bool) -> int:
    """Tell of an error and return the exit code.

    With `is_json` the document `{"error": code, "message": ..., "exit_code": ...}` goes to stdout, nothing to stderr.
    An error that is none of ours (of an embedding function, say, or a bug) shows its traceback.
    """
    if isinstance(error, click.ClickException):
        code, name, message = ExitCode.USAGE, "UsageError", error.format_message()
    elif isinstance(error, ChromaSearchError):
        code, name, message = exit_code_of(error), error.code, str(error)
    else:
        code, name, message = ExitCode.FAILED, type(error).__name__, str(error) or type(error).__name__
    if is_json:
        print_json({"error": name, "message": message, "exit_code": int(code)})
    if not isinstance(error, (click.ClickException, ChromaSearchError)) or isinstance(error, InternalError):
        traceback.print_exception(error)
    if not is_json:
        say(f"error: {message}")
        if isinstance(error, click.UsageError) and error.ctx is not None:
            say(f"{error.ctx.get_usage()}\nSee: {error.ctx.command_path} --help")
    return code


def say(text: str) -> None:
    """Write a line to stderr."""
    encoding = sys.stderr.encoding or "ascii"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)
