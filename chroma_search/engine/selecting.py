"""RanSelection: how a `get` or a `delete` ran, for who watches it.

Apart from `collection.py`, because what prints a plan takes 0.1 s to load, and most callers never ask.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.planner.execute import RunSettings, RunTrace
from chroma_search.planner.explain import Explanation, PlanNode, filter_node
from chroma_search.planner.logical import LogicalPlan
from chroma_search.planner.physical import plan_physical
from chroma_search.planner.view import SegmentView
from chroma_search.requests import Selection


class RanSelection:
    """A `get` or `delete` that has begun, and how far it has come (`requests.Ran`).

    Its stages, each told when it ends: waiting for other writers (`delete` alone), the filter, the rest, which reads
    the records or writes that they are gone.

    Args:
        kind: which of the two.
        selection: which records it means.
        views: the segments as they are when it begins; those that it runs over may be newer.
    """

    def __init__(self, kind: Literal["Get", "Delete"], selection: Selection, views: Sequence[SegmentView]) -> None:
        self._kind = kind
        self._selection = selection
        self._views = views
        self._trace = RunTrace()
        self._waited_ms: float | None = None
        self._at = time.perf_counter()

    def runs_over(self, views: Sequence[SegmentView]) -> None:
        """Note that the filter begins, over these segments."""
        self._views = views
        self._waited_ms = self._lap_ms()

    def has_matched(self, n_records: int) -> None:
        """Note that the filter has ended, and how many records passed."""
        self._trace.n_matching = [n_records]
        self._trace.filter_ms = self._lap_ms()

    def has_ended(self, n_records: int) -> None:
        """Note the end, and how many records were returned or deleted."""
        self._trace.n_returned = n_records
        self._trace.page_ms = self._lap_ms()

    @property
    def elapsed_ms(self) -> float:
        """Wall time of the stages that have ended."""
        return sum(ms for _, ms, _ in self.stages())

    def explanation(self) -> Explanation:
        """Return its EXPLAIN ANALYZE; what it has not reached has no figures."""
        selection, trace = self._selection, self._trace
        n_ids = None if selection.ids is None else len(selection.ids)
        settings = RunSettings("l2", Analyzer(), lambda _: False)  # of leaves alone, and there are none
        plan = plan_physical(LogicalPlan(where=selection.where, columns=frozenset()), self._views, settings, n_ids)
        facts: dict[str, Any] = {"offset": selection.offset} if selection.offset else {}
        if selection.limit is not None:
            facts["limit"] = selection.limit
        if trace.n_returned is not None:
            facts["records"] = trace.n_returned
        if self._kind == "Delete" and self._waited_ms is not None:
            facts["waited_ms"] = f"{self._waited_ms:.3f}"
        if trace.page_ms is not None:
            facts["ms"] = f"{trace.page_ms:.3f}"
        return Explanation(PlanNode(self._kind, facts, [filter_node(plan, trace)]))

    def stages(self) -> list[tuple[str, float, dict[str, Any]]]:
        """Return name, milliseconds and facts of each stage that has ended, in order."""
        trace = self._trace
        found: list[tuple[str, float, dict[str, Any]]] = []
        if self._kind == "Delete" and self._waited_ms is not None:
            found.append(("wait", self._waited_ms, {}))
        if trace.filter_ms is not None:
            found.append(("filter", trace.filter_ms, {"matching": sum(trace.n_matching or ())}))
        if trace.page_ms is not None:
            name, fact = ("fetch", "returned") if self._kind == "Get" else ("write", "deleted")
            found.append((name, trace.page_ms, {fact: trace.n_returned or 0}))
        return found

    def _lap_ms(self) -> float:
        before, self._at = self._at, time.perf_counter()
        return (self._at - before) * 1000
