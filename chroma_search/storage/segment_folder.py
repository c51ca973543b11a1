"""SegmentFolder: the segment files of one collection - written, opened, and removed when no manifest names them.

Only one process at a time makes files (`making`): so whatever is not named by the manifest then is left over from a
process that died, and may go. A reader that has a file open keeps it, also after it was removed. What takes long to
make is made in a folder of its own (`unnamed`), with a lock of its own, and `adopt`ed when it is complete: flushes go
on meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chroma_search.errors import CorruptionError, NotFoundError
from chroma_search.indexes.registry import vector_index
from chroma_search.storage.failpoint import reach
from chroma_search.storage.files import DiskFiles, Files
from chroma_search.storage.manifest import SegmentEntry
from chroma_search.storage.postings_files import POSTINGS_SUFFIX, PostingsFiles
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.segment_file import SegmentFile, write_segment
from chroma_search.storage.snapshot import SegmentState
from chroma_search.storage.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from chroma_search.indexes.base import VectorIndex

SUFFIX = ".segment"
LOCK = "making.sqlite"
UNNAMED = "unnamed"
"""Folder, beside the segments, of those that are being made and that no manifest names yet."""
LOCKS = (LOCK, f"{UNNAMED}/{LOCK}")
"""All locks of a folder of segments."""


class SegmentFolder:
    """The files of a collection and the segments of them that this process has open.

    Args:
        folder: where they are; made with the first file.
        files: the disk.
        reads_only: whether nothing may be written.
    """

    def __init__(self, folder: Path, files: Files | None = None, *, reads_only: bool = False) -> None:
        self._folder = folder
        self._files = files or DiskFiles()
        self._reads_only = reads_only
        self._open: dict[str, Segment] = {}
        self._sizes: dict[str, int] = {}

    @property
    def unnamed(self) -> SegmentFolder:
        """The folder of segments that are being made and that no manifest names yet."""
        return SegmentFolder(self._folder / UNNAMED, self._files)

    @contextmanager
    def making(self, wait_s: float) -> Generator[None]:
        """Hold the lock of the maker of files; a killed process lets go of it.

        Raises:
            LockedError: another process has held it for `wait_s`.
            NotFoundError: the collection was deleted.
        """
        if not self._folder.parent.is_dir():  # to make it again would leave a folder that nobody knows
            raise NotFoundError("the collection was deleted", kind="collection", name=str(self._folder.parent))
        self._files.make_folder(self._folder)
        lock = SqliteFile(self._folder / LOCK, (), busy_s=wait_s, is_long=True)
        try:
            with lock.writing():
                yield
        finally:
            lock.close()

    def write(self, state: SegmentState) -> SegmentEntry:
        """Write a segment as a new file; return how the manifest shall name it."""
        segment = state.segment
        name = f"{uuid.uuid4().hex[:16]}{SUFFIX}"
        graph = segment.graph
        facts = {"space": segment.spec.space, "kind": None if graph is None else graph.kind}
        reach("flush.before_write")
        write_segment(
            self._files,
            self._folder / name,
            segment.rows,
            facts=facts,
            graph=None if graph is None else graph.to_arrays(),
        )
        reach("flush.after_write")
        return entry_of(name, state)

    def adopt(self, entry: SegmentEntry) -> None:
        """Move a segment that was written in `unnamed` to the others, durably; only inside `making`."""
        self._files.move_file(self._folder / UNNAMED / entry.name, self._folder / entry.name)

    def open(self, entry: SegmentEntry, spec: IndexSpec) -> SegmentState:
        """Return a segment that the manifest names; opening reads its header alone.

        Raises:
            StorageError: there is no such file.
            CorruptionError: it is damaged, or not what the manifest says.
        """
        segment = self._open.get(entry.name)
        if segment is None or segment.spec != spec:
            segment = self._open[entry.name] = self._opened(entry, spec)
        if entry.dead is None:
            return SegmentState.of(segment)
        dead = np.unpackbits(np.frombuffer(entry.dead, np.uint8), count=entry.n_rows).astype(np.bool_)
        return SegmentState(segment, ~dead, entry.n_rows - int(np.count_nonzero(dead)))

    def reclaim(self, kept: Collection[str]) -> None:
        """Remove all segment files but those named, what belongs to others, and what a dead writer left.

        Only inside `making`.
        """
        for name in self._open.keys() - set(kept):
            self._open.pop(name, None)
        self._files.sweep(self._folder)
        for path in self._files.list_files(self._folder):
            is_gone = path.suffix == SUFFIX and path.name not in kept
            if is_gone or (path.suffix == POSTINGS_SUFFIX and not _is_of(path, kept)):
                self._files.remove_file(path)

    def forget(self) -> None:
        """Let go of the open segments: their memory is free when no snapshot holds them."""
        self._open = {}

    @property
    def open_bytes(self) -> int:
        """Bytes of the files that are open, and so may be in memory."""
        return sum(self._sizes[name] for name in self._open)

    def n_bytes(self) -> int:
        """Return the bytes of all segment files, and of what is kept beside them."""
        kinds = (SUFFIX, POSTINGS_SUFFIX)
        return sum(path.stat().st_size for path in self._files.list_files(self._folder) if path.suffix in kinds)

    def _opened(self, entry: SegmentEntry, spec: IndexSpec) -> Segment:
        path = self._folder / entry.name
        file = SegmentFile.open(path)
        if file.n_rows != entry.n_rows:
            raise CorruptionError(
                f"{path} holds {file.n_rows} rows, the manifest says {entry.n_rows}",
                path=str(path),
                expected=f"{entry.n_rows} rows",
            )
        rows = file.rows
        self._sizes[entry.name] = file.n_bytes

        def graph() -> VectorIndex | None:
            kind, arrays = file.facts.get("kind"), file.graph_arrays()
            if kind is None or arrays is None:
                return None
            # The parameters of the search are those of today, if the kind still is.
            params = spec.params if spec.kind == kind else {}
            return vector_index(kind).from_arrays(rows.vectors, spec.space, params, arrays)

        return Segment(
            entry.name,
            rows,
            spec,
            graph,
            find_ids=lambda ids: file.id_index.rows(ids, rows.ids),
            kind=file.facts.get("kind"),
            postings_files=PostingsFiles(path, file.n_rows, None if self._reads_only else self._files),
        )


def _is_of(path: Path, segments: Collection[str]) -> bool:
    """Tell whether a file of postings, `<stem>.<mark>.words`, is complete and belongs to one of these segments."""
    parts = path.name.split(".")
    return len(parts) == 3 and f"{parts[0]}{SUFFIX}" in segments


def entry_of(name: str, state: SegmentState) -> SegmentEntry:
    """Return how the manifest names a segment."""
    dead = None if state.live is None else np.packbits(~state.live).tobytes()
    return SegmentEntry(name, state.segment.n_rows, dead)
