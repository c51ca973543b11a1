"""CollectionHome: where a collection's records live - the log, the segments and the snapshot, opened and kept true.

Opening, catching up with other processes, unloading and closing are here; who writes (`collection_writer.py`), flushes
(`flushing.py`) or reads (`collection.py`) asks for what it needs.

Invariant: a snapshot that is handed out holds every write that was acknowledged before, by any process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from chroma_search.engine.after_fork import renew_after_fork
from chroma_search.engine.flushing import Flusher
from chroma_search.engine.record_store import RecordStore
from chroma_search.errors import CorruptionError, NotFoundError, StorageError
from chroma_search.storage.log import Log, News, NoLog, SqliteLog
from chroma_search.storage.segment import IndexSpec
from chroma_search.storage.segment_folder import SegmentFolder
from chroma_search.storage.snapshot import Snapshot
from chroma_search.storage.sqlite_file import RETRY_S

LOG, SEGMENTS = "log.sqlite", "segments"

OPENING_ATTEMPTS = 5
"""Times that the manifest is read again when a file it names is gone: each time another flush must have ended."""

REMOVAL_S = 1.0
"""How long the removal of a collection's files may take, when somebody meets it half done."""


class CollectionHome:
    """The parts of one collection, in memory or in a folder.

    Args:
        spec: how vectors are indexed.
        folder: where log and segments are, opened when they are first used; None for memory.
        reads_only: whether nothing may be written.
        on_growth: called when what was written has been taken in, by this process or another.
    """

    def __init__(
        self, spec: IndexSpec, folder: Path | None, *, reads_only: bool, on_growth: Callable[[], None]
    ) -> None:
        self.lock = threading.RLock()
        """Held by whoever changes anything here."""
        self.folder = folder
        self.store = RecordStore(spec, seals=folder is None)
        self.log: Log | None = None
        self.segments: SegmentFolder | None = None
        self.flusher: Flusher | None = None
        self._reads_only = reads_only
        self._on_growth = on_growth
        self.last_used = 0.0
        """Time (`time.monotonic`) when a query or a write took its snapshot."""
        renew_after_fork(self)

    @property
    def snapshot(self) -> Snapshot:
        """What a query that starts now sees: every write that was acknowledged before, by any process."""
        log, store, n_loads = self.log, self.store, self.store.n_loads
        if log is not None and not log.has_changed():
            snapshot = store.snapshot  # after the look, for another thread may have taken the news in just before
            if store.n_loads == n_loads:
                return self._used(snapshot)
        with self.lock:  # there are news, or all was unloaded meanwhile
            self.catch_up()
            snapshot = self.store.snapshot
        return self._used(snapshot)

    def _used(self, snapshot: Snapshot) -> Snapshot:
        self.last_used = now = time.monotonic()
        flusher = self.flusher  # another thread may be closing
        if flusher is not None and now > flusher.idle_at and not self._reads_only:
            flusher.flush_idle()
        return snapshot

    @property
    def held_bytes(self) -> int:
        """About the memory that the collection can take: its open files, and what is in the log three times."""
        if self.segments is None or self.flusher is None:
            return 0
        return self.segments.open_bytes + 3 * self.flusher.log_bytes

    def unload(self) -> bool:
        """Let go of what is in memory, unless a call is at work with it; the next one reads it again."""
        if not self.lock.acquire(blocking=False):
            return False
        try:
            if self.log is not None and self.segments is not None:
                self.log.read_again()  # before the store is empty: whoever looks now waits for the lock
                self.store.load([], None, 1)
                self.segments.forget()
            return True
        finally:
            self.lock.release()

    def close(self) -> None:
        """Wait for a flush in the background and let go of the files; a later call opens them again."""
        flusher = self.flusher
        if flusher is not None:
            flusher.wait()
        with self.lock:
            if self.log is not None:
                self.log.close()
                self._forget()

    def begin_anew(self) -> None:
        """Forget, in a child of a fork, what a thread of the parent may have been changing."""
        self.lock = threading.RLock()
        if self.folder is not None:
            self._forget()

    def _forget(self) -> None:
        self.log = self.segments = self.flusher = None
        self.store = RecordStore(self.store.spec, seals=self.folder is None)

    def opened_log(self) -> Log:
        """Return the log, opened with the rest if it is not yet; under the lock."""
        if self.log is None:
            if self.folder is None:
                self.log = NoLog()
            else:
                self.log = log = self._log_of(self.folder)
                self.segments = SegmentFolder(self.folder / SEGMENTS, reads_only=self._reads_only)
                self.flusher = Flusher(self.lock, log, self.store, self.segments, self.catch_up)
        return self.log

    def _log_of(self, folder: Path) -> SqliteLog:
        deleted = NotFoundError("the collection was deleted", kind="collection", name=folder.name)
        if not folder.exists():
            raise deleted
        try:
            return SqliteLog(folder / LOG, "read" if self._reads_only else "open")
        except StorageError:
            if _is_going(folder):
                raise deleted from None
            raise

    def catch_up(self) -> None:
        """Apply what other processes wrote (all that there is, the first time)."""
        log = self.opened_log()
        if not log.has_changed():
            return
        for attempt in range(OPENING_ATTEMPTS):
            try:
                self._take(log.news())
                break
            except BaseException as error:
                log.read_again()  # what was taken in part is taken anew, and whole
                # A file may be gone because another process has replaced it since the manifest was read.
                is_passing = isinstance(error, StorageError) and not isinstance(error, CorruptionError)
                if not is_passing or attempt == OPENING_ATTEMPTS - 1:
                    raise
        log.caught_up()
        if self.flusher is not None:
            self.flusher.take_note()
        self._on_growth()

    def _take(self, news: News) -> None:
        if news.manifest is not None and self.segments is not None:
            segments, spec = self.segments, self.store.spec
            states = [segments.open(each, spec) for each in news.manifest.segments]
            manifest = news.manifest
            self.store.load(states, manifest.dimension, manifest.next_offset, manifest.n_ops)
        for entry in news.entries:
            self.store.apply(entry)


def _is_going(folder: Path) -> bool:
    """Tell whether a folder is being removed: its log is gone, and it goes itself within the time that takes."""
    until = time.monotonic() + REMOVAL_S
    while folder.exists():
        if (folder / LOG).exists() or time.monotonic() >= until:
            return False
        time.sleep(RETRY_S)
    return True
