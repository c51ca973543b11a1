"""Sweep: remove the folders of collections that a killed process has left, when a folder is opened to write.

These are folders of removed collections, of those that were being forked (they count as removed until they are there),
and of those that were just being made. A folder with records that the catalog neither knows nor has removed stays: the
catalog is then an older one than it should be, and `verify` and `repair` know what to do.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from chroma_search.engine.catalog import Catalog
from chroma_search.engine.collection_home import LOG, SEGMENTS
from chroma_search.errors import NotFoundError, StorageError
from chroma_search.storage.files import Files
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.long_entries import LongEntries
from chroma_search.storage.segment_folder import SUFFIX

PAGE_BYTES = 4096


def sweep(collections: Path, catalog: Catalog, known: Collection[str], files: Files) -> None:
    """Remove what is left over.

    Args:
        collections: the folder of all collections.
        catalog: the catalog, inside `writing`: nobody is making a collection at the same time.
        known: ids of the collections in it.
        files: the disk.
    """
    removed = catalog.removed() - set(known)
    for folder in collections.iterdir():
        if folder.name in known:
            files.sweep(folder)
        elif folder.name in removed or not _was_written(folder):
            remove_tree(folder)
    for id_ in removed:
        if not (collections / id_).exists():
            catalog.forget_removed(id_)


def is_swept(collections: Path, catalog: Catalog, known: Collection[str], files: Files) -> bool:
    """Tell whether there is nothing that `sweep` could remove; needs no lock, for a later look would tell the rest."""
    folders = list(collections.iterdir())
    if any(folder.name not in known or files.left_over(folder) for folder in folders):
        return False
    return not catalog.removed() - set(known)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all below it, as far as that is possible."""
    import shutil  # 2 ms, and there is seldom anything to remove

    shutil.rmtree(folder, ignore_errors=True)


def _was_written(folder: Path) -> bool:
    """Tell whether a collection that nobody knows could hold records; when in doubt, yes."""
    if not (folder / LOG).exists():
        return any(folder.rglob(f"*{SUFFIX}")) or bool(LongEntries(folder).found())
    try:
        with closing(SqliteLog(folder / LOG, "read")) as log:
            return log.news().holds_records
    except NotFoundError:  # it was deleted
        return False
    except StorageError:  # one that was just being made has a single page
        return (folder / LOG).stat().st_size > PAGE_BYTES or (folder / SEGMENTS).exists()
