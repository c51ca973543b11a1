"""Manifest: what the segments of a collection hold - which files, with which rows dead, up to which entry of the log.

The log keeps it in its tables and changes it in one transaction with its entries (`log.py`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

from chroma_search.errors import CorruptionError
from chroma_search.record import record
from chroma_search.storage.sqlite_file import SqliteFile

MANIFEST_SCHEMA = (
    "CREATE TABLE manifest (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, "
    "base_seq INTEGER NOT NULL, base_chain INTEGER NOT NULL, next_offset INTEGER NOT NULL, dimension INTEGER, "
    "checksum INTEGER NOT NULL)",
    "CREATE TABLE segments (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
    "n_rows INTEGER NOT NULL, dead BLOB, checksum INTEGER NOT NULL)",
)

MANIFEST_ADDITIONS = (
    "CREATE TABLE IF NOT EXISTS operations (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, "
    "n INTEGER NOT NULL, checksum INTEGER NOT NULL)",
)
"""Tables that logs of earlier programs lack."""

_SEGMENT_TYPES = ((str, int, bytes), (str, int, type(None)))


@record()
class SegmentEntry:
    """A segment as the manifest names it.

    Attributes:
        name: its file, without the folder.
        n_rows: rows in it.
        dead: packed bits of the rows that are tombstones, None when every row lives.
    """

    name: str
    n_rows: int
    dead: bytes | None

    @property
    def n_live(self) -> int:
        """Rows that are no tombstones."""
        return self.n_rows - bin(int.from_bytes(self.dead or b"", "big")).count("1")

    def checksum(self) -> int:
        """Return the checksum of the row in the manifest."""
        return zlib.crc32(self.dead or b"", zlib.crc32(f"{self.name} {self.n_rows} {self.dead is None}".encode()))

    def is_as_written(self, checksum: object) -> bool:
        """Tell whether the row is what its checksum says; in a damaged file its columns may be of any type."""
        types = type(self.name), type(self.n_rows), type(self.dead)
        return types in _SEGMENT_TYPES and self.checksum() == checksum


@record()
class Manifest:
    """What the segments of a collection hold.

    Attributes:
        version: grows by one with each change; 0 before the first.
        base_seq, base_chain: the last entry that is in the segments, and its checksum.
        next_offset: offset id of the next new record, after that entry.
        dimension: of all vectors, None before the first write.
        segments: in the order they were made.
        n_ops: records that all writes up to that entry added, changed or deleted; None where an earlier program wrote
            the manifest.
    """

    version: int = 0
    base_seq: int = 0
    base_chain: int = 0
    next_offset: int = 1
    dimension: int | None = None
    segments: tuple[SegmentEntry, ...] = ()
    n_ops: int | None = None

    def between(self, first: str, last: str) -> tuple[SegmentEntry, ...]:
        """Return the segments from one name to another; none when one of the names is missing."""
        names = [each.name for each in self.segments]
        if first not in names or last not in names:
            return ()
        return self.segments[names.index(first) : names.index(last) + 1]

    def replacing(self, old: Sequence[SegmentEntry], new: SegmentEntry | None) -> Manifest:
        """Return the next manifest, with one segment, or none, in place of some that follow each other."""
        at = self.segments.index(old[0])
        segments = (*self.segments[:at], *((new,) if new else ()), *self.segments[at + len(old) :])
        return replace(self, version=self.version + 1, segments=segments)

    def checksum(self) -> int:
        """Return the checksum of the manifest, the segments' rows and the number of operations apart."""
        facts = (self.version, self.base_seq, self.base_chain, self.next_offset, self.dimension, len(self.segments))
        return zlib.crc32(repr(facts).encode())


def counted_checksum(version: object, n: object) -> int:
    """Return the checksum of a number of operations; in a damaged file both may be of any type."""
    return zlib.crc32(repr((version, n)).encode())


def put_manifest(file: SqliteFile, manifest: Manifest) -> None:
    """Write a manifest into the tables of a log, inside a transaction."""
    base = (manifest.version, manifest.base_seq, manifest.base_chain, manifest.next_offset, manifest.dimension)
    file.execute("DELETE FROM segments")
    file.execute_many(
        "INSERT INTO segments VALUES (?, ?, ?, ?, ?)",
        [(at, each.name, each.n_rows, each.dead, each.checksum()) for at, each in enumerate(manifest.segments)],
    )
    file.execute("INSERT OR REPLACE INTO manifest VALUES (1, ?, ?, ?, ?, ?, ?)", (*base, manifest.checksum()))
    counted = (manifest.version, manifest.n_ops or 0)
    file.execute("INSERT OR REPLACE INTO operations VALUES (1, ?, ?, ?)", (*counted, counted_checksum(*counted)))


def changed_manifest(file: SqliteFile, known: int) -> Manifest | None:
    """Read the manifest of a log.

    Args:
        file: the log.
        known: version of the one that is known; -1 for none.

    Returns:
        None while it is the known one.

    Raises:
        CorruptionError: it is damaged.
    """
    rows = file.execute("SELECT version, base_seq, base_chain, next_offset, dimension, checksum FROM manifest")
    if not rows:
        return None if known == 0 else Manifest()
    version, base_seq, base_chain, next_offset, dimension, checksum = rows[0]
    if version == known and len(rows) == 1:
        return None
    segments = file.execute("SELECT name, n_rows, dead, checksum FROM segments ORDER BY position")
    entries = tuple(SegmentEntry(name, n_rows, dead) for name, n_rows, dead, _ in segments)
    found = Manifest(version, base_seq, base_chain, next_offset, dimension, entries, _counted(file, version))
    is_sound = len(rows) == 1 and found.checksum() == checksum
    if not is_sound or any(not entry.is_as_written(row[3]) for entry, row in zip(entries, segments, strict=True)):
        raise _damaged(f"the manifest in {file.path}", file)
    return found


def _counted(file: SqliteFile, version: int) -> int | None:
    """Return the number of operations that belongs to a manifest, None where its writer did not count."""
    if not file.has_table("operations"):
        return None
    for of_version, n, checksum in file.execute("SELECT version, n, checksum FROM operations"):
        if checksum != counted_checksum(of_version, n):
            raise _damaged(f"the number of operations in {file.path}", file)
        if of_version == version:
            return n
    return None


def _damaged(what: str, file: SqliteFile) -> CorruptionError:
    return CorruptionError(f"{what} is damaged", path=str(file.path), expected="rows as their checksums say")
