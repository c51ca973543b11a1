"""CollectionEngine: one collection - where its writes begin, and where queries are run.

Writers take one lock, make a new snapshot and publish it (`collection_writer.py`); readers take the published snapshot
and no lock (`collection_home.py`).
"""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from chroma_search.engine.collection_home import CollectionHome
from chroma_search.engine.collection_writer import CollectionWriter
from chroma_search.engine.record_store import check_dimension
from chroma_search.errors import (
    LockedError,
    UnsupportedError,
)
from chroma_search.planner.matching import Matching
from chroma_search.planner.operators.fetch import Places, locate
from chroma_search.planner.operators.knn import DenseRequest, nearest
from chroma_search.requests import Found, RunOptions, Selection, WriteBatch
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage.failpoint import reach
from chroma_search.storage.log import SqliteLog
from chroma_search.storage.segment import IndexSpec
from chroma_search.storage.snapshot import Snapshot
from chroma_search.storage.sqlite_file import BUSY_S

if TYPE_CHECKING:
    from chroma_search.dsl import SearchClauses, Where
    from chroma_search.engine.filter_gate import FilterGate
    from chroma_search.engine.selecting import RanSelection
    from chroma_search.indexes.text.analyzer import Analyzer
    from chroma_search.planner.explain import Explanation
    from chroma_search.requests import ExplainMode, Observe
    from chroma_search.schema.index_rules import IndexRules
    from chroma_search.schema.observed_types import ObservedTypes
    from chroma_search.schema.schema_form import SchemaForm


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
        self._reads_only = reads_only

        itself = weakref.ref(self)  # so that a collection in memory that is let go of goes at once

        def grown() -> None:
            engine = itself()
            if engine is not None and on_growth is not None:
                on_growth(engine)

        self.home = CollectionHome(_index_spec(config), folder, reads_only=reads_only, on_growth=grown)
        """Its log, segments and snapshot; for whoever looks after the folder, not for users of the collection."""
        self._writer = CollectionWriter(self.home, grown)

    @property
    def snapshot(self) -> Snapshot:
        """What a query that starts now sees: every write that was acknowledged before, by any process."""
        return self.home.snapshot

    def close(self) -> None:
        """Wait for a flush in the background and let go of the files; a later call opens them again."""
        self.home.close()

    @property
    def dimension(self) -> int | None:
        """Dimension of the vectors, None before the first write."""
        return self.snapshot.dimension

    def reconfigure(self, config: CollectionConfig) -> None:
        """Take another configuration: parameters of the search hold at once, those of building for later segments."""
        with self.home.lock:
            self.config = config
            self.home.store.reconfigure(_index_spec(config))

    def begin_as(self, other: CollectionEngine) -> None:
        """Begin with the records that another collection in memory has now; from then on each goes its own way."""
        with other.home.lock, self.home.lock:
            self.home.store.begin_as(other.home.store)

    def add(self, batch: WriteBatch) -> None:
        """Insert records; ids that exist are skipped."""
        self._check_writable()
        self._writer.write("add", batch)

    def update(self, *batches: WriteBatch) -> None:
        """Change records; ids that do not exist are ignored. Several batches are durable together, or not at all."""
        self._check_writable()
        self._writer.write("update", *batches)

    def upsert(self, batch: WriteBatch) -> None:
        """Insert or change records."""
        self._check_writable()
        self._writer.write("upsert", batch)

    def delete(self, selection: Selection, observe: Observe | None = None) -> int:
        """Delete records and return upstream's count: by ids alone the number asked for, else the number deleted.

        Args:
            selection: which.
            observe: told when it begins.
        """
        self._check_filter(selection.where)
        self._check_writable()
        ran = None if observe is None else self._watched("Delete", selection, self.snapshot, observe)

        def chosen(snapshot: Snapshot) -> list[str]:
            return locate(self._select(snapshot, selection, ran), snapshot.segments).ids()

        deleted = self._writer.delete(chosen)
        if ran is not None:
            ran.has_ended(len(deleted))
        if selection.ids is not None and selection.where is None:
            return len(selection.ids)
        return len(deleted)

    def _check_writable(self) -> None:
        if self._reads_only:
            raise only_reads("writing")

    def observed_types(self) -> ObservedTypes:
        """Return the types of the values under each metadata key; what was deleted since may still count."""
        from chroma_search.schema.observed_types import joined_types  # of use only to who reads a schema back

        return joined_types(state.segment.metadata_types() for state in self.snapshot.segments)

    def count(self) -> int:
        """Return the number of live records."""
        return self.snapshot.n_live

    def get(self, selection: Selection, columns: frozenset[str], observe: Observe | None = None) -> Found:
        """Return records in insertion order.

        Args:
            selection: which.
            columns: out of `documents metadatas embeddings uris`.
            observe: told when it begins.
        """
        self._check_filter(selection.where)
        snapshot = self.snapshot
        ran = None if observe is None else self._watched("Get", selection, snapshot, observe)
        offset_ids = self._select(snapshot, selection, ran)
        found = found_columns(locate(offset_ids, snapshot.segments), columns, snapshot.dimension)
        if ran is not None:
            ran.has_ended(len(found.ids))
        return found

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
        with self.home.lock:
            self.home.opened_log()
            if self.home.flusher is None:
                self.home.store.flush()
                return
        self.home.flusher.flush()

    def compact(self) -> None:
        """Bring everything into one segment without dead rows; in a folder, deleted records leave the disk."""
        self._check_writable()
        with self.home.lock:
            self.home.opened_log()
            if self.home.flusher is None:
                self.home.store.compact()
                return
        self.home.flusher.compact()

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file.

        Raises:
            LockedError: another process reads all the time.
        """
        self.compact()
        with self.home.lock:
            log = self.home.opened_log()
            reach("purge.before_truncate")
            if isinstance(log, SqliteLog):
                log.reclaim()
                if not log.shrink(wait_s=BUSY_S):
                    raise LockedError(f"other processes are reading {self.name!r} all the time: purge it again")

    def operations(self) -> tuple[int, int]:
        """Return how many records all writes have added, changed or deleted, and how many of these are indexed.

        Rows that are too few for an index wait for none: comparing with each of them is as fast. So everything is
        indexed unless something is under way, and whoever waits for that need not write more.
        """
        _ = self.snapshot  # takes in what others wrote; no lock, for a write may hold it for a while
        flusher = self.home.flusher  # another thread may be closing
        is_waiting = flusher is not None and flusher.is_due
        n_indexed = self.home.store.n_indexed_ops  # before the total, which a write may raise meanwhile
        n_ops = self.home.store.n_ops
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
        if self.home.flusher is not None and self.home.segments is not None:
            error = self.home.flusher.last_error
            facts["log_bytes"] = self.home.flusher.log_bytes
            facts["segment_bytes"] = self.home.segments.n_bytes()
            facts["flush_error"] = None if error is None else str(error)
        return facts

    def _watched(
        self, kind: Literal["Get", "Delete"], selection: Selection, snapshot: Snapshot, observe: Observe
    ) -> RanSelection:
        from chroma_search.engine.selecting import RanSelection  # 0.1 s: what prints plans

        ran = RanSelection(kind, selection, snapshot.segments)
        observe(ran)
        return ran

    def _select(self, snapshot: Snapshot, selection: Selection, ran: RanSelection | None) -> NDArray[np.int64]:
        if ran is not None:
            ran.runs_over(snapshot.segments)
        offset_ids = Matching(snapshot.segments).passing(selection.where, selection.ids)
        if ran is not None:
            ran.has_matched(len(offset_ids))
        end = None if selection.limit is None else selection.offset + selection.limit
        return offset_ids[selection.offset : end]

    @cached_property
    def rules(self) -> IndexRules:
        """Which index is on for which key."""
        from chroma_search.schema.index_rules import IndexRules  # 0.02 s, of use only to filters and the Search API

        return IndexRules(self.schema_form)

    def _check_filter(self, where: Where | None) -> None:
        if where is not None:
            self._filter_gate.check(where)

    @cached_property
    def _filter_gate(self) -> FilterGate:
        from chroma_search.engine.filter_gate import FilterGate  # as above

        return FilterGate(self.rules)


def _index_spec(config: CollectionConfig) -> IndexSpec:
    return IndexSpec(config.space, config.index_kind, config.index_params)


def _checked(schema: SchemaForm) -> SchemaForm:
    from chroma_search.schema.schema_validation import checked_form  # most collections have no schema

    return checked_form(schema)


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

    if isinstance(where, Comparison):  # which no rule can improve
        return where
    from chroma_search.planner.logical import LogicalPlan
    from chroma_search.planner.optimizer import optimize

    return optimize(LogicalPlan(where=where, columns=frozenset())).where
