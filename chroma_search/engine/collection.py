"""CollectionEngine: one collection - the only object that writes, and where searches are planned and run.

Writers take one lock, make a new snapshot and publish it; readers take the published snapshot and no lock. A write is
checked completely before anything of it becomes visible, and becomes visible as a whole.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.engine.flushing import Flusher
from chroma_search.engine.write_queue import WaitingWrite, WriteQueue, merged
from chroma_search.engine.writing import RecordStore, check_dimension, refusal_of
from chroma_search.errors import (
    CorruptionError,
    LockedError,
    NotFoundError,
    StorageError,
    UnsupportedError,
)
from chroma_search.planner.matching import Matching
from chroma_search.planner.operators.fetch import Places, locate
from chroma_search.planner.operators.knn import DenseRequest, nearest
from chroma_search.requests import Found, RunOptions, Selection, WriteBatch
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage.failpoint import reach
from chroma_search.storage.log import Log, News, NoLog, SqliteLog
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.segment import IndexSpec
from chroma_search.storage.segment_folder import SegmentFolder
from chroma_search.storage.snapshot import Snapshot
from chroma_search.storage.sqlite_file import BUSY_S, RETRY_S

if TYPE_CHECKING:
    from chroma_search.dsl import SearchClauses, Where
    from chroma_search.indexes.text.analyzer import Analyzer
    from chroma_search.planner.explain import Explanation
    from chroma_search.requests import ExplainMode
    from chroma_search.schema.index_rules import IndexRules
    from chroma_search.schema.observed_types import ObservedTypes
    from chroma_search.schema.schema_form import SchemaForm
    from chroma_search.storage.log_entry import Operation

LOG, SEGMENTS = "log.sqlite", "segments"

T = TypeVar("T")

OPENING_ATTEMPTS = 5
"""Times that the manifest is read again when a file it names is gone: each time another flush must have ended."""

REMOVAL_S = 1.0
"""How long the removal of a collection's files may take, when somebody meets it half done."""


