"""Backup: a consistent copy of a folder, made while others read and write it. A backup opens as a folder.

Each collection is copied as it is at one moment: its log by SQLite's own backup, then the segment files that the copied
manifest names, which are immutable. They are opened first, so that a flush that replaces them meanwhile does no harm.
Every copied byte is checked. The backup appears under its name only when it is complete and on the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from chroma_search.engine.catalog import Catalog, CollectionInfo
from chroma_search.engine.collection import LOG, SEGMENTS
from chroma_search.engine.collection_card import write_card
from chroma_search.engine.database import CATALOG, COLLECTIONS
from chroma_search.engine.verifying import Progress
from chroma_search.errors import ConflictError, CorruptionError, NotFoundError, StorageError
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import DiskFiles, Files
from chroma_search.storage.log import SegmentEntry, SqliteLog
from chroma_search.storage.segment_file import SegmentFile

MAKING = ".making"
"""What the name of an unfinished backup ends in."""
ATTEMPTS = 5
"""Times that a log is copied again because a flush replaced a segment before it was opened."""
COPY_BYTES = 1 << 22
"""Bytes copied at once."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What `back_up` copied.

    Attributes:
        path: the backup.
        n_collections, n_segments, n_bytes: what is in it.
    """

    path: str
    n_collections: int
    n_segments: int
    n_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {name: getattr(self, name) for name in ("path", "n_collections", "n_segments", "n_bytes")}

    def __str__(self) -> str:
        held = f"{self.n_collections} collections, {self.n_segments} segments, {self.n_bytes / 1e6:,.1f} MB"
        return f"{self.path}: a backup of {held}"


def back_up(path: str | PathLike[str], to: str | PathLike[str], *, progress: Progress | None = None) -> BackupReport:
    """Copy the folder of a `PersistentClient`, which other processes may be using, to a new folder.

    Args:
        path: what to copy.
        to: the new folder; it must not exist, or be empty.
        progress: called after each collection with the number done and the number there are.

    Raises:
        ConflictError: `to` exists and is not empty, or lies inside `path`.
        NotFoundError: there are no data in `path`.
        CorruptionError: what would be copied is damaged; there is no backup then.
        StorageError: a file cannot be read or written; there is no backup then.
    """
    source, target = Path(path).expanduser().resolve(), Path(to).expanduser().resolve()
    if not (source / CATALOG).exists():
        raise NotFoundError(f"{source} holds no data of chroma_search", kind="folder", name=str(source))
    if target == source or target.is_relative_to(source):
        raise ConflictError(
            f"{target} lies in what is to be copied: give another place", kind="folder", name=str(target)
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError(f"{target} exists: give a new folder, or an empty one", kind="folder", name=str(target))
    making = target.with_name(target.name + MAKING)
    files = DiskFiles()
    shutil.rmtree(making, ignore_errors=True)
    try:
        files.make_folder(making / COLLECTIONS)
        n_collections, n_segments = _copy(source, making, files, progress)
        n_bytes = sum(each.stat().st_size for each in making.rglob("*") if each.is_file())
        reach("backup.before_rename")
        _rename(making, target, files)
    except OSError as error:
        raise StorageError(f"cannot make the backup {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    reach("backup.after_rename")
    return BackupReport(str(target), n_collections, n_segments, n_bytes)


def _copy(source: Path, making: Path, files: Files, progress: Progress | None) -> tuple[int, int]:
    with closing(Catalog(source / CATALOG, "read")) as catalog:
        catalog.copy_to(making / CATALOG)
    n_segments, gone = 0, list[CollectionInfo]()
    with closing(Catalog(making / CATALOG, "open")) as catalog:
        collections = catalog.state().collections
        reach("backup.after_catalog")
        for at, info in enumerate(collections):
            name = f"{COLLECTIONS}/{info.id}"
            try:
                n_segments += _copy_collection(source / name, making / name, info, files)
            except NotFoundError:  # it was deleted meanwhile
                shutil.rmtree(making / name, ignore_errors=True)
                gone.append(info)
            if progress is not None:
                progress(at + 1, len(collections))
        with catalog.writing():
            for info in gone:
                catalog.remove_collection(info.id)
        catalog.shrink(wait_s=0.0)
    _sync(making / CATALOG, files)
    return len(collections) - len(gone), n_segments


def _copy_collection(source: Path, target: Path, info: CollectionInfo, files: Files) -> int:
    if not source.exists():
        raise NotFoundError("the collection was deleted", kind="collection", name=info.name)
    files.make_folder(target / SEGMENTS)
    write_card(files, target, info)
    for attempt in range(ATTEMPTS):
        (target / LOG).unlink(missing_ok=True)
        entries = _copy_log(source / LOG, target / LOG)
        reach("backup.after_log")
        try:
            _copy_segments(entries, source / SEGMENTS, target / SEGMENTS, files)
        except FileNotFoundError as error:
            if attempt < ATTEMPTS - 1:
                continue
            path = str(error.filename)
            raise CorruptionError(f"{path} is missing: repair() the folder", path=path) from error
        _sync(target / LOG, files)
        return len(entries)
    raise AssertionError("the last attempt has returned")


def _copy_segments(entries: Sequence[SegmentEntry], source: Path, target: Path, files: Files) -> None:
    """Copy segment files and check the copies; all are opened first, so that none can go meanwhile."""
    with ExitStack() as stack:
        opened = [stack.enter_context((source / entry.name).open("rb")) for entry in entries]
        for entry, file in zip(entries, opened, strict=True):
            files.write_file(target / entry.name, _parts(file))
            with closing(SegmentFile.open(target / entry.name)) as copy:
                copy.verify()
            reach("backup.after_segment")


def _copy_log(source: Path, target: Path) -> tuple[SegmentEntry, ...]:
    """Copy a log and check every entry of the copy; return the segments that it names."""
    with closing(SqliteLog(source, "read")) as log:
        log.copy_to(target)
    with closing(SqliteLog(target, "open")) as copy:
        manifest = copy.news().manifest
        copy.shrink()
    return () if manifest is None else manifest.segments


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    while part := file.read(COPY_BYTES):
        yield part


def _sync(path: Path, files: Files) -> None:
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


def _rename(making: Path, target: Path, files: Files) -> None:
    if target.exists():
        target.rmdir()
    os.rename(making, target)
    files.sync_folder(target.parent)
