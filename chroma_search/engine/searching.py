"""The Search API and EXPLAIN for a collection: check, plan, run against one snapshot, shape the answers.

Apart from `collection.py`, because the language, its rules and its operators take 0.1 s to load, and a program that
opens a folder and asks `query()` needs none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chroma_search.dsl import Knn, Limit, SearchClauses, Select
from chroma_search.dsl.page import COLUMNS
from chroma_search.dsl.validation import check_search
from chroma_search.engine.collection import found_columns
from chroma_search.engine.explaining import explain
from chroma_search.engine.filter_gate import check_filterable
from chroma_search.engine.requests import ExplainMode, Found, RunOptions
from chroma_search.engine.writing import check_dimension
from chroma_search.errors import InvalidRankError
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.regex import check_regex
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.execute import Answer, Execution, RunSettings
from chroma_search.planner.explain import Explanation
from chroma_search.planner.logical import LogicalPlan, lower, walk
from chroma_search.planner.optimizer import optimize
from chroma_search.planner.rules.prune_columns import prune_columns
from chroma_search.planner.rules.share_leaves import share_leaves
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
    plans = [_plan(clauses) for clauses in searches]
    answers = Execution(snapshot.segments, run_settings(engine, options)).run(plans)
    return [_selected(plan, answer, snapshot.dimension) for plan, answer in zip(plans, answers, strict=True)]


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


def _plan(clauses: SearchClauses) -> LogicalPlan:
    plan = lower(clauses)
    if isinstance(plan.rank, Knn) and plan.where is None:  # the commonest search; the other rules have no work
        return prune_columns(share_leaves(plan))
    return optimize(plan)


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
