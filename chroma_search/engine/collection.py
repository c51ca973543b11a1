"""CollectionEngine: one collection - the only object that writes, and where searches are planned and run.

Writers take one lock, make a new snapshot and publish it; readers take the published snapshot and no lock. A write is
checked completely before anything of it becomes visible, and becomes visible as a whole.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import Knn, Limit, SearchClauses, Select, Where
from chroma_search.dsl.page import COLUMNS
from chroma_search.dsl.validation import check_search, check_where
from chroma_search.dsl.where import Comparison
from chroma_search.engine.explaining import RanSearch, explain
from chroma_search.engine.filter_gate import check_filterable
from chroma_search.engine.flushing import Flusher
from chroma_search.engine.requests import ExplainMode, Found, RunOptions, Selection, WriteBatch
from chroma_search.engine.write_queue import WaitingWrite, WriteQueue, merged
from chroma_search.engine.writing import RecordStore, refusal_of
from chroma_search.errors import (
    CorruptionError,
    DimensionMismatchError,
    InvalidRankError,
    LockedError,
    NotFoundError,
    StorageError,
    UnsupportedError,
)
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.regex import check_regex
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.execute import Answer, Execution, RunSettings, RunTrace
from chroma_search.planner.explain import Explanation
from chroma_search.planner.logical import LogicalPlan, lower, walk
from chroma_search.planner.operators.fetch import Places, locate
from chroma_search.planner.optimizer import optimize
from chroma_search.planner.rules.prune_columns import prune_columns
from chroma_search.planner.rules.share_leaves import share_leaves
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.schema.index_rules import IndexRules
from chroma_search.schema.schema_form import SchemaForm
from chroma_search.schema.schema_validation import checked_form
from chroma_search.storage.failpoint import reach
from chroma_search.storage.log import Log, News, NoLog, SqliteLog
from chroma_search.storage.log_entry import LogEntry, Operation
from chroma_search.storage.segment import IndexSpec
from chroma_search.storage.segment_folder import SegmentFolder
from chroma_search.storage.snapshot import Snapshot
from chroma_search.storage.sqlite_file import BUSY_S

LOG, SEGMENTS = "log.sqlite", "segments"

OPENING_ATTEMPTS = 5
"""Times that the manifest is read again when a file it names is gone: each time another flush must have ended."""

ALL_COLUMNS = frozenset({"documents", "metadatas", "embeddings", "uris"})


class CollectionEngine:
    """A collection, in memory or in a folder.

    Args:
        name, tenant, database: where it is found.
        config: distance, index kind and parameters, embedding function.
        metadata: the collection's own metadata.
        schema: JSON form of which keys are indexed how, or None for the default. It stays JSON: only a client builds
            the embedding functions that it names.
        analyzer: how texts become tokens for BM25.
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
        self.schema_form = None if schema is None else checked_form(schema)
        self._rules = IndexRules(self.schema_form)
        self._analyzer = analyzer or Analyzer()
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

    def add(self, batch: WriteBatch) -> None:
        """Insert records; ids that exist are skipped."""
        self._write("add", batch)

    def update(self, batch: WriteBatch) -> None:
        """Change records; ids that do not exist are ignored."""
        self._write("update", batch)

    def upsert(self, batch: WriteBatch) -> None:
        """Insert or change records."""
        self._write("upsert", batch)

    def delete(self, selection: Selection) -> int:
        """Delete records and return upstream's count: by ids alone the number asked for, else the number deleted."""
        self._check_filter(selection.where)
        self._check_writable()
        with self._lock:
            log = self._opened_log()
            with log.writing():
                self._catch_up()
                snapshot = self._store.snapshot
                entry = LogEntry("delete", locate(self._select(snapshot, selection), snapshot.segments).ids())
                if entry.ids:
                    log.append(entry)
            if entry.ids:
                self._applied(entry)
        if selection.ids is not None and selection.where is None:
            return len(selection.ids)
        return len(entry.ids)

    def _write(self, op: Operation, batch: WriteBatch) -> None:
        """Let a write wait for the lock, and carry it out unless another writer has done so meanwhile."""
        self._check_writable()
        if self._flusher is not None:
            self._flusher.pause()
        write = self._writes.put(LogEntry(op, batch.ids, batch.vectors, batch.documents, batch.metadatas, batch.uris))
        with self._lock:
            if not write.is_done:
                self._carry_out_with(write)
        if write.error is not None:
            raise write.error
        reach("store.after_apply")

    def _carry_out_with(self, own: WaitingWrite) -> None:
        """Carry out a write and those that wait with it; when that fails, it alone, for the fault may be another's."""
        writes = self._writes.take_with(own)
        try:
            self._carry_out(writes)
        except BaseException as error:
            if own.is_done:
                raise
            self._writes.put_back(writes[1:])
            if len(writes) == 1 or isinstance(error, LockedError) or not isinstance(error, Exception):
                raise
            self._carry_out([own])

    def _carry_out(self, writes: Sequence[WaitingWrite]) -> None:
        """Catch up, check, append, and only when that is durable, apply."""
        log = self._opened_log()
        with log.writing():
            self._catch_up()
            entries = self._effective(writes)
            for entry in entries:
                log.append(entry)
        for each in writes:
            each.is_done = True
        for entry in merged(entries):
            self._applied(entry)  # as a whole, for readers see what is applied

    def _effective(self, writes: Sequence[WaitingWrite]) -> list[LogEntry]:
        """Return the entries that change anything; what cannot be applied is refused."""
        dimension = self._store.snapshot.dimension
        entries: list[LogEntry] = []
        for each in writes:
            each.error = refusal_of(each.entry, dimension)
            if each.error is None and self._store.has_effect(each.entry):
                entries.append(each.entry)
                if each.entry.vectors is not None:
                    dimension = each.entry.vectors.shape[1]
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
        if not folder.exists():
            raise NotFoundError("the collection was deleted", kind="collection", name=folder.name)
        return SqliteLog(folder / LOG, "read" if self._reads_only else "open")

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
            self._store.load(states, news.manifest.dimension, news.manifest.next_offset)
        for entry in news.entries:
            self._store.apply(entry)

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
        places = Execution(snapshot.segments, self.run_settings(RunOptions())).locate(offset_ids)
        return _found(places, columns, snapshot.dimension)

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
        self._check_dimension(vectors.shape[1], snapshot.dimension)
        filtered = where
        if where is not None and not isinstance(where, Comparison):  # which no rule can improve
            filtered = optimize(LogicalPlan(where=where, columns=frozenset())).where
        settings = self.run_settings(options)
        run = Execution(snapshot.segments, settings)
        trace = None if options.observe is None else RunTrace()
        answers = run.nearest(vectors, n_results, filtered, ids, trace)
        if options.observe is not None and trace is not None:
            plan = partial(_nearest_plan, vectors[0], n_results, filtered)
            options.observe(RanSearch(plan, snapshot.segments, settings, trace))
        return [_found(answer.places, columns, snapshot.dimension, answer) for answer in answers]

    def search(self, searches: Sequence[SearchClauses], options: RunOptions) -> list[Found]:
        """Run searches against one snapshot; text queries of `Knn` are already vectors.

        Raises:
            InvalidInputError: a search that is not valid; none of the batch has run then.
        """
        snapshot = self.snapshot
        for clauses in searches:
            self._check_search(clauses, options, snapshot)
        if snapshot.dimension is None:
            return [_empty(clauses.select) for clauses in searches]
        plans = [self._plan(clauses) for clauses in searches]
        settings = self.run_settings(options)
        traces = None if options.observe is None else [RunTrace() for _ in plans]
        answers = Execution(snapshot.segments, settings).run(plans, traces)
        if options.observe is not None:
            for plan, trace in zip(plans, traces or (), strict=True):
                options.observe(RanSearch(partial(_itself, plan), snapshot.segments, settings, trace))
        return [_selected(plan, answer, snapshot.dimension) for plan, answer in zip(plans, answers, strict=True)]

    def explain(self, search: SearchClauses, options: RunOptions, mode: ExplainMode = "plan") -> Explanation:
        """Return how the search would run (`plan`, `verbose`) or ran (`analyze`)."""
        snapshot = self.snapshot
        self._check_search(search, options, snapshot)
        return explain(search, snapshot.segments, self.run_settings(options), mode)

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

    def _plan(self, clauses: SearchClauses) -> LogicalPlan:
        plan = lower(clauses)
        if isinstance(plan.rank, Knn) and plan.where is None:  # the commonest search; the other rules have no work
            return prune_columns(share_leaves(plan))
        return optimize(plan)

    def run_settings(self, options: RunOptions) -> RunSettings:
        """Return what the planner needs to know for a run."""
        return RunSettings(
            space=self.config.space,
            analyzer=self._analyzer,
            uses_idf=self._rules.is_bm25,
            exact=options.exact,
            force=options.force,
        )

    def _select(self, snapshot: Snapshot, selection: Selection) -> NDArray[np.int64]:
        run = Execution(snapshot.segments, self.run_settings(RunOptions()))
        offset_ids = run.passing(selection.where, selection.ids)
        end = None if selection.limit is None else selection.offset + selection.limit
        return offset_ids[selection.offset : end]

    def _check_filter(self, where: Where | None) -> None:
        if where is not None:
            check_where(where, regex_check=check_regex)
            check_filterable(self._rules, where)

    def _check_search(self, clauses: SearchClauses, options: RunOptions, snapshot: Snapshot) -> None:
        check_search(clauses, strict=options.strict, regex_check=check_regex)
        if clauses.where is not None:
            check_filterable(self._rules, clauses.where)
        if clauses.rank is None or snapshot.dimension is None:
            return
        for node in walk(clauses.rank):
            if isinstance(node, Knn) and not isinstance(node.query, (SparseVector, dict)):
                if node.key != "#embedding":
                    raise InvalidRankError(
                        f"a dense query searches #embedding, key {node.key!r} holds none: leave key= out, "
                        "or pass a SparseVector"
                    )
                self._check_dimension(len(node.dense()), snapshot.dimension)

    def _check_dimension(self, got: int, expected: int) -> None:
        if got != expected:
            raise DimensionMismatchError(
                f"Collection expecting embedding with dimension of {expected}, got {got}", expected=expected, got=got
            )


