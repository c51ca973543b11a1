"""LongEntries: the bodies of long entries of a log, in files beside it; the log's row of such an entry says where.

SQLite copies and checks what it stores twice, first in its write-ahead file and then in the database, page by page: of
a batch of a thousand records that takes most of the time of the write. Here it is written once, and synced before the
row that names it is committed. The row's checksum is that of the body, wherever that lies.

There is one file per manifest: writers, who hold the lock of the log and have caught up, append to that of the manifest
they know. So after a flush nobody appends to the older ones, and each goes when no entry of the log lies in it. What a
writer left there that was killed, or took its write back, is not named by any row, and never read.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

from chroma_search.errors import StorageError
from chroma_search.storage.files import DiskFiles, Files

LONG_BYTES = 500_000
"""From how many bytes on a body is written to a file: from there on, that takes less than SQLite (one sync more, but
half of the copies): 2.4 MB 6 ms instead of 16, 16 KB 0.45 instead of 0.28."""

_NAME = re.compile(r"log\.(\d+)\.entries")
_MARK = b"\xff\xff\xff\xffLONG"
_FORM = struct.Struct("<8sQQQI")
_CHECKSUM = struct.Struct("<I")
PLACE_BYTES = _FORM.size + _CHECKSUM.size
"""Length of what stands in a row instead of a body."""


class Place(NamedTuple):
    """Where the body of an entry lies.

    Attributes:
        version: of the manifest that the file belongs to.
        offset, length: bytes in the file.
        chain: checksum of the entry, as in its row: it tells a damaged row from a damaged file.
    """

    version: int
    offset: int
    length: int
    chain: int

    def to_bytes(self) -> bytes:
        """Return what stands in the row of the entry: no body begins so, for its header would be too long."""
        form = _FORM.pack(_MARK, *self)
        return form + _CHECKSUM.pack(zlib.crc32(form))

    @staticmethod
    def of(stored: bytes) -> Place | None:
        """Return the place that a row names, None where it holds the body itself, or is damaged."""
        if len(stored) != PLACE_BYTES or not stored.startswith(_MARK):
            return None
        is_sound = _CHECKSUM.unpack_from(stored, _FORM.size) == (zlib.crc32(stored[: _FORM.size]),)
        return Place(*_FORM.unpack_from(stored)[1:]) if is_sound else None


class LongEntries:
    """The files beside one log.

    Args:
        folder: where the log is.
        files: the disk.
    """

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder = folder
        self._files = DiskFiles() if files is None else files
        self._known_name: Path | None = None  # of a file whose name is on the disk
        self._begun: tuple[Path, int] | None = None

    def path(self, version: int) -> Path:
        """Return the file that belongs to a manifest."""
        return self._folder / f"log.{version}.entries"

    def append(self, version: int, chain: int, pieces: Sequence[bytes | memoryview]) -> Place:
        """Write a body, durably; under the lock of the log.

        Args:
            version: of the manifest that the writer knows.
            chain: checksum of the entry.
            pieces: the body.

        Raises:
            StorageError: the disk is full, or fails; nothing was added then.
        """
        path = self.path(version)
        offset = self._files.append_file(path, pieces)
        if self._begun is None:
            self._begun = path, offset
        if path != self._known_name:  # also when it was there: whoever made it may have been killed before this
            self._files.sync_folder(self._folder)
            self._known_name = path
        return Place(version, offset, sum(map(len, pieces)), chain)

    def begin(self) -> None:
        """Take note that a transaction begins: what is appended from here on can be taken back."""
        self._begun = None

    def take_back(self) -> None:
        """Give up what was appended since `begin`, still under the lock: a failing disk shall not be filled with it."""
        if self._begun is not None:
            self._files.cut_file(*self._begun)
            self._begun = None

    def body(self, place: Place) -> bytes:
        """Return the body of an entry, unchecked: fewer bytes than there should be when the file was cut.

        Raises:
            FileNotFoundError: the file is gone: damage, unless a flush has let go of the entry since its row was read.
            StorageError: it cannot be read.
        """
        path = self.path(place.version)
        try:
            with path.open("rb") as file:
                file.seek(place.offset)
                return file.read(place.length)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error

    def reclaim(self, version: int, kept: Container[int]) -> None:
        """Remove the files that nothing lies in any more.

        Args:
            version: of the manifest; files of later ones belong to whoever writes now.
            kept: the versions that rows of the log name.

        Raises:
            StorageError: one cannot be removed.
        """
        for path, of in self.found():
            if of < version and of not in kept:
                self._files.remove_file(path)

    def found(self) -> list[tuple[Path, int]]:
        """Return all files, with the versions of their manifests."""
        names = ((path, _NAME.fullmatch(path.name)) for path in self._files.list_files(self._folder))
        return [(path, int(match[1])) for path, match in names if match is not None]
