"""Salvage of a log: the entries and the manifest of a damaged log file that are still what was written.

Each entry is checked by the checksum chained to the one before, as that one stands in the file: so a damaged entry is
left out and those behind it are kept. One whose predecessor's checksum is gone as well cannot be checked, and is left
out too. The file is read from a copy, and never written; what cannot be read of it is not taken for empty.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from chroma_search.errors import CorruptionError, StorageError
from chroma_search.storage.last_commit import CommitNote
from chroma_search.storage.log import DROPPED, SCHEMA, chained
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.long_entries import LongEntries, Place
from chroma_search.storage.manifest import Manifest, SegmentEntry, counted_checksum
from chroma_search.storage.sqlite_salvage import DamagedDatabase, opened_copy

MOST_LOST = 10**6
"""A gap between two numbers of entries that is wider than this is itself damage."""


@dataclass(frozen=True, slots=True)
class SalvagedLog:
    """What is left of a log.

    Attributes:
        manifest: as it was written, but with those segments alone whose row is; None where it is damaged.
        segments: those of its segments whose row is as it was written.
        n_unnamed: segments whose row is damaged: they must be looked for; None when that cannot be told.
        entries: those that are sound, by their number.
        last_seq: number of the last entry ever appended, as far as can be told.
        is_dropped: whether the collection was deleted.
        losses: what is missing, in words.
    """

    manifest: Manifest | None
    segments: tuple[SegmentEntry, ...]
    n_unnamed: int | None
    entries: dict[int, LogEntry]
    last_seq: int
    is_dropped: bool
    losses: tuple[str, ...]


def salvage_log(path: Path) -> SalvagedLog:
    """Return what is left of a log file with its write-ahead file; of a missing one, nothing.

    Raises:
        OSError: it cannot be read, or not be copied.
    """
    with opened_copy(path, SCHEMA) as copy:
        noted = CommitNote(path).read()
        return _salvaged(copy, path, 0 if noted is None else noted.number)


def _salvaged(copy: DamagedDatabase, path: Path, noted: int) -> SalvagedLog:
    name = path.name
    version = copy.read("PRAGMA user_version").rows
    rows, is_whole = _entry_rows(copy, LongEntries(path.parent))
    segments, manifest, n_unnamed, base_chain = _manifest(copy, min(rows, default=None))
    losses: list[str] = []
    if n_unnamed != 0:
        number = "an unknown number" if n_unnamed is None else n_unnamed
        losses.append(f"{name}: which rows of {number} of its segments were deleted, for its manifest is damaged")
    base_seq = 0 if manifest is None else manifest.base_seq
    head = copy.read("SELECT seq, chain FROM head").rows
    entries = _sound_entries(rows, base_chain, head)
    last_seq, is_known = _last(head, max([base_seq, *rows]), is_whole)
    if last_seq < noted <= last_seq + MOST_LOST:
        last_seq, is_known = noted, True
    first_seq = base_seq + 1 if manifest is not None else min(rows, default=last_seq + 1)
    lost = [seq for seq in range(first_seq, last_seq + 1) if seq not in entries]
    if lost:
        losses.append(f"{name}: {len(lost)} writes (numbers {_ranges(lost)})")
    if not (is_known and copy.has_last_commit) or (manifest is None and not rows):
        losses.append(f"{name}: it cannot be told whether the last writes are missing")
    is_dropped = bool(version) and version[0][0] == DROPPED
    return SalvagedLog(manifest, segments, n_unnamed, entries, last_seq, is_dropped, tuple(losses))


def _manifest(
    copy: DamagedDatabase, first_seq: int | None
) -> tuple[tuple[SegmentEntry, ...], Manifest | None, int | None, dict[int, int]]:
    """Return sound segments, the manifest, how many segments it names beside them, and the checksum it begins with."""
    found = copy.read("SELECT name, n_rows, dead, checksum FROM segments ORDER BY position")
    backwards = copy.read("SELECT name, n_rows, dead, checksum FROM segments ORDER BY position DESC")
    every = dict.fromkeys([*found.rows, *reversed(backwards.rows)])
    sound = tuple(entry for *row, checksum in every if (entry := SegmentEntry(*row)).is_as_written(checksum))
    read = copy.read("SELECT version, base_seq, base_chain, next_offset, dimension, checksum FROM manifest")
    for row in read.rows:
        for n_lost in range(64):  # its checksum is of the number of segments, too
            version, base_seq, base_chain, next_offset, dimension, checksum = row
            padding = (SegmentEntry("", 0, None),) * n_lost
            if (
                Manifest(version, base_seq, base_chain, next_offset, dimension, (*sound, *padding)).checksum()
                == checksum
            ):
                manifest = Manifest(
                    version, base_seq, base_chain, next_offset, dimension, sound, _counted(copy, version)
                )
                return sound, manifest, n_lost, {base_seq: base_chain}
    is_new = read.is_whole and not read.rows and found.is_whole and not found.rows
    if is_new and first_seq in (None, 1) and copy.read("SELECT 1 FROM head").is_whole:
        return (), Manifest(), 0, {0: 0}
    # The checksum that the first entry is chained to may be right all the same; the entry shows it.
    chains = [row[2] for row in read.rows if isinstance(row[2], int)]
    return sound, None, None, {} if first_seq is None or not chains else {first_seq - 1: chains[0]}


def _counted(copy: DamagedDatabase, version: int) -> int | None:
    rows = copy.read("SELECT version, n, checksum FROM operations").rows
    sound = [n for of, n, checksum in rows if of == version and checksum == counted_checksum(of, n)]
    return sound[0] if sound else None


def _entry_rows(copy: DamagedDatabase, long: LongEntries) -> tuple[dict[int, tuple[int, bytes]], bool]:
    """Return checksum and body of all entries that can be read, from both ends, and whether that is all.

    In place of a long body that cannot be read stands an empty one, whose checksum is not right.
    """
    found: dict[int, tuple[int, bytes]] = {}
    is_whole = True
    for order in ("ASC", "DESC"):
        read = copy.read(f"SELECT seq, chain, body FROM entries ORDER BY seq {order}")
        is_whole &= read.is_whole
        for seq, chain, body in read.rows:
            if type(seq) is int and seq > 0 and type(chain) is int and isinstance(body, bytes):
                found[seq] = chain, _whole(body, long)
            else:
                is_whole = False
    numbers = sorted(found)
    for before, seq in pairwise(numbers):
        if seq - before > MOST_LOST:
            return {number: found[number] for number in numbers if number < seq}, False
    return found, is_whole


def _whole(stored: bytes, long: LongEntries) -> bytes:
    place = Place.of(stored)
    try:
        return stored if place is None else long.body(place)
    except (OSError, StorageError):
        return b""


def _sound_entries(
    rows: dict[int, tuple[int, bytes]], base_chain: dict[int, int], head: list[tuple[Any, ...]]
) -> dict[int, LogEntry]:
    """Return the entries that are what was written: so says their own checksum, that of the next one, or the head."""
    chains = dict(base_chain)
    entries: dict[int, LogEntry] = {}
    for seq, (chain, body) in sorted(rows.items()):
        if seq - 1 not in chains:  # nothing to check it with
            chains[seq] = chain
            continue
        found = chained(chains[seq - 1], seq, body)
        next_chain, next_body = rows.get(seq + 1, (None, b""))
        if found == chain or (seq, found) in head or chained(found, seq + 1, next_body) == next_chain:
            with suppress(CorruptionError, TypeError):
                entries[seq] = LogEntry.from_bytes(body)
            chains[seq] = found
        else:
            chains[seq] = chain
    return entries


def _last(head: list[tuple[Any, ...]], seen: int, is_whole: bool) -> tuple[int, bool]:
    """Return the number of the last entry, and whether that is certain."""
    if len(head) == 1 and type(head[0][0]) is int and seen <= head[0][0] <= seen + MOST_LOST:
        return head[0][0], True
    return seen, not head and not seen and is_whole


def _ranges(numbers: list[int]) -> str:
    """Return ascending numbers as `3-5, 9`."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], each]
        else:
            parts.append([each])
    return ", ".join("-".join(map(str, part)) for part in parts)
