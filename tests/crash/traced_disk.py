"""A child process above `disk.c`: the library is compiled, loaded before all others, steered, and its trace is read.

The parent uses `compiled`, `environment` and `read_trace`; the child takes hold of the library with `Disk.loaded`.
Linux only: elsewhere `WHY_NOT` says why tests with it are skipped.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("disk.c")

WHY_NOT = None if sys.platform.startswith("linux") else "a library is put before the C library with LD_PRELOAD: Linux"
"""Why no library can be loaded here, or None."""

MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)
"""A folder in memory, or None: what a disk has really synced matters to no test here, and syncing takes long."""

UNTIL_FREED, SHORT_FIRST, FOLDERS = 1, 2, 4

_HEADER = struct.Struct("<ciqII")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a trace.

    Attributes:
        kind: `O` open, `W` write, `T` truncate, `S` fsync, `F` fsync that failed, `C` close, `R` rename, `L` link,
            `U` unlink, `M` mkdir, `X` rmdir, `A` a mark of the program.
        fd: the descriptor, -1 where there is none.
        number: flags of O, offset of W, length of T, 1 of S and F for fdatasync, the mark.
        path: of O, R, L (the old name), U, M, X; else empty.
        data: what W wrote.
        target: the new name of R and L.
    """

    kind: str
    fd: int
    number: int
    path: str
    data: bytes
    target: str

    def __str__(self) -> str:
        words = {"O": "open", "W": "write", "T": "truncate", "S": "fsync", "F": "failed fsync", "C": "close"}
        words |= {"R": "rename", "L": "link", "U": "unlink", "M": "mkdir", "X": "rmdir", "A": "mark"}
        where = f"descriptor {self.fd}" if self.fd >= 0 and not self.path else self.path
        size = f", {len(self.data)} bytes at {self.number}" if self.kind == "W" else ""
        number = f" {self.number}" if self.kind in "AT" else ""
        return f"{words[self.kind]}{number} {where}{size}{' -> ' if self.target else ''}{self.target}".strip()


def compiled(folder: Path) -> Path:
    """Compile the library into a folder and return its path."""
    library = folder / "disk.so"
    command = [*os.environ.get("CC", "cc").split(), "-O1", "-shared", "-fPIC", str(SOURCE), "-o", str(library)]
    subprocess.run([*command, "-lpthread"], check=True)
    return library


def environment(library: Path, folder: Path) -> Mapping[str, str]:
    """Return the environment of a child whose operations under `folder` go through the library."""
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "DISK_FOLDER": str(folder.resolve()),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Disk:
    """The library in this process."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.disk_break.argtypes = (ctypes.c_longlong, ctypes.c_int, ctypes.c_int)
        library.disk_mark.argtypes = (ctypes.c_longlong,)
        library.disk_trace.argtypes = (ctypes.c_char_p,)
        library.disk_calls.restype = library.disk_failed.restype = ctypes.c_longlong
        library.disk_first_failed.restype = ctypes.c_char_p
        self._library = library

    @classmethod
    def loaded(cls) -> Disk:
        """Return the library that this process was started with."""
        return cls(ctypes.CDLL(None))

    def trace(self, path: Path | None) -> None:
        """Begin a trace in a file, or end the running one."""
        if self._library.disk_trace(None if path is None else os.fsencode(path)):
            raise OSError(f"cannot write the trace {path}")

    def mark(self, number: int) -> None:
        """Write a number into the trace."""
        self._library.disk_mark(number)

    def break_at(self, n: int, error: int, how: int = 0) -> None:
        """Let the n-th call from now fail (0: none); `how` adds UNTIL_FREED, SHORT_FIRST, FOLDERS."""
        self._library.disk_break(n, error, how)

    def mend(self) -> None:
        """Let every call succeed again."""
        self._library.disk_mend()

    @property
    def n_calls(self) -> int:
        """Calls since `break_at` that could have failed."""
        return self._library.disk_calls()

    @property
    def n_failed(self) -> int:
        """Calls since `break_at` that did fail."""
        return self._library.disk_failed()

    @property
    def first_failed(self) -> str:
        """The first call that failed, and its file."""
        return os.fsdecode(self._library.disk_first_failed())


def read_trace(path: Path) -> list[Operation]:
    """Return the operations of a trace, in order."""
    content, at, found = path.read_bytes(), 0, list[Operation]()
    while at < len(content):
        letter, fd, number, n_first, n_second = _HEADER.unpack_from(content, at)
        at += _HEADER.size
        first, second = content[at : at + n_first], content[at + n_first : at + n_first + n_second]
        at += n_first + n_second
        kind = letter.decode()
        is_write = kind == "W"
        path_ = "" if is_write else os.fsdecode(first)
        found.append(Operation(kind, fd, number, path_, first if is_write else b"", os.fsdecode(second)))
    assert at == len(content), f"the trace {path} ends in the middle of an operation"
    return found
