"""With which number a command ends: THE table, which docs/cli.md repeats and a test compares.

Scripts can tell what went wrong without reading a message; the numbers do not change.
"""

from __future__ import annotations

from enum import IntEnum

from chroma_search.errors import (
    ConflictError,
    CorruptionError,
    FormatVersionError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    UnsupportedError,
    VersionMismatchError,
)


class ExitCode(IntEnum):
    """The numbers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    LOCKED = 4
    DAMAGED = 5
    CONFLICT = 6
    UNSUPPORTED = 7
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "all is well",
    ExitCode.FAILED: "something failed, or a check found something",
    ExitCode.USAGE: "a wrong option, search, file or value: the message says which",
    ExitCode.NOT_FOUND: "no such folder, tenant, database or collection",
    ExitCode.LOCKED: "another process was writing all the time: try again",
    ExitCode.DAMAGED: "a file of the folder is damaged",
    ExitCode.CONFLICT: "the collection or file exists already",
    ExitCode.UNSUPPORTED: "this version cannot do that, or read that format",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.BROKEN_PIPE: "the program that read the output has ended",
}

_BY_ERROR: tuple[tuple[type[Exception], ExitCode], ...] = (
    (NotFoundError, ExitCode.NOT_FOUND),
    (LockedError, ExitCode.LOCKED),
    (CorruptionError, ExitCode.DAMAGED),
    (ConflictError, ExitCode.CONFLICT),
    (UnsupportedError, ExitCode.UNSUPPORTED),
    (FormatVersionError, ExitCode.UNSUPPORTED),
    (VersionMismatchError, ExitCode.UNSUPPORTED),
    (InvalidInputError, ExitCode.USAGE),
)


def exit_code_of(error: Exception) -> ExitCode:
    """Return the number for an error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.FAILED)
