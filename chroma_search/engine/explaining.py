"""EXPLAIN for a collection: plan, show the rules at work, run and measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import Knn, SearchClauses
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.execute import Execution, RunSettings, RunTrace
from chroma_search.planner.explain import Explanation, explain_tree, show_plan
from chroma_search.planner.logical import LogicalPlan, lower
from chroma_search.planner.optimizer import optimize, steps
from chroma_search.planner.physical import plan_physical
from chroma_search.planner.view import SegmentView
from chroma_search.requests import ExplainMode


def explain(
    search: SearchClauses, views: Sequence[SegmentView], settings: RunSettings, mode: ExplainMode
) -> Explanation:
    """Return the explanation of a checked search over the segments of a snapshot."""
    plan = lower(search)
    stages = [("as written", show_plan(plan))]
    for rule, rewritten in steps(plan):
        stages.append((rule, show_plan(rewritten)))
        plan = rewritten
    physical = plan_physical(plan, views, settings)
    if mode == "plan":
        return Explanation(explain_tree(physical))
    if mode == "verbose":
        return Explanation(explain_tree(physical, verbose=True), stages)
    trace = RunTrace()
    Execution(views, settings).run([plan], [trace])
    return Explanation(explain_tree(physical, trace, measured_recalls(plan, views, settings, trace)))


@dataclass(frozen=True, slots=True)
class RanSearch:
    """A search that has run, or begun: its plan and what was measured (`requests.Ran`).

    Attributes:
        plan: made when it is asked for.
        views, settings: what it runs over.
        trace: counts and times of what has run so far.
        n_ids: how many ids it was given beside its filter; None for no list of ids.
    """

    plan: Callable[[], LogicalPlan]
    views: Sequence[SegmentView]
    settings: RunSettings
    trace: RunTrace
    n_ids: int | None = None

    @property
    def elapsed_ms(self) -> float:
        """Wall time of the stages that have run."""
        return sum(ms for _, ms, _ in self.stages())

    def explanation(self) -> Explanation:
        """Return the EXPLAIN ANALYZE of this run, without recalls: those would take exact searches."""
        plan = plan_physical(self.plan(), self.views, self.settings, self.n_ids)
        return Explanation(explain_tree(plan, self.trace, {}))

    def stages(self) -> list[tuple[str, float, dict[str, Any]]]:
        """Return name, milliseconds and facts of each stage that has run; paths of dense leaves before the rest."""
        trace = self.trace
        steps = [step for leaf in list(trace.steps.values()) for step in leaf]  # a copy: it may still be running
        found: list[tuple[str, float, dict[str, Any]]] = []
        if trace.filter_ms is not None:
            found.append(("filter", trace.filter_ms, {"matching": sum(trace.n_matching or ())}))
        for step in steps:
            facts = {"segment": step.segment, "found": step.n_found, "visited": step.visited}
            found.append((f"{step.choice.kind}.{step.choice.offer.strategy}", step.elapsed_ms, facts))
        if trace.n_leaf:
            rest = max(0.0, trace.leaves_ms - sum(step.elapsed_ms for step in steps))
            found.append(("leaves", rest, {"leaves": len(trace.n_leaf)}))
        if trace.fold_ms is not None:
            found.append(("rank", trace.fold_ms, {"ranked": trace.n_ranked or 0}))
        if trace.page_ms is not None:
            found.append(("group and page", trace.page_ms, {"returned": trace.n_returned or 0}))
        return found


def measured_recalls(
    plan: LogicalPlan, views: Sequence[SegmentView], settings: RunSettings, trace: RunTrace
) -> dict[int, float]:
    """Return, per approximate dense leaf, the share of the exact answer that it found."""
    recalls: dict[int, float] = {}
    for number, leaf in enumerate(plan.leaves):
        is_dense = isinstance(leaf, Knn) and not isinstance(leaf.query, SparseVector)
        if not is_dense or all(step.choice.offer.exact for step in trace.steps.get(number, [])):
            continue
        alone = LogicalPlan(where=plan.where, rank=leaf, columns=frozenset())
        found = _leaf_offsets(alone, views, settings)
        true = _leaf_offsets(alone, views, replace(settings, exact=True))
        recalls[number] = len(np.intersect1d(found, true)) / max(1, len(true))
    return recalls


def _leaf_offsets(plan: LogicalPlan, views: Sequence[SegmentView], settings: RunSettings) -> NDArray[np.int64]:
    return Execution(views, settings).run([optimize(plan)])[0].ranked.offset_ids
