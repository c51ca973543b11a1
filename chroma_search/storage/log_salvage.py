"""Salvage of a log: the entries and the manifest of a damaged log file that are still what was written.

Each entry is checked by the checksum chained to the one before, as that one stands in the file: so a damaged entry is
left out and those behind it are kept. The file is read from a copy, and never written.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroma_search.errors import CorruptionError
from chroma_search.storage.log import DROPPED, Manifest, SegmentEntry, chained
from chroma_search.storage.log_entry import LogEntry


@dataclass(frozen=True, slots=True)
class SalvagedLog:
    """What is left of a log.

    Attributes:
        manifest: as it was written; None where it is damaged.
        segments: those of its segments whose row is as it was written.
        entries: those that are sound, by their number.
        last_seq: number of the last entry ever appended, as far as can be told.
        is_dropped: whether the collection was deleted.
        losses: what is missing, in words.
    """

    manifest: Manifest | None
    segments: tuple[SegmentEntry, ...]
    entries: dict[int, LogEntry]
    last_seq: int
    is_dropped: bool
    losses: tuple[str, ...]


def salvage_log(path: Path) -> SalvagedLog:
    """Return what is left of a log file; of a missing one, nothing."""
    with tempfile.TemporaryDirectory(prefix="chroma_search_") as folder:
        for each in (path, path.with_name(f"{path.name}-wal")):
            if each.exists():
                shutil.copyfile(each, Path(folder) / each.name)
        with closing(sqlite3.connect(Path(folder) / path.name, isolation_level=None)) as connection:
            return _salvaged(connection, path.name)


def _salvaged(connection: sqlite3.Connection, name: str) -> SalvagedLog:
    losses: list[str] = []
    version = _first(connection, "PRAGMA user_version")
    manifest, segments = _manifest(connection)
    if manifest is None and _has_rows(connection, "manifest"):
        losses.append(f"{name}: which rows of its segments were deleted, for its manifest is damaged")
    rows = _entry_rows(connection)
    base_seq, base_chain = (0, 0) if manifest is None else (manifest.base_seq, manifest.base_chain)
    chains = {base_seq: base_chain, **{seq: chain for seq, (chain, _) in rows.items()}}
    entries: dict[int, LogEntry] = {}
    for seq, (chain, body) in sorted(rows.items()):
        is_sound = seq - 1 not in chains or chain == chained(chains[seq - 1], seq, body)
        with suppress(CorruptionError):
            entry = LogEntry.from_bytes(body)
            if is_sound:
                entries[seq] = entry
    head = _first(connection, "SELECT seq FROM head")
    last_seq = max([base_seq, *rows, head[0] if head and isinstance(head[0], int) else 0])
    first_seq = base_seq + 1 if manifest is not None else min(rows, default=last_seq + 1)
    lost = [seq for seq in range(first_seq, last_seq + 1) if seq not in entries] if last_seq - first_seq < 10**6 else []
    if lost:
        losses.append(f"{name}: {len(lost)} writes (numbers {_ranges(lost)})")
    is_dropped = version is not None and version[0] == DROPPED
    return SalvagedLog(manifest, segments, entries, last_seq, is_dropped, tuple(losses))


def _manifest(connection: sqlite3.Connection) -> tuple[Manifest | None, tuple[SegmentEntry, ...]]:
    sound: list[SegmentEntry] = []
    for name, n_rows, dead, checksum in _rows(
        connection, "SELECT name, n_rows, dead, checksum FROM segments ORDER BY position"
    ):
        entry = SegmentEntry(name, n_rows, dead)
        with suppress(TypeError):
            if entry.checksum() == checksum:
                sound.append(entry)
    columns = "version, base_seq, base_chain, next_offset, dimension, checksum"
    row = _first(connection, f"SELECT {columns} FROM manifest")
    if row is None:
        return (None if sound or _has_rows(connection, "manifest") else Manifest()), tuple(sound)
    for n_lost in range(8):  # the checksum is of the number of segments, too
        version, base_seq, base_chain, next_offset, dimension, checksum = row
        padding = (SegmentEntry("", 0, None),) * n_lost
        found = Manifest(version, base_seq, base_chain, next_offset, dimension, (*sound, *padding))
        if found.checksum() == checksum:
            return Manifest(version, base_seq, base_chain, next_offset, dimension, tuple(sound)), tuple(sound)
    return None, tuple(sound)


def _entry_rows(connection: sqlite3.Connection) -> dict[int, tuple[int, bytes]]:
    """Return number, chain and body of all entries that can be read, from both ends."""
    found: dict[int, tuple[int, bytes]] = {}
    for order in ("ASC", "DESC"):
        for seq, chain, body in _rows(connection, f"SELECT seq, chain, body FROM entries ORDER BY seq {order}"):
            if isinstance(seq, int) and isinstance(chain, int) and isinstance(body, bytes):
                found[seq] = chain, body
    return found


def _rows(connection: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """Give rows until the file cannot be read further."""
    with suppress(sqlite3.DatabaseError):
        yield from connection.execute(statement)


def _first(connection: sqlite3.Connection, statement: str) -> tuple[Any, ...] | None:
    return next(_rows(connection, statement), None)


def _has_rows(connection: sqlite3.Connection, table: str) -> bool:
    return _first(connection, f"SELECT 1 FROM {table}") is not None


def _ranges(numbers: list[int]) -> str:
    """Return ascending numbers as `3-5, 9`."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], each]
        else:
            parts.append([each])
    return ", ".join("-".join(map(str, part)) for part in parts)
