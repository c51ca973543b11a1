"""The Search API and EXPLAIN for a collection, and who watches: check, plan, run on one snapshot, shape the answers.

Apart from `collection.py`, because the language, its rules and its operators take 0.1 s to load, and a program that
opens a folder and asks `query()` needs none of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import Knn, Limit, SearchClauses, Select, Where
from chroma_search.dsl.page import COLUMNS
from chroma_search.dsl.validation import check_search
from chroma_search.engine.collection import found_columns
from chroma_search.engine.explaining import RanSearch, explain
from chroma_search.engine.filter_gate import check_filterable
from chroma_search.engine.record_store import check_dimension
from chroma_search.errors import InvalidRankError
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.regex import check_regex
from chroma_search.model.cancellation import checkpoint
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.execute import Answer, Execution, RunSettings, RunTrace
from chroma_search.planner.explain import Explanation
from chroma_search.planner.logical import LeafRef, LogicalPlan, lower, walk
from chroma_search.planner.matching import Matching
from chroma_search.planner.operators.knn import DenseRequest, nearest
from chroma_search.planner.operators.ranked import Ranked
from chroma_search.planner.optimizer import optimize
from chroma_search.planner.rules.prune_columns import columns_read
from chroma_search.requests import ExplainMode, Found, RunOptions
from chroma_search.storage.snapshot import Snapshot

if TYPE_CHECKING:
    from chroma_search.engine.collection import CollectionEngine


def run_searches(engine: CollectionEngine, searches: Sequence[SearchClauses], options: RunOptions) -> list[Found]:
    """Run searches against one snapshot; see `CollectionEngine.search`."""
    snapshot = engine.snapshot
    for clauses in searches:
        _check_search(engine, clauses, options, snapshot)
    if snapshot.dimension is None:
        return [_empty(clauses.select) for clauses in searches]
    plans = [planned(clauses) for clauses in searches]
    settings = run_settings(engine, options)
    traces = None if options.observe is None else [RunTrace() for _ in plans]
    if options.observe is not None:
        for plan, trace in zip(plans, traces or (), strict=True):
            options.observe(RanSearch(partial(_itself, plan), snapshot.segments, settings, trace))
    answers = Execution(snapshot.segments, settings).run(plans, traces)
    return [_selected(plan, answer, snapshot.dimension) for plan, answer in zip(plans, answers, strict=True)]


def observed_nearest(
    engine: CollectionEngine,
    matching: Matching,
    request: DenseRequest,
    where: Where | None,
    ids: Sequence[str] | None,
    options: RunOptions,
) -> list[Ranked]:
    """Return the nearest records that pass, as `query()` does, and tell `options.observe` how they are found."""
    trace, started = RunTrace(), time.perf_counter()
    if options.observe is not None:
        plan = partial(_nearest_plan, request.queries[0], request.k, where)
        n_ids = None if ids is None else len(ids)
        options.observe(RanSearch(plan, matching.views, run_settings(engine, options), trace, n_ids))
    matches = matching.matches(where, ids)
    trace.n_matching = [match.n_matching for match in matches]
    trace.filter_ms = (time.perf_counter() - started) * 1000
    started = time.perf_counter()
    found = nearest(request, matches, trace.steps.setdefault(0, []))
    trace.leaves_ms = (time.perf_counter() - started) * 1000
    trace.n_leaf[0] = trace.n_ranked = trace.n_grouped = trace.n_returned = sum(map(len, found))
    return found


def explain_search(
    engine: CollectionEngine, search: SearchClauses, options: RunOptions, mode: ExplainMode
) -> Explanation:
    """Return how the search would run or ran; see `CollectionEngine.explain`."""
    snapshot = engine.snapshot
    _check_search(engine, search, options, snapshot)
    return explain(search, snapshot.segments, run_settings(engine, options), mode)


def run_settings(engine: CollectionEngine, options: RunOptions) -> RunSettings:
    """Return what the planner needs to know for a run."""
    return RunSettings(
        space=engine.config.space,
        analyzer=engine.analyzer or Analyzer(),
        uses_idf=engine.rules.is_bm25,
        exact=options.exact,
        force=options.force,
    )


def _check_search(engine: CollectionEngine, clauses: SearchClauses, options: RunOptions, snapshot: Snapshot) -> None:
    checkpoint()
    check_search(clauses, strict=options.strict, regex_check=check_regex)
    if clauses.where is not None:
        check_filterable(engine.rules, clauses.where)
    if clauses.rank is None or snapshot.dimension is None:
        return
    for node in walk(clauses.rank):
        if isinstance(node, Knn) and not isinstance(node.query, (SparseVector, dict)):
            if node.key != "#embedding":
                raise InvalidRankError(
                    f"a dense query searches #embedding, key {node.key!r} holds none: leave key= out, "
                    "or pass a SparseVector"
                )
            check_dimension(len(node.dense()), snapshot.dimension)


def planned(clauses: SearchClauses) -> LogicalPlan:
    """Return the plan of a search, optimized."""
    checkpoint()
    rank = clauses.rank
    if clauses.where is None and isinstance(rank, Knn) and not isinstance(rank.query, dict):
        # What the rules make of the commonest search: a test compares.
        page = clauses.group_by, clauses.order_by, clauses.limit, clauses.select
        return LogicalPlan(None, LeafRef(0), (rank,), *page, columns_read(clauses.select))
    return optimize(lower(clauses))


def _itself(plan: LogicalPlan) -> LogicalPlan:
    return plan


def _nearest_plan(query: NDArray[np.float32], n_results: int, where: Where | None) -> LogicalPlan:
    """Return the plan of a search that asks what `query()` asked for its first vector."""
    return optimize(lower(SearchClauses(where=where, rank=Knn(query, limit=n_results), limit=Limit(limit=n_results))))


def _selected(plan: LogicalPlan, answer: Answer, dimension: int) -> Found:
    found = found_columns(answer.places, plan.columns or frozenset(), dimension)
    names = plan.select.names
    metadatas = found.metadatas
    if metadatas is not None and "#metadata" not in names:
        fields = [name for name in names if name not in COLUMNS]
        metadatas = [{name: each[name] for name in fields if name in each} if each else None for each in metadatas]
        metadatas = [each or None for each in metadatas]
    scores = answer.ranked.scores.tolist() if "#score" in names else None
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
