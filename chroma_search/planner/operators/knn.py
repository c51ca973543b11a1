"""The dense leaf: nearest records over all segments, with the ladder of access paths in each.

Whatever index found a candidate, its distance is computed again by `exact_distances`, so that scores, order and ties do
not depend on index, segment layout or k. A path that found too few is followed by the next step of the ladder, ending
in the exact scan: a query never gets fewer records than match, up to k.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError
from chroma_search.indexes.base import VectorIndex, VectorRequest
from chroma_search.indexes.vector.exact_distances import exact_distances
from chroma_search.model.cancellation import checkpoint
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors
from chroma_search.model.mask import Mask
from chroma_search.planner.choose import Choice, Ladder, choose
from chroma_search.planner.operators.ranked import Ranked, best, joined
from chroma_search.planner.view import SegmentView
from chroma_search.record import record

FEW_MORE = 16
"""Candidates beyond k that are measured exactly rather than sorted out first: that would take as long."""

NEAR_TIE = 1e-5
"""Relative slack around the k-th distance an index reports: float32 sums of a few thousand terms err by less."""


QUERIES_AT_ONCE = 256
"""Queries answered between two checkpoints; a scan of 256 x 1,000,000 x 384 takes seconds, more do not share more."""


@record()
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


@record()
class Step:
    """What one access path did in one segment, for EXPLAIN ANALYZE.

    Attributes:
        segment: name.
        choice: index and strategy.
        n_found: candidates it returned (all queries together).
        visited: rows or nodes it looked at.
        elapsed_ms: wall time.
        probe: mean share of the rows near the queries that matched, where a probe chose this path.
    """

    segment: str
    choice: Choice
    n_found: int
    visited: int
    elapsed_ms: float
    probe: float | None = None


@record()
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
    if len(request.queries) > QUERIES_AT_ONCE:
        starts = range(0, len(request.queries), QUERIES_AT_ONCE)
        parts = (request.queries[at : at + QUERIES_AT_ONCE] for at in starts)
        asked = (DenseRequest(part, request.k, request.space, request.exact, request.force) for part in parts)
        return [each for part in asked for each in nearest(part, matches, trace)]
    found = [_Nearest(request, query, matches) for query in request.queries]
    for number, match in enumerate(matches):
        if not match.n_matching:
            continue
        checkpoint()
        for one, candidates in zip(found, _search_segment(request, match, found, trace), strict=True):
            one.add(number, _near_enough(candidates, request.k))
    return [each.ranked() for each in found]


class _Nearest:
    """What was found for one query: rows by the number of their segment, and those that are measured already.

    They are measured all at once at the end, unless an index asks before how far the k-th of them is.
    """

    __slots__ = ("_matches", "_measured", "_query", "_request", "_waiting")

    def __init__(self, request: DenseRequest, query: Vectors, matches: Sequence[Match]) -> None:
        self._request = request
        self._query = query
        self._matches = matches
        self._waiting: list[tuple[int, NDArray[np.int64]]] = []
        self._measured: Ranked | None = None

    def add(self, number: int, rows: NDArray[np.int64]) -> None:
        self._waiting.append((number, rows))

    def within(self) -> float:
        """Return a distance that k of the rows are within; infinity when there are not so many."""
        if not self._waiting and self._measured is None:
            return math.inf
        scores, k = self.ranked().scores, self._request.k
        return math.inf if len(scores) < k or np.isnan(scores[k - 1]) else float(scores[k - 1])

    def ranked(self) -> Ranked:
        """Return the k nearest."""
        if self._waiting:
            more = _measured(self._request, self._query, self._matches, self._waiting)
            found = more if self._measured is None else joined([self._measured, more])
            self._measured, self._waiting = best(found, self._request.k), []
        return self._measured or Ranked(np.empty(0, np.int64), np.empty(0, np.float64))


def _measured(
    request: DenseRequest, query: Vectors, matches: Sequence[Match], near: Sequence[tuple[int, NDArray[np.int64]]]
) -> Ranked:
    """Return rows that segments found, by number of the segment, in no order; measured all at once."""
    vectors: list[Vectors] = []
    offset_ids: list[NDArray[np.int64]] = []
    places = np.empty((sum([len(rows) for _, rows in near]), 2), np.int64)
    begin = 0
    for number, rows in near:
        stored = matches[number].view.segment.rows
        vectors.append(stored.vectors[rows])
        offset_ids.append(stored.offset_ids[rows])
        end = begin + len(rows)
        places[begin:end, 0], places[begin:end, 1] = number, rows
        begin = end
    return Ranked(_joined(offset_ids), exact_distances(query, _joined(vectors), request.space), places)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def ladder_for(request: DenseRequest, match: Match, *, is_far: bool = False) -> Ladder:
    """Return the access paths of one segment, the chosen one first."""
    segment, k, n_matching = match.view.segment, min(request.k, match.n_matching), match.n_matching

    def ladder() -> Ladder:
        asked = VectorRequest(
            k=k, n_matching=n_matching, n_rows=segment.n_rows, is_filtered=match.is_filtered, is_far=is_far
        )
        return choose(segment.vector_indexes(), asked, exact=request.exact, force=request.force)

    # The offers depend on counts alone, so queries with the same filter ask the very same.
    return segment.recently((k, n_matching, match.is_filtered, is_far, request.exact, request.force), ladder)


def _search_segment(
    request: DenseRequest, match: Match, before: Sequence[_Nearest], trace: list[Step] | None
) -> list[Candidates]:
    found: list[Candidates] = [Candidates.empty()] * len(request.queries)
    for ladder, queries, pass_rate in _ladders(request, match):
        steps = _Steps(match.view.segment.name, trace, pass_rate)
        _climb(ladder, request, match, queries, found, before, steps)
    return found


def _ladders(request: DenseRequest, match: Match) -> list[tuple[Ladder, list[int], float | None]]:
    """Return which queries take which ladder; where a probe decided, with the mean share of matching rows it saw."""
    ladder = ladder_for(request, match)
    everything = list(range(len(request.queries)))
    if not ladder.probes or match.mask is None:
        return [(ladder, everything, None)]
    index = _index(match, ladder.chosen)
    probes = [index.probe(query, match.mask) for query in request.queries]
    ladders: list[tuple[Ladder, list[int], float | None]] = []
    for is_far in (False, True):
        queries = [at for at in everything if probes[at].is_far is is_far]
        if queries:
            planned = ladder_for(request, match, is_far=True) if is_far else ladder
            ladders.append((planned, queries, sum(probes[at].pass_rate for at in queries) / len(queries)))
    return ladders


def _climb(
    ladder: Ladder,
    request: DenseRequest,
    match: Match,
    queries: list[int],
    found: list[Candidates],
    before: Sequence[_Nearest],
    steps: _Steps,
) -> None:
    """Answer the queries into `found`, step by step, until each has enough; no row beyond those before is needed."""
    wanted = min(request.k, match.n_matching)
    for choice in ladder.steps:
        started = time.perf_counter()
        asked = request.queries if len(queries) == len(request.queries) else request.queries[queries]
        nearer = [before[at] for at in queries]
        answers = _index(match, choice).search(
            asked, wanted, match.mask, choice.offer.strategy, within=lambda at, nearer=nearer: nearer[at].within()
        )
        steps.note(choice, answers, started)
        for at, answer in zip(queries, answers, strict=True):
            found[at] = answer
        queries = [at for at in queries if not found[at].exact and len(found[at]) < wanted]
        if not queries:
            break


@record()
class _Steps:
    """Writes what ran into a trace, if there is one."""

    segment: str
    trace: list[Step] | None
    pass_rate: float | None

    def note(self, choice: Choice, answers: Sequence[Candidates], started: float) -> None:
        if self.trace is None:
            return
        elapsed_ms = (time.perf_counter() - started) * 1000
        n_found, visited = sum(map(len, answers)), sum(each.visited for each in answers)
        self.trace.append(Step(self.segment, choice, n_found, visited, elapsed_ms, self.pass_rate))


def _index(match: Match, choice: Choice) -> VectorIndex:
    for index in match.view.segment.vector_indexes():
        if index.kind == choice.kind:
            return index
    raise InternalError(f"no index {choice.kind} in {match.view.segment.name}", invariant="offers come from indexes")


def _near_enough(found: Candidates, k: int) -> NDArray[np.int64]:
    """Return the rows that can be among the k nearest once distances are exact."""
    if found.exact or len(found) <= k + FEW_MORE:
        return found.rows
    boundary = np.partition(found.distances, k - 1)[k - 1]
    slack = NEAR_TIE * (1.0 + abs(boundary))
    return found.rows[~(found.distances > boundary + slack)]
