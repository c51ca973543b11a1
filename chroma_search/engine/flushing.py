"""Flusher: moves what the log of a collection holds into segment files, and indexes those, beside readers and writers.

Two stages. A flush writes the tail as a segment without a graph, and commits in one transaction: the new manifest is
there, and the entries that the segment holds have left the log. It takes a fraction of a second, so the log stays
short however fast writers are. Indexing merges such segments with others and builds a graph over them, which takes
minutes for a million rows; flushes go on meanwhile, nobody waits, and a crash costs only the work on that graph.
Neither changes an answer: rows without a graph are scanned exactly, by their codes (`indexes/vector/coded.py`).

A flush takes a snapshot and its place in the log; entries that come meanwhile stay in the log, and are applied on top.
Indexing takes segments as the manifest names them, for entries of the log that are applied on top need all rows that
live there. A crash leaves the old state or the new.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from chroma_search.engine.background import Background
from chroma_search.engine.record_store import MOST_PUT_OFF, RecordStore
from chroma_search.errors import ChromaSearchError, LockedError, NotFoundError
from chroma_search.indexes.vector.coded import CodedIndex
from chroma_search.record import record
from chroma_search.storage.compaction import Merged, build_graph, merged_segment, sizes_of
from chroma_search.storage.failpoint import reach
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.manifest import Manifest, SegmentEntry
from chroma_search.storage.merge_policy import (
    LARGEST_DEAD_SHARE,
    Merge,
    SegmentSize,
    compaction_plan,
    flush_plan,
    index_plan,
    may_be_due,
)
from chroma_search.storage.segment_folder import SegmentFolder, entry_of
from chroma_search.storage.snapshot import SegmentState, Snapshot

if TYPE_CHECKING:
    from chroma_search.indexes.base import VectorIndex
    from chroma_search.model.distance import Vectors

ASKED_WAIT_S = 120.0
"""How long a flush that a caller asked for waits for one of another process; building a large graph takes minutes."""

LARGEST_LOG_BYTES = 256_000_000
"""Entries in the log above which writers wait for the flush that is running: on a disk that is slower than writers are,
the log would grow, and a process that opens the collection would have to read it all."""
MOST_FREE_BYTES = 64_000_000
"""Room in the log that is kept for entries to come, while some are there: to move these, and to make it again, would
take a writer's time."""
PAUSE_STEP_S = 0.02
LONGEST_PAUSE_S = 60.0
"""How long a writer waits at most: a flush that takes longer, or fails, must not stop it."""
RETRY_S = 30.0
"""After indexing has failed in the background: how long until it is tried again, for it may be much work."""
IDLE_S = 1.0
"""How long nobody has written when a reader begins the flush of a tail that is not full."""
LEAST_TYPICAL_ROWS = 3_000
"""Rows of a flush whose centre and axes later ones take over: they save a third of the work."""
NEW = "new"
"""Name of a segment that has no file yet."""

IndexPlan = Callable[[Sequence[SegmentSize]], Merge | None]


@record()
class _Start:
    """Where a flush begins: what is there, up to which entry, and what is to be made of it."""

    snapshot: Snapshot
    version: int
    seq: int
    chain: int
    next_offset: int
    n_ops: int
    n_log_bytes: int
    n_loads: int
    merges: Sequence[Merge]


@record()
class _Job:
    """What is to be indexed: segments as the manifest has them, whether the index of the first grows, and dead rows."""

    states: Sequence[SegmentState]
    keeps_first: bool
    has_many_dead: bool


