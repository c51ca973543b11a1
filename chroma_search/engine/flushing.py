"""Flusher: moves what the log of a collection holds into segment files, beside readers and writers.

A flush takes a snapshot and its place in the log, builds and writes the new segments without any lock, and commits in
one transaction: the new manifest is there, and the entries up to that place have left the log. Entries that came
meanwhile stay in it and are applied on top, so deletes and updates of flushed records carry over. A crash leaves the
old state or the new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from chroma_search.engine.writing import RecordStore
from chroma_search.errors import ChromaSearchError, LockedError, NotFoundError
from chroma_search.record import record
from chroma_search.storage.compaction import SegmentNames, merged_state, sizes_of
from chroma_search.storage.failpoint import reach
from chroma_search.storage.log import Manifest, SqliteLog
from chroma_search.storage.merge_policy import Merge, SegmentSize, compaction_plan, flush_plan
from chroma_search.storage.segment_folder import SegmentFolder
from chroma_search.storage.snapshot import Snapshot

ASKED_WAIT_S = 120.0
"""How long a flush that a caller asked for waits for one of another process; building a large graph takes minutes."""

LARGEST_LOG_BYTES = 256_000_000
"""Entries in the log above which writers wait for the flush that is running: a log that grows faster than graphs can be
built would fill the disk, and a process that opens the collection would have to read it all."""
PAUSE_STEP_S = 0.02
LONGEST_PAUSE_S = 60.0
"""How long a writer waits at most: a flush that takes longer, or fails, must not stop it."""

Plan = Callable[[Sequence[SegmentSize], int], tuple[Merge, ...]]


@record()
class _Start:
    """Where a flush begins: what is there, and up to which entry."""

    snapshot: Snapshot
    version: int
    seq: int
    chain: int
    next_offset: int


class Flusher:
    """The flushes of one collection in this process, one at a time.

    Args:
        lock: the collection's own.
        log, store, folder: its parts.
        catch_up: applies the news of the log; called under the lock.
    """

    def __init__(
        self,
        lock: threading.RLock,
        log: SqliteLog,
        store: RecordStore,
        folder: SegmentFolder,
        catch_up: Callable[[], None],
    ) -> None:
        self._lock = lock
        self._log = log
        self._store = store
        self._folder = folder
        self._catch_up = catch_up
        self._running = threading.Lock()
        self._thread: threading.Thread | None = None
        self.last_error: ChromaSearchError | None = None
        """Why the last flush in the background failed; what it should have moved is safe in the log."""

    @property
    def log_bytes(self) -> int:
        """Bytes of the entries that no segment holds."""
        return self._log.n_bytes

    def flush(self) -> None:
        """Write the tail to a segment, however short it is.

        Raises:
            LockedError: another process was flushing all the time.
            StorageError: the disk is full, or fails; nothing is lost.
        """
        self._run(lambda sizes, log_bytes: flush_plan(sizes, is_asked=True, log_bytes=log_bytes), ASKED_WAIT_S)

    def compact(self) -> None:
        """Make one segment without dead rows of all; errors as `flush`."""
        self._run(lambda sizes, _: compaction_plan(sizes), ASKED_WAIT_S)

    def flush_if_due(self) -> None:
        """Start a flush in the background when one is due and none is running; called under the collection's lock."""
        if self._thread is not None and self._thread.is_alive():
            return
        if _due(sizes_of(self._store.snapshot), self._log.n_bytes):
            # Not a daemon: at the end of the program the interpreter waits for it, instead of stopping native code.
            self._thread = threading.Thread(target=self._run_behind, name="chroma_search flush")
            self._thread.start()

    def pause(self) -> None:
        """Let a writer wait while the log is long and is being flushed; called without the collection's lock."""
        thread = self._thread
        if self._log.n_bytes > LARGEST_LOG_BYTES and thread is not None and thread.is_alive():
            until = time.monotonic() + LONGEST_PAUSE_S
            while self._log.n_bytes > LARGEST_LOG_BYTES and thread.is_alive() and time.monotonic() < until:
                thread.join(PAUSE_STEP_S)

    def wait(self) -> None:
        """Wait for the flush in the background."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run_behind(self) -> None:
        try:
            while self._run(_due, 0.0):
                self.last_error = None
        except LockedError:
            pass  # another process flushes: its manifest will be in the news
        except NotFoundError:
            pass  # the collection was deleted
        except ChromaSearchError as error:
            self.last_error = error

    def _run(self, plan: Plan, wait_s: float) -> bool:
        """Flush as planned; return whether there was anything to do."""
        with self._running, self._folder.making(wait_s):
            start = self._started()
            merges = plan(sizes_of(start.snapshot), self._log.n_bytes)
            # A segment without a live row is in no snapshot, but its file is there until a manifest leaves it out.
            if not merges and self._log.segment_names <= {state.segment.name for state in start.snapshot.segments}:
                return False
            reach("flush.before_build")
            manifest = self._made(start, merges)
            reach("flush.before_manifest")
            if self._committed(start, manifest):
                reach("flush.before_reclaim")
                self._log.shrink()
                self._folder.reclaim({entry.name for entry in manifest.segments})
                reach("flush.after_reclaim")
            return True

    def _started(self) -> _Start:
        with self._lock:
            self._catch_up()
            version, seq, chain = self._log.position
            return _Start(self._store.snapshot, version, seq, chain, self._store.next_offset)

    def _made(self, start: _Start, merges: Sequence[Merge]) -> Manifest:
        """Build and write what the merges say; return the manifest that names it."""
        states = list(start.snapshot.segments)
        for merge in reversed(merges):
            merged = merged_state(merge, start.snapshot, self._store.spec, SegmentNames())
            states[merge.first : merge.last + 1] = [merged]
        entries = tuple(self._folder.write(state) for state in states if state.n_live)
        return Manifest(start.version + 1, start.seq, start.chain, start.next_offset, start.snapshot.dimension, entries)

    def _committed(self, start: _Start, manifest: Manifest) -> bool:
        """Put the manifest into the log, unless it has another one by now; take the new state."""
        with self._lock:
            with self._log.writing():
                self._catch_up()
                if self._log.position[0] != start.version:
                    return False
                self._log.put_manifest(manifest)
                reach("flush.before_commit")
            reach("flush.after_commit")
            self._catch_up()
            return True


def _due(sizes: Sequence[SegmentSize], log_bytes: int) -> tuple[Merge, ...]:
    return flush_plan(sizes, log_bytes=log_bytes)
