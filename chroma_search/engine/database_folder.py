"""DatabaseFolder: what a database has on disk besides the catalog - the folders of its collections.

Layout: `catalog.sqlite`, and per collection `collections/<id>/log.sqlite` with its segments beside it. When a folder is
made, copied or removed, and what the catalog says of it, is for `database.py`, which holds the catalog's lock then.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence, Set
from contextlib import closing
from pathlib import Path

from chroma_search.engine.catalog import Catalog, CollectionInfo
from chroma_search.engine.collection_card import write_card
from chroma_search.engine.collection_home import LOG, REMOVAL_S
from chroma_search.engine.sweeping import is_swept, remove_tree, sweep
from chroma_search.errors import NotFoundError, StorageError
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.sqlite_file import RETRY_S

CATALOG, COLLECTIONS, DAMAGED = "catalog.sqlite", "collections", "damaged"


class DatabaseFolder:
    """The folder of a database.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._collections = path / COLLECTIONS
        self._files = DiskFiles()

    def of_collection(self, id_: uuid.UUID) -> Path:
        """Return the folder of a collection."""
        return self._collections / str(id_)

    def open_catalog(self, *, reads_only: bool) -> Catalog:
        """Open the catalog; it is made, with the folders, when there is none and it may be.

        Raises:
            NotFoundError: there is nothing to read. StorageError: a folder cannot be made.
            CorruptionError: there are collections, but no catalog.
        """
        path = self.path / CATALOG
        if reads_only:
            if not path.exists() and not self._collections.exists():
                raise NotFoundError(
                    f"{self.path} holds no data of chroma_search: give the folder that PersistentClient made",
                    kind="folder",
                    name=str(self.path),
                )
            return Catalog(path, "read")
        # A new catalog where there are collections would make them look deleted. Where there are none, it may also be
        # that whoever made the catalog was killed before its tables were there, or before the names of folders last.
        if self._collections.is_dir() and any(self._collections.iterdir()):
            return Catalog(path, "open")
        self._files.make_folder(self.path)
        self._files.make_folder(self._collections)
        return Catalog(path, "create")

    def make(self, info: CollectionInfo) -> None:
        """Make the folder of a new collection.

        Raises:
            StorageError: the disk is full, or fails.
        """
        folder = self.of_collection(info.id)
        self._files.make_folder(folder)
        write_card(self._files, folder, info)
        reach("collection.after_card")
        SqliteLog(folder / LOG).close()
        reach("collection.after_log")
        self._files.sync_folder(folder)

    def write_card(self, info: CollectionInfo) -> None:
        """Note beside the records of a collection what the catalog says of it, for `repair`."""
        write_card(self._files, self.of_collection(info.id), info)

    def copy(self, source: uuid.UUID, info: CollectionInfo) -> None:
        """Make the folder of a fork, whole or not at all.

        Raises:
            NotFoundError: the source was deleted. StorageError: the disk is full, or fails.
        """
        from chroma_search.engine.collection_copy import copy_collection, linked_segments  # forks are rare

        folder = self.of_collection(info.id)
        try:
            copy_collection(self.of_collection(source), folder, info, self._files, linked_segments)
        except OSError as error:
            remove_tree(folder)
            raise StorageError(f"cannot make the fork {info.name!r}: {error.strerror or error}") from error
        except BaseException:
            remove_tree(folder)
            raise
        reach("fork.after_copy")

    def discard(self, doomed: Sequence[CollectionInfo]) -> None:
        """Make the logs of deleted collections unusable for whoever holds them, then remove their folders."""
        for info in doomed:
            folder = self.of_collection(info.id)
            try:
                if (folder / LOG).exists():
                    with closing(SqliteLog(folder / LOG, "open")) as log:
                        log.drop()
            except StorageError:
                if not _is_gone(folder / LOG):
                    raise
            remove_tree(folder)  # what stays is swept when the database is opened next

    def discard_damaged(self) -> None:
        """Remove what `repair` has put aside."""
        remove_tree(self.path / DAMAGED)

    def is_swept(self, catalog: Catalog, known: Set[str]) -> bool:
        """Tell whether killed processes have left nothing here; needs no lock."""
        return is_swept(self._collections, catalog, known, self._files)

    def sweep(self, catalog: Catalog, known: Set[str]) -> None:
        """Remove what killed processes have left, under the writer's lock of the catalog."""
        sweep(self._collections, catalog, known, self._files)


def _is_gone(log: Path) -> bool:
    """Tell whether another process, which has opened the database just now, has swept a collection, or is about it."""
    until = time.monotonic() + REMOVAL_S
    while log.exists():
        if time.monotonic() >= until:
            return False
        time.sleep(RETRY_S)
    return True