def only_reads(feature: str) -> UnsupportedError:
    """Return the error of a change to what was opened to be read."""
    why, instead = "the folder was opened with mode='r'", "open it without mode='r'"
    return UnsupportedError(f"{feature} is not possible: {why}; {instead}", feature=feature, why=why, instead=instead)


def _itself(plan: LogicalPlan) -> LogicalPlan:
    return plan


def _nearest_plan(query: NDArray[np.float32], n_results: int, where: Where | None) -> LogicalPlan:
    """Return the plan of a search that asks what `query()` asked for its first vector."""
    return optimize(lower(SearchClauses(where=where, rank=Knn(query, limit=n_results), limit=Limit(limit=n_results))))


def _found(places: Places, columns: frozenset[str], dimension: int | None, answer: Answer | None = None) -> Found:
    return Found(
        ids=places.ids(),
        scores=None if answer is None else answer.ranked.scores.tolist(),
        documents=places.documents() if "documents" in columns else None,
        metadatas=[None if each is None else dict(each) for each in places.metadatas()]
        if "metadatas" in columns
        else None,
        uris=places.uris() if "uris" in columns else None,
        embeddings=places.embeddings(dimension or 0) if "embeddings" in columns else None,
    )


def _selected(plan: LogicalPlan, answer: Answer, dimension: int) -> Found:
    found = _found(answer.places, plan.columns or frozenset(), dimension, answer)
    names = plan.select.names
    metadatas = found.metadatas
    if metadatas is not None and "#metadata" not in names:
        fields = [name for name in names if name not in COLUMNS]
        metadatas = [{name: each[name] for name in fields if name in each} if each else None for each in metadatas]
        metadatas = [each or None for each in metadatas]
    scores = found.scores if "#score" in names else None
    return Found(found.ids, scores, found.documents, metadatas, None, found.embeddings)


def _empty(select: Select) -> Found:
    plan = optimize(lower(SearchClauses(select=select, limit=Limit())))
    columns = plan.columns or frozenset()
    return Found(
        ids=[],
        scores=[] if "#score" in select.names else None,
        documents=[] if "documents" in columns else None,
        metadatas=[] if "metadatas" in columns else None,
        embeddings=np.empty((0, 0), np.float32) if "embeddings" in columns else None,
    )