class Flusher:
    """The flushes of one collection in this process, one at a time, and its indexing, one at a time.

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
        self._flushing = threading.Lock()
        self._indexing = threading.Lock()
        self._flusher = Background("chroma_search flush", self._flush_behind)
        self._indexer = Background("chroma_search index", self._index_behind, is_patient=True)
        self._index_again_at = 0.0
        self._is_idle = False
        self.idle_at = math.inf
        """Time (`time.monotonic`) from which on a reader is to call `flush_idle`."""
        self._last_look: tuple[int, int] | None = None  # at what is due: rows of the tail, operations of all writes
        self._coding: CodedIndex | None = None  # of no row: centre and axes of the first flush
        self.last_error: ChromaSearchError | None = None
        """Why the last flush or indexing in the background failed; nothing is lost by that."""

    @property
    def log_bytes(self) -> int:
        """Bytes of the entries that no segment holds."""
        return self._log.n_bytes

    def flush(self) -> None:
        """Write the tail to a segment and index it, however short it is.

        Raises:
            LockedError: another process was flushing or indexing all the time.
            StorageError: the disk is full, or fails; nothing is lost.
        """
        self._flush(is_asked=True)
        while self._index(partial(index_plan, is_asked=True), ASKED_WAIT_S):
            pass

    def compact(self) -> None:
        """Make one segment without dead rows of all; errors as `flush`."""
        self._flush(is_asked=True)
        self._index(compaction_plan, ASKED_WAIT_S)

    def flush_if_due(self) -> None:
        """Start in the background what is due and is not running; called under the collection's lock."""
        if self._is_known_short():
            if self.idle_at < math.inf:
                self.idle_at = time.monotonic() + IDLE_S
            return
        sizes = sizes_of(self._store.snapshot)
        self._last_look = sum(size.n_live for size in sizes if not size.is_sealed), self._store.n_ops
        is_due = flush_plan(sizes, log_bytes=self._log.n_bytes) is not None
        if is_due:
            self._flusher.start()
        self._expect_rest(sizes)
        if is_due or (index_plan(_sealed(sizes)) is not None and time.monotonic() >= self._index_again_at):
            self._indexer.start()

    def _is_known_short(self) -> bool:
        """Tell, without taking in what was put off, that the tail was short a few rows ago and still is."""
        if not self._store.n_put_off or self._last_look is None:
            return False
        n_tail, n_ops = self._last_look
        n_more = self._store.n_ops - n_ops
        return n_more <= MOST_PUT_OFF and not may_be_due(n_tail + n_more, self._log.n_bytes)

    def take_note(self) -> None:
        """Take note of rows that another process has written; called under the collection's lock."""
        self._last_look = None
        self._expect_rest(sizes_of(self._store.snapshot))

    def flush_idle(self) -> None:
        """Start a flush in the background, for nobody writes."""
        self.idle_at = math.inf
        self._is_idle = True
        self._flusher.start()

    @property
    def is_due(self) -> bool:
        """Whether there are rows that a flush or an indexing in the background will move, without another write."""
        sizes = sizes_of(self._store.snapshot)
        return flush_plan(sizes, log_bytes=self._log.n_bytes) is not None or index_plan(_sealed(sizes)) is not None

    def pause(self) -> None:
        """Let a writer wait while the log is long and is being flushed; called without the collection's lock."""
        until = time.monotonic() + LONGEST_PAUSE_S
        while self._log.n_bytes > LARGEST_LOG_BYTES and self._flusher.is_running and time.monotonic() < until:
            self._flusher.wait(PAUSE_STEP_S)

    def wait(self) -> None:
        """Wait for what runs in the background."""
        self._flusher.wait()
        self._indexer.wait()

    # --- in the background --------------------------------------------------------------------------------------------

    def _flush_behind(self) -> None:
        is_idle, self._is_idle = self._is_idle, False
        with self._telling_of_errors():
            while self._flush(is_idle=is_idle):
                self.last_error = None

    def _index_behind(self) -> None:
        """Index what is due, and what flushes that run meanwhile make."""
        self._index_again_at = time.monotonic() + RETRY_S
        with self._telling_of_errors():
            while True:
                is_flushing = self._flusher.is_running
                if index_plan(_sealed(sizes_of(self._store.snapshot))) is not None:
                    if not self._index(index_plan, 0.0):
                        break
                    self.last_error = None
                elif is_flushing:
                    self._flusher.wait(PAUSE_STEP_S)
                else:
                    break
            self._index_again_at = 0.0

    @contextmanager
    def _telling_of_errors(self) -> Generator[None]:
        try:
            yield
        except LockedError:
            pass  # another process is at it: its manifest will be in the news
        except NotFoundError:
            pass  # the collection was deleted
        except ChromaSearchError as error:
            self.last_error = error

    # --- the first stage ----------------------------------------------------------------------------------------------

    def _expect_rest(self, sizes: Sequence[SegmentSize]) -> None:
        is_long = flush_plan(sizes, is_idle=True) is not None
        self.idle_at = time.monotonic() + IDLE_S if is_long else math.inf

    def _flush(self, *, is_asked: bool = False, is_idle: bool = False) -> bool:
        """Write the tail to a segment when that is due, or asked for; return whether there was anything to do."""
        with self._flushing, self._folder.making(ASKED_WAIT_S if is_asked else 0.0):
            try:
                start = self._started(is_asked, is_idle)
                if start is None:
                    return False
                reach("flush.before_build")
                made = [self._flushed(merge, start.snapshot) for merge in start.merges]
                reach("flush.before_manifest")
                is_committed = self._committed_flush(start, made)
            finally:
                with self._lock:
                    self._store.thaw()
            if is_committed:
                reach("flush.before_reclaim")
                self._log.reclaim()
                if not self._log.n_bytes or self._log.n_free_bytes() > MOST_FREE_BYTES:
                    self._log.shrink()
                self._reclaim()
                self._keep_postings(entry for _, entry in made)
            return True

    def _started(self, is_asked: bool, is_idle: bool) -> _Start | None:
        with self._lock:
            self._catch_up()
            snapshot = self._store.snapshot
            # A segment without a live row is in no snapshot, but its file is there until a manifest leaves it out.
            names = {state.segment.name for state in snapshot.segments}
            has_dead_file = any(entry.name not in names for entry in self._log.manifest.segments)
            is_asked = is_asked or has_dead_file
            merges = flush_plan(sizes_of(snapshot), is_asked=is_asked, is_idle=is_idle, log_bytes=self._log.n_bytes)
            if merges is None:
                return None
            self._store.freeze()
            version, seq, chain = self._log.position
            store = self._store
            counts = store.n_ops, self._log.n_bytes, store.n_loads
            return _Start(snapshot, version, seq, chain, store.next_offset, *counts, merges)

    def _flushed(self, merge: Merge, snapshot: Snapshot) -> tuple[Merged, SegmentEntry]:
        spec, states = self._store.spec, snapshot.segments[merge.first : merge.last + 1]
        merged = merged_segment(states, spec, NEW, self._coded)
        return merged, self._folder.write(merged.state_within(states))

    def _coded(self, vectors: Vectors) -> VectorIndex | None:
        """Return the index of a segment that waits for another, coded as the one before."""
        spec = self._store.spec
        if spec.kind == "flat":
            return None
        held = self._coding
        made = CodedIndex.build(vectors, spec.space, {}) if held is None else held.of_others(vectors)
        if held is None and len(vectors) >= LEAST_TYPICAL_ROWS:
            self._coding = made.of_others(vectors[:0])
        return made

    def _committed_flush(self, start: _Start, made: Sequence[tuple[Merged, SegmentEntry]]) -> bool:
        """Put the manifest into the log, unless it has another one by now; take the new state."""
        sealed = [state for state in start.snapshot.segments if state.segment.is_sealed]
        entries = (*(entry_of(state.segment.name, state) for state in sealed), *(entry for _, entry in made))
        dimension = start.snapshot.dimension
        base = start.version + 1, start.seq, start.chain, start.next_offset
        manifest = Manifest(*base, dimension, entries, start.n_ops)
        with self._lock:
            with self._log.writing():
                self._catch_up()
                if self._log.position[0] != start.version:
                    return False
                self._log.put_manifest(manifest)
                reach("flush.before_commit")
            reach("flush.after_commit")
            if self._store.n_loads == start.n_loads:  # the tail is the one that was frozen
                for merged, entry in made:
                    self._store.exchange(merged, self._folder.open(entry, self._store.spec).segment)
                self._store.n_indexed_ops = start.n_ops
                self._log.adopt(manifest, n_flushed_bytes=start.n_log_bytes)
            self._catch_up()
            return True

    def _keep_postings(self, entries: Iterable[SegmentEntry]) -> None:
        """Write down the full-text indexes of new segments, which those they were made of had."""
        names = {entry.name for entry in entries}
        for state in self._store.snapshot.segments:
            if state.segment.name in names:
                state.segment.keep_postings()

    def _reclaim(self) -> None:
        self._folder.reclaim({entry.name for entry in self._log.manifest.segments})
        reach("flush.after_reclaim")

    # --- the second stage ---------------------------------------------------------------------------------------------

    def _index(self, plan: IndexPlan, wait_s: float) -> bool:
        """Make one segment with an index as planned; return whether there was anything to do."""
        with self._indexing, self._folder.unnamed.making(wait_s):
            self._folder.unnamed.reclaim(())  # what a killed process has left
            job = self._planned(plan)
            if job is not None and job.has_many_dead:
                self._flush(is_asked=True)  # so that the manifest knows which rows are dead
                job = self._planned(plan)
            if job is None:
                return False
            reach("index.before_build")
            spec = self._store.spec
            build = partial(build_graph, spec)
            merged = merged_segment(job.states, spec, NEW, build, keeps_first=job.keeps_first)
            made = self._folder.unnamed.write(merged.state_within(job.states))
            with self._flushing, self._folder.making(ASKED_WAIT_S):
                reach("index.before_move")
                self._folder.adopt(made)
                reach("index.after_move")
                is_committed = self._committed_index(merged, made.name)
                if is_committed:
                    self._reclaim()
            if is_committed:
                self._keep_postings([made])
            return True

    def _planned(self, plan: IndexPlan) -> _Job | None:
        with self._lock:
            self._catch_up()
            snapshot = self._store.snapshot
            sizes = _sealed(sizes_of(snapshot))
            merge = plan(sizes)
            if merge is None:
                return None
            chosen = snapshot.segments[merge.first : merge.last + 1]
            entries = self._log.manifest.between(chosen[0].segment.name, chosen[-1].segment.name)
            states = [self._folder.open(entry, self._store.spec) for entry in entries]
            has_many_dead = any(size.dead_share > LARGEST_DEAD_SHARE for size in sizes[merge.first : merge.last + 1])
            return _Job(states, merge.keeps_first, has_many_dead)

    def _committed_index(self, merged: Merged, name: str) -> bool:
        """Put the new segment into the manifest as it is by now, unless it lacks what the segment was made of."""
        with self._lock:
            with self._log.writing():
                self._catch_up()
                manifest, spec = self._log.manifest, self._store.spec
                old = [entry for entry in manifest.segments if entry.name in merged.names]
                if not old or list(manifest.between(old[0].name, old[-1].name)) != old:
                    return False
                segment = self._folder.open(SegmentEntry(name, merged.segment.n_rows, None), spec).segment
                state = merged.state_within([self._folder.open(entry, spec) for entry in old], segment)
                manifest = manifest.replacing(old, entry_of(name, state) if state.n_live else None)
                self._log.put_manifest(manifest)
                reach("index.before_commit")
            reach("index.after_commit")
            self._store.exchange(merged, segment)
            self._log.adopt(manifest, n_flushed_bytes=0)
            self._catch_up()
            return True


def _sealed(sizes: Sequence[SegmentSize]) -> list[SegmentSize]:
    return [size for size in sizes if size.is_sealed]
