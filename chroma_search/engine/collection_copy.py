"""A copy of one collection's folder as it is at one moment, made while others read and write it.

The log is copied by SQLite's own backup; then the segment files that the copied manifest names, which are immutable,
are copied or linked. A flush may replace one meanwhile: then both are done again. The copy is on the disk at the end.

Not for: the catalog, and when a copy becomes visible; that is the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from chroma_search.engine.catalog import CollectionInfo
from chroma_search.engine.collection_card import write_card
from chroma_search.engine.collection_home import LOG, SEGMENTS
from chroma_search.errors import CorruptionError, NotFoundError
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import Files, parts_of
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.manifest import SegmentEntry
from chroma_search.storage.segment_file import SegmentFile

ATTEMPTS = 5
"""Times that a log is copied again because a flush replaced a file before it was opened."""

PutSegments = Callable[[Sequence[SegmentEntry], Path, Path, Files], None]
"""Puts the segments of a manifest from one folder into another; FileNotFoundError when one is gone."""


def copy_collection(source: Path, target: Path, info: CollectionInfo, files: Files, put_segments: PutSegments) -> int:
    """Copy the folder of a collection.

    Args:
        source, target: folders of a collection; the second one is made.
        info: what the card of the copy shall say.
        files: the disk.
        put_segments: `copied_segments`, or `linked_segments`.

    Returns:
        the number of segments.

    Raises:
        NotFoundError: the collection was deleted.
        CorruptionError: it is damaged. StorageError, OSError: a file cannot be read or written.
    """
    if not source.exists():
        raise NotFoundError("the collection was deleted", kind="collection", name=info.name)
    files.make_folder(target / SEGMENTS)
    for attempt in range(ATTEMPTS):
        (target / LOG).unlink(missing_ok=True)
        try:
            entries = _copy_log(source / LOG, target / LOG, files)
            reach("copy.after_log")
            put_segments(entries, source / SEGMENTS, target / SEGMENTS, files)
        except FileNotFoundError as error:
            if attempt < ATTEMPTS - 1:
                continue
            path = str(error.filename)
            raise CorruptionError(f"{path} is missing: repair() the folder", path=path) from error
        sync_database(target / LOG, files)
        write_card(files, target, info)
        return len(entries)
    raise AssertionError("the last attempt has returned")


def copied_segments(entries: Sequence[SegmentEntry], source: Path, target: Path, files: Files) -> None:
    """Copy segment files and check the copies; all are opened first, so that none can go meanwhile."""
    with ExitStack() as stack:
        opened = [stack.enter_context((source / entry.name).open("rb")) for entry in entries]
        for entry, file in zip(entries, opened, strict=True):
            files.write_file(target / entry.name, parts_of(file))
            with closing(SegmentFile.open(target / entry.name)) as copy:
                copy.verify()
            reach("copy.after_segment")


def linked_segments(entries: Sequence[SegmentEntry], source: Path, target: Path, files: Files) -> None:
    """Give segment files a second name, which costs neither time nor room; copy them where that is not possible."""
    for entry in entries:
        if not (target / entry.name).exists():  # of an earlier attempt
            try:
                files.link_file(source / entry.name, target / entry.name)
            except FileNotFoundError:
                raise
            except OSError:
                copied_segments([entry], source, target, files)
        reach("copy.after_segment")
    files.sync_folder(target)


def sync_database(path: Path, files: Files) -> None:
    """Wait until the disk holds a file of SQLite, and its name; the connection was closed, so it is one file."""
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    files.sync_folder(path.parent)


def _copy_log(source: Path, target: Path, files: Files) -> tuple[SegmentEntry, ...]:
    """Copy a log and check every entry of the copy; return the segments that it names."""
    with closing(SqliteLog(source, "read")) as log:
        log.copy_to(target)
    with closing(SqliteLog(target, "open")) as copy:
        copy.copy_long_entries(source.parent, files)
        manifest = copy.news().manifest
        copy.reclaim()  # those of an earlier attempt
        copy.shrink()
    return () if manifest is None else manifest.segments
