"""Run logical plans over one snapshot: masks, leaves, fold, group, order, page. A batch shares what it can.

Searches with the same filter share its masks. Dense leaves of a batch with the same filter and limit run as one matrix;
equal queries among them run once. What ran, and for how long, goes into a `RunTrace` when EXPLAIN ANALYZE asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import And, Bm25, Decay, Field, Knn, Rank, Where
from chroma_search.dsl.page import Limit
from chroma_search.errors import InternalError
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.model.cancellation import checkpoint
from chroma_search.model.distance import Space
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.logical import LeafRef, LogicalPlan
from chroma_search.planner.matching import Matching
from chroma_search.planner.operators.bm25 import best_matches
from chroma_search.planner.operators.fetch import Places
from chroma_search.planner.operators.field import decayed, field_values
from chroma_search.planner.operators.group import keep_best_of_groups
from chroma_search.planner.operators.knn import DenseRequest, Step, nearest
from chroma_search.planner.operators.order import order_by_fields
from chroma_search.planner.operators.rank import Domain, RankInputs, evaluate
from chroma_search.planner.operators.ranked import Ranked, best
from chroma_search.planner.operators.sparse_knn import nearest_sparse
from chroma_search.planner.view import SegmentView
from chroma_search.record import record


@record()
class RunSettings:
    """What a run needs to know of the collection and the caller's wishes.

    Attributes:
        space: distance of dense vectors.
        analyzer: how texts become tokens.
        uses_idf: tells whether a sparse key scales queries by idf.
        exact: exact paths only.
        force: strategy of dense leaves, for tests.
    """

    space: Space
    analyzer: Analyzer
    uses_idf: Callable[[str], bool]
    exact: bool = False
    force: str | None = None


@dataclass(slots=True)
class RunTrace:
    """What EXPLAIN ANALYZE shows of one search. It fills while that runs: one that was ended shows how far it came.

    Attributes:
        n_matching: rows that passed the filter, per segment; None before that is known.
        filter_ms, fold_ms, page_ms: wall time of stages; None for those that have not ended.
        leaves_ms: wall time of the leaves that have ended.
        steps: access paths that ran, per leaf number.
        n_leaf: records each leaf gave.
        n_ranked, n_grouped, n_returned: records after the fold, after grouping, in the page; None before that.
    """

    n_matching: list[int] | None = None
    filter_ms: float | None = None
    leaves_ms: float = 0.0
    fold_ms: float | None = None
    page_ms: float | None = None
    steps: dict[int, list[Step]] = field(default_factory=dict)
    n_leaf: dict[int, int] = field(default_factory=dict)
    n_ranked: int | None = None
    n_grouped: int | None = None
    n_returned: int | None = None


@record(eq=False)
class Answer:
    """The page of one search.

    Attributes:
        ranked: records of the page with their scores.
        places: where they lie.
    """

    ranked: Ranked
    places: Places


class Execution:
    """Runs plans over the segments of one snapshot.

    Args:
        views: the segments.
        settings: collection and caller.
    """

    def __init__(self, views: Sequence[SegmentView], settings: RunSettings) -> None:
        self._matching = Matching(views)
        self._settings = settings

    def run(self, plans: Sequence[LogicalPlan], traces: Sequence[RunTrace] | None = None) -> list[Answer]:
        """Return one answer per plan (already optimized), in order."""
        marks = traces or [RunTrace() for _ in plans]
        for plan, mark in zip(plans, marks, strict=True):
            started = time.perf_counter()
            mark.n_matching = [match.n_matching for match in self._matching.matches(plan.where)]
            mark.filter_ms = (time.perf_counter() - started) * 1000
        lists = self._run_dense(plans, marks, with_steps=traces is not None)
        answers: list[Answer] = []
        for at, plan in enumerate(plans):
            started = time.perf_counter()
            leaves = [
                lists[at, number] if (at, number) in lists else self._run_leaf(leaf, plan.where)
                for number, leaf in enumerate(plan.leaves)
            ]
            marks[at].n_leaf = {number: len(leaf) for number, leaf in enumerate(leaves)}
            marks[at].leaves_ms += (time.perf_counter() - started) * 1000
            answers.append(self._finish(plan, leaves, marks[at]))
        return answers

    def _run_dense(
        self, plans: Sequence[LogicalPlan], marks: Sequence[RunTrace], *, with_steps: bool
    ) -> dict[tuple[int, int], Ranked]:
        dense = [
            (at, number, leaf)
            for at, plan in enumerate(plans)
            for number, leaf in enumerate(plan.leaves)
            if isinstance(leaf, Knn) and not isinstance(leaf.query, SparseVector)
        ]
        groups: dict[tuple[Any, int], dict[Any, list[tuple[int, int, Knn]]]] = {}
        for at, number, leaf in dense:
            queries = groups.setdefault((plans[at].where, leaf.limit), {})
            identity = leaf.query_identity() if len(dense) > 1 else None
            queries.setdefault(identity, []).append((at, number, leaf))
        lists: dict[tuple[int, int], Ranked] = {}
        for (where, limit), queries in groups.items():
            started = time.perf_counter()
            vectors = [users[0][2].dense() for users in queries.values()]
            matrix = vectors[0][np.newaxis] if len(vectors) == 1 else np.stack(vectors)
            steps: list[Step] | None = [] if with_steps else None
            request = DenseRequest(matrix, limit, self._settings.space, self._settings.exact, self._settings.force)
            for at, number, _ in (each for users in queries.values() for each in users):
                marks[at].steps[number] = [] if steps is None else steps  # fills while it runs
            found = nearest(request, self._matching.matches(where), steps)
            elapsed_ms = (time.perf_counter() - started) * 1000
            for users, ranked in zip(queries.values(), found, strict=True):
                for at, number, leaf in users:
                    lists[(at, number)] = _as_positions(ranked) if leaf.return_rank else ranked
                    marks[at].leaves_ms += elapsed_ms / len(queries) / len(users)
        return lists

    def _run_leaf(self, leaf: Rank, where: Where | None) -> Ranked:
        checkpoint()
        matches = self._matching.matches(where)
        match leaf:
            case Knn():
                uses_idf = self._settings.uses_idf(leaf.key)
                found = nearest_sparse(
                    leaf.query, leaf.key, leaf.limit, matches, self._matching.views, with_idf=uses_idf
                )
            case Bm25():
                found = best_matches(leaf, matches, self._matching.views, self._settings.analyzer)
            case Field():
                return field_values(leaf.key, matches)
            case Decay():
                return decayed(leaf, field_values(leaf.key, matches))
            case _:
                raise InternalError(f"no operator runs {type(leaf).__name__}", invariant="every leaf runs")
        return _as_positions(found) if leaf.return_rank else found

    def _finish(self, plan: LogicalPlan, leaves: Sequence[Ranked], mark: RunTrace) -> Answer:
        checkpoint()
        started = time.perf_counter()
        ranked = self._rank(plan, leaves)
        mark.n_ranked = mark.n_grouped = len(ranked)
        mark.fold_ms = (time.perf_counter() - started) * 1000
        started = time.perf_counter()
        if plan.group_by.is_active:
            ranked = keep_best_of_groups(ranked, self._matching.place(ranked).metadatas(), plan.group_by)
            mark.n_grouped = len(ranked)
        if plan.order_by.keys:
            places = self._matching.place(ranked)
            ranked = order_by_fields(ranked, places.ids(), places.metadatas(), plan.order_by)
        page = _cut(ranked, plan.limit)
        answer = Answer(page, self._matching.place(page))
        mark.n_returned = len(page)
        mark.page_ms = (time.perf_counter() - started) * 1000
        return answer

    def _rank(self, plan: LogicalPlan, leaves: Sequence[Ranked]) -> Ranked:
        if plan.rank is None:
            offset_ids = self._matching.passing(plan.where)
            return Ranked(offset_ids, np.arange(len(offset_ids), dtype=np.float64))
        if isinstance(plan.rank, LeafRef):
            return leaves[plan.rank.index]
        where = plan.where

        def passing_and(condition: Where) -> NDArray[np.int64]:
            return self._matching.passing(condition if where is None else And((where, condition)))

        domains = [_domain(leaf, ranked) for leaf, ranked in zip(plan.leaves, leaves, strict=True)]
        found = evaluate(plan.rank, RankInputs(domains, lambda: self._matching.passing(where), passing_and))
        return best(Ranked(found.support, found.values))


def _as_positions(ranked: Ranked) -> Ranked:
    return ranked.scored(np.arange(len(ranked), dtype=np.float64))


def _domain(leaf: Rank, ranked: Ranked) -> Domain:
    default = getattr(leaf, "default", None)
    order = np.argsort(ranked.offset_ids, kind="stable")
    return Domain(ranked.offset_ids[order], ranked.scores[order], None if default is None else float(default))


def _cut(ranked: Ranked, limit: Limit) -> Ranked:
    if not limit.offset and (limit.limit is None or limit.limit >= len(ranked)):
        return ranked
    end = None if limit.limit is None else limit.offset + limit.limit
    return ranked.picked(slice(limit.offset, end))
