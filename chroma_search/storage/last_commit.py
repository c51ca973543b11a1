"""CommitNote: a note beside a database of the last commit that was acknowledged, so that the loss of commits shows.

SQLite takes a write-ahead file that was cut for one whose writer was killed, and a database that was replaced by an
older state of itself for a sound one. The note can tell: it is written after the commit is on the disk, so whatever of
it survives, the commit must have survived as well. A note of a later commit than the database holds therefore means
that acknowledged commits are gone.

The note is not synced (a sync would double the time of a write). One that is missing, torn or behind means nothing: it
is written in place with one call, and after a crash or with several writers at once it may be of an earlier commit.
Whoever compares must read it before the database, for other processes may write meanwhile.

Not for: what is in the database, and whether it is sound.
"""

from __future__ import annotations

import os
import struct
import weakref
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chroma_search.record import record

SUFFIX = ".head"

_FORM = struct.Struct("<8sQQ")
_CHECKSUM = struct.Struct("<I")
_MAGIC = b"CHROHEAD"


@record()
class LastCommit:
    """A commit.

    Attributes:
        number: grows from commit to commit; 0 to 2^64 - 1.
        mark: a checksum of what the database holds since then; 0 to 2^64 - 1.
    """

    number: int
    mark: int

    def is_missing_from(self, held: LastCommit) -> bool:
        """Tell whether a database that ends with `held` has lost this commit, or has another one in its place."""
        return self.number > held.number or (self.number == held.number and self.mark != held.mark)


class CommitNote:
    """The note beside one database.

    Args:
        database: the file it belongs to, which need not exist.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_suffix(SUFFIX)
        self._descriptor: int | None = None
        self._close: Callable[[], object] | None = None

    def read(self) -> LastCommit | None:
        """Return what is noted, None when that is nothing that can be relied on."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        if len(content) != _FORM.size + _CHECKSUM.size:
            return None
        magic, number, mark = _FORM.unpack_from(content)
        is_sound = _CHECKSUM.unpack_from(content, _FORM.size) == (zlib.crc32(content[: _FORM.size]),)
        return LastCommit(number, mark) if is_sound and magic == _MAGIC else None

    def write(self, commit: LastCommit) -> None:
        """Note a commit that is on the disk. A disk that fails here is no reason to fail the commit."""
        content = _FORM.pack(_MAGIC, commit.number, commit.mark)
        content += _CHECKSUM.pack(zlib.crc32(content))
        with suppress(OSError):
            if self._descriptor is None:  # kept open: opening costs 20 microseconds, a tenth of a small write
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
                self._close = weakref.finalize(self, os.close, self._descriptor)
            _write_at_start(self._descriptor, content)

    def close(self) -> None:
        """Let go of the file; it may be used again."""
        if self._close is not None:
            with suppress(OSError):
                self._close()
        self._descriptor = self._close = None


def _write_at_start(descriptor: int, content: bytes) -> None:
    if hasattr(os, "pwrite"):  # in one call: a process and its fork share the place in the file
        os.pwrite(descriptor, content, 0)
    else:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, content)