class CollectionEngine:
    """A collection, in memory or in a folder.

    Args:
        name, tenant, database: where it is found.
        config: distance, index kind and parameters, embedding function.
        metadata: the collection's own metadata.
        schema: JSON form of which keys are indexed how, or None for the default. It stays JSON: only a client builds
            the embedding functions that it names.
        analyzer: how texts become tokens for BM25, or None for the default.
        id: its id, a new one by default.
        folder: where its log and its segments are, opened when it is first used; None for memory.
        reads_only: whether nothing may be written.
        on_growth: called with the collection when it has taken in what was written, by this process or another.
    """

    def __init__(
        self,
        name: str,
        tenant: str,
        database: str,
        config: CollectionConfig,
        metadata: dict[str, Any] | None = None,
        schema: SchemaForm | None = None,
        analyzer: Analyzer | None = None,
        *,
        id: uuid.UUID | None = None,
        folder: Path | None = None,
        reads_only: bool = False,
        on_growth: Callable[[CollectionEngine], None] | None = None,
    ) -> None:
        self.id = id or uuid.uuid4()
        self.name = name
        self.tenant = tenant
        self.database = database
        self.config = config
        self.metadata = metadata
        self.schema_form = None if schema is None else _checked(schema)
        self.analyzer = analyzer
        self._lock = threading.RLock()
        self._folder = folder
        self._reads_only = reads_only
        self._on_growth = on_growth
        self.last_used = 0.0
        """Time (`time.monotonic`) when a query or a write took its snapshot."""
        spec = IndexSpec(config.space, config.index_kind, config.index_params)
        self._store = RecordStore(spec, seals=folder is None)
        self._writes = WriteQueue()
        self._log: Log | None = None
        self._segments: SegmentFolder | None = None
        self._flusher: Flusher | None = None

    @property
    def snapshot(self) -> Snapshot:
        """What a query that starts now sees: every write that was acknowledged before, by any process."""
        if self._log is None or self._log.has_changed():
            with self._lock:
                self._catch_up()
                snapshot = self._store.snapshot
        else:
            snapshot = self._store.snapshot
        self.last_used = time.monotonic()
        return snapshot

    @property
    def held_bytes(self) -> int:
        """About the memory that the collection can take: its open files, and what is in the log three times."""
        if self._segments is None or self._flusher is None:
            return 0
        return self._segments.open_bytes + 3 * self._flusher.log_bytes

    def unload(self) -> bool:
        """Let go of what is in memory, unless a call is at work with it; the next one reads it again."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._log is not None and self._segments is not None:
                self._log.read_again()  # before the store is empty: whoever looks now waits for the lock
                self._store.load([], None, 1)
                self._segments.forget()
            return True
        finally:
            self._lock.release()

    def close(self) -> None:
        """Wait for a flush in the background and let go of the files; a later call opens them again."""
        flusher = self._flusher
        if flusher is not None:
            flusher.wait()
        with self._lock:
            if self._log is not None:
                self._log.close()
                self._log = self._segments = self._flusher = None
                self._store = RecordStore(self._store.spec, seals=self._folder is None)

    @property
    def dimension(self) -> int | None:
        """Dimension of the vectors, None before the first write."""
        return self.snapshot.dimension

    def reconfigure(self, config: CollectionConfig) -> None:
        """Take another configuration: parameters of the search hold at once, those of building for later segments."""
        with self._lock:
            self.config = config
            self._store.reconfigure(IndexSpec(config.space, config.index_kind, config.index_params))

    def begin_as(self, other: CollectionEngine) -> None:
        """Begin with the records that another collection in memory has now; from then on each goes its own way."""
        with other._lock, self._lock:
            self._store.begin_as(other._store)

    def add(self, batch: WriteBatch) -> None:
        """Insert records; ids that exist are skipped."""
        self._write("add", batch)

    def update(self, *batches: WriteBatch) -> None:
        """Change records; ids that do not exist are ignored. Several batches are durable together, or not at all."""
        self._write("update", *batches)

    def upsert(self, batch: WriteBatch) -> None:
        """Insert or change records."""
        self._write("upsert", batch)

    def delete(self, selection: Selection) -> int:
        """Delete records and return upstream's count: by ids alone the number asked for, else the number deleted."""
        self._check_filter(selection.where)
        self._check_writable()

        def write(log: Log) -> LogEntry:
            with log.writing(waits=False):
                self._catch_up()
                snapshot = self._store.snapshot
                entry = LogEntry("delete", locate(self._select(snapshot, selection), snapshot.segments).ids())
                if entry.ids:
                    log.append(entry)
            if entry.ids:
                self._applied(entry)
            return entry

        entry = self._when_free(write)
        if selection.ids is not None and selection.where is None:
            return len(selection.ids)
        return len(entry.ids)

    def _write(self, op: Operation, *batches: WriteBatch) -> None:
        """Let a write wait for the lock, and carry it out unless another writer has done so meanwhile."""
        self._check_writable()
        if self._flusher is not None:
            self._flusher.pause()
        write = self._writes.put(
            *(LogEntry(op, batch.ids, batch.vectors, batch.documents, batch.metadatas, batch.uris) for batch in batches)
        )

        def carry_out(_: Log) -> None:
            if not write.is_done:
                self._carry_out_with(write)

        try:
            self._when_free(carry_out)
        except BaseException:
            with self._lock:  # nobody is carrying it out
                if not write.is_done:
                    self._writes.withdraw(write)
                    raise
        if write.error is not None:
            raise write.error
        reach("store.after_apply")

    def _when_free(self, write: Callable[[Log], T]) -> T:
        """Write under the lock, as soon as no other process holds that of the log; readers go on meanwhile.

        Raises:
            LockedError: another process has been writing for `BUSY_S`.
        """
        until = time.monotonic() + BUSY_S
        while True:
            try:
                with self._lock:
                    return write(self._opened_log())
            except LockedError:
                if time.monotonic() >= until:
                    raise
            time.sleep(RETRY_S)

    def _carry_out_with(self, own: WaitingWrite) -> None:
        """Carry out a write and those that wait with it; when that fails, it alone, for the fault may be another's."""
        writes = self._writes.take_with(own)
        try:
            self._carry_out(writes)
        except BaseException as error:
            if own.is_done:
                raise
            is_busy = isinstance(error, LockedError)
            self._writes.put_back(writes if is_busy else writes[1:])
            if len(writes) == 1 or is_busy or not isinstance(error, Exception):
                raise
            self._carry_out([own])

    def _carry_out(self, writes: Sequence[WaitingWrite]) -> None:
        """Catch up, check, append, and only when that is durable, apply."""
        log = self._opened_log()
        with log.writing(waits=False):
            self._catch_up()
            entries = self._effective(writes)
            for entry in entries:
                log.append(entry)
        for each in writes:
            each.is_done = True
        for entry in merged(entries):
            self._applied(entry)  # as a whole, for readers see what is applied

    def _effective(self, writes: Sequence[WaitingWrite]) -> list[LogEntry]:
        """Return the entries that change anything; a write of which one cannot be applied is refused."""
        dimension = self._store.snapshot.dimension
        entries: list[LogEntry] = []
        for each in writes:
            each.error = next(filter(None, (refusal_of(entry, dimension) for entry in each.entries)), None)
            if each.error is not None:
                continue
            for entry in each.entries:
                if self._store.has_effect(entry):
                    entries.append(entry)
                    dimension = dimension if entry.vectors is None else entry.vectors.shape[1]
        return entries

    def _applied(self, entry: LogEntry) -> None:
        self._store.apply(entry)
        if self._flusher is not None:
            self._flusher.flush_if_due()
        if self._on_growth is not None:
            self._on_growth(self)

    def _opened_log(self) -> Log:
        if self._log is None:
            if self._folder is None:
                self._log = NoLog()
            else:
                self._log = log = self._log_of(self._folder)
                self._segments = SegmentFolder(self._folder / SEGMENTS)
                self._flusher = Flusher(self._lock, log, self._store, self._segments, self._catch_up)
        return self._log

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

    def _check_writable(self) -> None:
        if self._reads_only:
            raise only_reads("writing")

    def _catch_up(self) -> None:
        """Apply what other processes wrote (all that there is, the first time)."""
        log = self._opened_log()
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
        if self._on_growth is not None:
            self._on_growth(self)

    def _take(self, news: News) -> None:
        if news.manifest is not None and self._segments is not None:
            segments, spec = self._segments, self._store.spec
            states = [segments.open(each, spec) for each in news.manifest.segments]
            manifest = news.manifest
            self._store.load(states, manifest.dimension, manifest.next_offset, manifest.n_ops)
        for entry in news.entries:
            self._store.apply(entry)

    def observed_types(self) -> ObservedTypes:
        """Return the types of the values under each metadata key; what was deleted since may still count."""
        from chroma_search.schema.observed_types import joined_types  # of use only to who reads a schema back

        return joined_types(state.segment.metadata_types() for state in self.snapshot.segments)

    def count(self) -> int:
        """Return the number of live records."""
        return self.snapshot.n_live

    def get(self, selection: Selection, columns: frozenset[str]) -> Found:
        """Return records in insertion order.

        Args:
            selection: which.
            columns: out of `documents metadatas embeddings uris`.
        """
        self._check_filter(selection.where)
        snapshot = self.snapshot
        offset_ids = self._select(snapshot, selection)
        return found_columns(locate(offset_ids, snapshot.segments), columns, snapshot.dimension)

    def query(
        self,
        vectors: NDArray[np.float32],
        n_results: int,
        ids: Sequence[str] | None,
        where: Where | None,
        columns: frozenset[str],
        options: RunOptions,
    ) -> list[Found]:
        """Return the nearest records per query vector, with distances as scores.

        Args:
            vectors: float32, shape (q, dim).
            n_results: records per query, from 1.
            ids: only these records, or None for all; unknown ids match nothing.
            where: filter.
            columns: out of `documents metadatas embeddings uris`.
            options: exact, strict, force.

        Raises:
            DimensionMismatchError: another dimension than the collection's.
        """
        self._check_filter(where)
        snapshot = self.snapshot
        if snapshot.dimension is None:
            return [Found([], [], [], [], [], np.empty((0, 0), np.float32)) for _ in vectors]
        check_dimension(vectors.shape[1], snapshot.dimension)
        matching = Matching(snapshot.segments)
        filtered = None if where is None else _simplified(where)
        request = DenseRequest(vectors, n_results, self.config.space, options.exact, options.force)
        if options.observe is None:
            found = nearest(request, matching.matches(filtered, ids))
        else:
            from chroma_search.engine.searching import observed_nearest  # 0.1 s: what tells how a search ran

            found = observed_nearest(self, matching, request, filtered, ids, options)
        return [
            found_columns(matching.place(ranked), columns, snapshot.dimension, ranked.scores.tolist())
            for ranked in found
        ]

    def search(self, searches: Sequence[SearchClauses], options: RunOptions) -> list[Found]:
        """Run searches against one snapshot; text queries of `Knn` are already vectors.

        Raises:
            InvalidInputError: a search that is not valid; none of the batch has run then.
        """
        from chroma_search.engine.searching import run_searches  # 0.1 s: the language, its rules and operators

        return run_searches(self, searches, options)

    def explain(self, search: SearchClauses, options: RunOptions, mode: ExplainMode = "plan") -> Explanation:
        """Return how the search would run (`plan`, `verbose`) or ran (`analyze`)."""
        from chroma_search.engine.searching import explain_search  # as above

        return explain_search(self, search, options, mode)

    def flush(self) -> None:
        """Seal the tail: give its rows an index, however few they are; in a folder, a file."""
        self._check_writable()
        with self._lock:
            self._opened_log()
            if self._flusher is None:
                self._store.flush()
                return
        self._flusher.flush()

    def compact(self) -> None:
        """Bring everything into one segment without dead rows; in a folder, deleted records leave the disk."""
        self._check_writable()
        with self._lock:
            self._opened_log()
            if self._flusher is None:
                self._store.compact()
                return
        self._flusher.compact()

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file.

        Raises:
            LockedError: another process reads all the time.
        """
        self.compact()
        with self._lock:
            log = self._opened_log()
            reach("purge.before_truncate")
            if isinstance(log, SqliteLog) and not log.shrink(wait_s=BUSY_S):
                raise LockedError(f"other processes are reading {self.name!r} all the time: purge it again")

    def operations(self) -> tuple[int, int]:
        """Return how many records all writes have added, changed or deleted, and how many of these are indexed.

        Rows that are too few for an index wait for none: comparing with each of them is as fast. So everything is
        indexed unless something is under way, and whoever waits for that need not write more.
        """
        _ = self.snapshot  # takes in what others wrote; no lock, for a write may hold it for a while
        is_waiting = self._flusher is not None and self._flusher.is_due
        n_indexed = self._store.n_indexed_ops  # before the total, which a write may raise meanwhile
        n_ops = self._store.n_ops
        return n_ops, n_indexed if is_waiting else n_ops

    def stats(self) -> dict[str, Any]:
        """Return where the rows are; in a folder also the bytes, and why the last flush in the background failed."""
        snapshot = self.snapshot
        segments = [
            {
                "segment": state.segment.name,
                "rows": state.segment.n_rows,
                "live": state.n_live,
                "indexes": [index.kind for index in state.segment.vector_indexes()],
            }
            for state in snapshot.segments
        ]
        facts: dict[str, Any] = {"records": snapshot.n_live, "dimension": snapshot.dimension, "segments": segments}
        if self._flusher is not None and self._segments is not None:
            error = self._flusher.last_error
            facts["log_bytes"] = self._flusher.log_bytes
            facts["segment_bytes"] = self._segments.n_bytes()
            facts["flush_error"] = None if error is None else str(error)
        return facts

    def _select(self, snapshot: Snapshot, selection: Selection) -> NDArray[np.int64]:
        offset_ids = Matching(snapshot.segments).passing(selection.where, selection.ids)
        end = None if selection.limit is None else selection.offset + selection.limit
        return offset_ids[selection.offset : end]

    @cached_property
    def rules(self) -> IndexRules:
        """Which index is on for which key."""
        from chroma_search.schema.index_rules import IndexRules  # 0.02 s, of use only to filters and the Search API

        return IndexRules(self.schema_form)

    def _check_filter(self, where: Where | None) -> None:
        if where is not None:
            from chroma_search.engine.filter_gate import check_filter  # as above

            check_filter(self.rules, where)


def _checked(schema: SchemaForm) -> SchemaForm:
    from chroma_search.schema.schema_validation import checked_form  # most collections have no schema

    return checked_form(schema)


def _is_going(folder: Path) -> bool:
    """Tell whether a folder is being removed: its log is gone, and it goes itself within the time that takes."""
    until = time.monotonic() + REMOVAL_S
    while folder.exists():
        if (folder / LOG).exists() or time.monotonic() >= until:
            return False
        time.sleep(RETRY_S)
    return True


def only_reads(feature: str) -> UnsupportedError:
    """Return the error of a change to what was opened to be read."""
    why, instead = "the folder was opened with mode='r'", "open it without mode='r'"
    return UnsupportedError(f"{feature} is not possible: {why}; {instead}", feature=feature, why=why, instead=instead)


def found_columns(
    places: Places, columns: frozenset[str], dimension: int | None, scores: list[float] | None = None
) -> Found:
    """Return the columns asked for, out of `documents metadatas embeddings uris`, of records in result order."""
    return Found(
        ids=places.ids(),
        scores=scores,
        documents=places.documents() if "documents" in columns else None,
        metadatas=[None if each is None else dict(each) for each in places.metadatas()]
        if "metadatas" in columns
        else None,
        uris=places.uris() if "uris" in columns else None,
        embeddings=places.embeddings(dimension or 0) if "embeddings" in columns else None,
    )


def _simplified(where: Where) -> Where | None:
    from chroma_search.dsl.where import Comparison  # loaded already: there is a filter
    from chroma_search.planner.logical import LogicalPlan
    from chroma_search.planner.optimizer import optimize

    if isinstance(where, Comparison):  # which no rule can improve
        return where
    return optimize(LogicalPlan(where=where, columns=frozenset())).where
