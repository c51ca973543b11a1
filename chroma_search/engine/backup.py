"""Backup: a consistent copy of a folder, made while others read and write it. A backup opens as a folder.

Each collection is copied as it is at one moment (`collection_copy.py`), and every copied byte is checked. The backup
appears under its name only when it is complete and on the disk.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from chroma_search.engine.catalog import Catalog, CollectionInfo
from chroma_search.engine.collection_copy import copied_segments, copy_collection, sync_database
from chroma_search.engine.database_folder import CATALOG, COLLECTIONS
from chroma_search.engine.verifying import Progress
from chroma_search.errors import ConflictError, CorruptionError, NotFoundError, StorageError
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import DiskFiles, Files

MAKING = ".making"
"""What the name of an unfinished backup ends in."""
_OF_CATALOG = CATALOG.partition(".")[0] + "."
"""What the names of the catalog, of its note and of its write-ahead file begin with."""


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
        ConflictError: `to` exists and is not empty, or lies inside `path`; something else has the name that the
            backup has until it is complete.
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
    _check_ours(making)
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


def _check_ours(making: Path) -> None:
    """Refuse to work where something lies that no backup has left."""
    is_ours = making.is_dir() and all(
        each.name == COLLECTIONS or each.name.startswith(_OF_CATALOG) for each in making.iterdir()
    )
    if not is_ours and os.path.lexists(making):
        raise ConflictError(
            f"{making} exists, and is no unfinished backup: move it away, or give another place",
            kind="folder",
            name=str(making),
        )


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
                n_segments += copy_collection(source / name, making / name, info, files, copied_segments)
            except NotFoundError:  # it was deleted meanwhile
                shutil.rmtree(making / name, ignore_errors=True)
                gone.append(info)
            if progress is not None:
                progress(at + 1, len(collections))
        with catalog.writing():
            for info in gone:
                catalog.remove_collection(info.id)
        catalog.shrink(wait_s=0.0)
    _check_deleted(source, gone)
    sync_database(making / CATALOG, files)
    return len(collections) - len(gone), n_segments


def _check_deleted(source: Path, gone: list[CollectionInfo]) -> None:
    """Refuse to leave out collections whose folders are missing although nobody has deleted them."""
    with closing(Catalog(source / CATALOG, "read")) as catalog:
        known = {info.id for info in catalog.state().collections}
    for info in gone:
        if info.id in known:
            path = str(source / COLLECTIONS / str(info.id))
            raise CorruptionError(
                f"{path} is missing, the folder of collection {info.name!r}: repair() the folder, which leaves that "
                "collection empty",
                path=path,
                expected="the folder of a collection",
            )


def _rename(making: Path, target: Path, files: Files) -> None:
    if target.exists():
        target.rmdir()
    os.rename(making, target)
    files.sync_folder(target.parent)
