"""The dense leaf: nearest records over all segments, with the ladder of access paths in each.

Whatever index found a candidate, its distance is computed again by `exact_distances`, so that scores, order and ties do
not depend on index, segment layout or k. A path that found too few is followed by the next step of the ladder, ending
in the exact scan: a query never gets fewer records than match, up to k.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError
from chroma_search.indexes.base import VectorRequest
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors, exact_distances
from chroma_search.model.mask import Mask
from chroma_search.planner.choose import Choice, Ladder, choose
from chroma_search.planner.operators.ranked import Ranked, best, in_segment, joined
from chroma_search.planner.view import SegmentView

FEW_MORE = 16
"""Candidates beyond k that are measured exactly rather than sorted out first: that would take as long."""

NEAR_TIE = 1e-5
"""Relative slack around the k-th distance an index reports: float32 sums of a few thousand terms err by less."""


@dataclass(frozen=True, slots=True)
class Match:
    """A segment and which of its rows a search may return.

    Attributes:
        view: the segment.
        mask: allowed rows, or None for all.
        n_matching: number of allowed rows.
        is_filtered: False when the mask only hides dead rows.
    """

    view: SegmentView
    mask: Mask | None
    n_matching: int
    is_filtered: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What one access path did in one segment, for EXPLAIN ANALYZE.

    Attributes:
        segment: name.
        choice: index and strategy.
        n_found: candidates it returned (all queries together).
        visited: rows or nodes it looked at.
        elapsed_ms: wall time.
    """

    segment: str
    choice: Choice
    n_found: int
    visited: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class DenseRequest:
    """One or more dense queries that share mask and limit.

    Attributes:
        queries: float32, shape (q, dim).
        k: candidates wanted per query.
        space: distance.
        exact: exact paths only.
        force: strategy for tests.
    """

    queries: Vectors
    k: int
    space: Space
    exact: bool = False
    force: str | None = None


def nearest(request: DenseRequest, matches: Sequence[Match], trace: list[Step] | None = None) -> list[Ranked]:
    """Return, per query, the k nearest allowed records."""
    n_queries = len(request.queries)
    parts: list[list[Ranked]] = [[] for _ in range(n_queries)]
    for number, match in enumerate(matches):
        if not match.n_matching:
            continue
        rows = match.view.segment.rows
        for at, found in enumerate(_search_segment(request, match, trace)):
            near = _near_enough(found, request.k)
            distances = exact_distances(request.queries[at], rows.vectors[near], request.space)
            parts[at].append(in_segment(number, near, rows.offset_ids, distances))
    return [best(joined(each), request.k) for each in parts]


def ladder_for(request: DenseRequest, match: Match) -> Ladder:
    """Return the access paths of one segment, the chosen one first."""
    asked = VectorRequest(
        k=min(request.k, match.n_matching),
        n_matching=match.n_matching,
        n_rows=match.view.segment.n_rows,
        is_filtered=match.is_filtered,
    )
    segment = match.view.segment
    if match.mask is not None:
        return choose(segment.vector_indexes(), asked, exact=request.exact, force=request.force)
    # Where every row may be returned the offers depend on k alone, so most queries ask the very same.
    key = ("ladder", asked, request.exact, request.force)
    return segment.remembered(
        key, lambda: choose(segment.vector_indexes(), asked, exact=request.exact, force=request.force)
    )


def _search_segment(request: DenseRequest, match: Match, trace: list[Step] | None) -> list[Candidates]:
    ladder = ladder_for(request, match)
    wanted = min(request.k, match.n_matching)
    found: list[Candidates] = [Candidates.empty()] * len(request.queries)
    open_queries = list(range(len(request.queries)))
    for step in ladder.steps:
        answers = _run_step(step, request.queries[open_queries], wanted, match, trace)
        for at, answer in zip(open_queries, answers, strict=True):
            found[at] = answer
        open_queries = [at for at in open_queries if not found[at].exact and len(found[at]) < wanted]
        if not open_queries:
            break
    return found


def _run_step(step: Choice, queries: Vectors, wanted: int, match: Match, trace: list[Step] | None) -> list[Candidates]:
    for index in match.view.segment.vector_indexes():
        if index.kind == step.kind:
            break
    else:
        raise InternalError(f"no index {step.kind} in {match.view.segment.name}", invariant="offers come from indexes")
    started = time.perf_counter() if trace is not None else 0.0
    answers = index.search(queries, wanted, match.mask, step.offer.strategy)
    if trace is not None:
        elapsed_ms = (time.perf_counter() - started) * 1000
        n_found, visited = sum(map(len, answers)), sum(each.visited for each in answers)
        trace.append(Step(match.view.segment.name, step, n_found, visited, elapsed_ms))
    return answers


def _near_enough(found: Candidates, k: int) -> NDArray[np.int64]:
    """Return the rows that can be among the k nearest once distances are exact."""
    if found.exact or len(found) <= k + FEW_MORE:
        return found.rows
    boundary = np.partition(found.distances, k - 1)[k - 1]
    slack = NEAR_TIE * (1.0 + abs(boundary))
    return found.rows[~(found.distances > boundary + slack)]
