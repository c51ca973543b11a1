"""PhysicalPlan: which access path answers what, per segment, with the reason. Frozen data, made from estimates alone.

The run makes the masks first, so it knows the true counts and asks for offers again with them (`operators/knn.py`);
this plan is what EXPLAIN shows before anything has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chroma_search.dsl import Bm25, Decay, Field, Knn, Rank
from chroma_search.indexes.base import Estimate
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.choose import Ladder
from chroma_search.planner.estimate import estimate_matches
from chroma_search.planner.execute import RunSettings
from chroma_search.planner.logical import LogicalPlan
from chroma_search.planner.operators.knn import DenseRequest, Match, ladder_for
from chroma_search.planner.view import SegmentView


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """One segment's part of the filter or of a leaf.

    Attributes:
        segment: name.
        n_rows: rows of the segment.
        estimate: rows expected to match the filter.
        ladder: access paths of a dense leaf; None for leaves with one way only, and where no row can match.
    """

    segment: str
    n_rows: int
    estimate: Estimate
    ladder: Ladder | None = None


@dataclass(frozen=True, slots=True)
class LeafPlan:
    """How one leaf is answered.

    Attributes:
        leaf: the node.
        operator: `Knn`, `SparseKnn`, `Bm25`, `Field` or `Decay`.
        segments: one plan per segment.
    """

    leaf: Rank
    operator: str
    segments: tuple[SegmentPlan, ...]


@dataclass(frozen=True, slots=True)
class PhysicalPlan:
    """The whole search.

    Attributes:
        logical: what it means.
        filters: one plan per segment.
        leaves: one plan per leaf of the logical plan.
        n_ids: how many ids were given beside the filter; None for no list of ids.
    """

    logical: LogicalPlan
    filters: tuple[SegmentPlan, ...]
    leaves: tuple[LeafPlan, ...]
    n_ids: int | None = None


def plan_physical(
    plan: LogicalPlan, views: Sequence[SegmentView], settings: RunSettings, n_ids: int | None = None
) -> PhysicalPlan:
    """Choose access paths for an optimized plan from estimates; nothing of the search runs.

    Args:
        plan: what is asked.
        views: the segments.
        settings: of the run.
        n_ids: how many ids are given beside the filter, as `get`, `delete` and `query` take; None for no list of ids.
    """
    estimates = [estimate_matches(plan.where, n_ids, view) for view in views]
    filters = tuple(
        SegmentPlan(view.segment.name, view.segment.n_rows, estimate)
        for view, estimate in zip(views, estimates, strict=True)
    )
    is_filtered = plan.where is not None or n_ids is not None
    leaves = tuple(_plan_leaf(leaf, is_filtered, views, filters, settings) for leaf in plan.leaves)
    return PhysicalPlan(plan, filters, leaves, n_ids)


def _plan_leaf(
    leaf: Rank,
    is_filtered: bool,
    views: Sequence[SegmentView],
    filters: Sequence[SegmentPlan],
    settings: RunSettings,
) -> LeafPlan:
    operator = operator_name(leaf)
    if operator != "Knn":
        return LeafPlan(leaf, operator, tuple(filters))
    assert isinstance(leaf, Knn)
    query = leaf.dense()[np.newaxis]
    request = DenseRequest(query, leaf.limit, settings.space, settings.exact, settings.force)
    planned: list[SegmentPlan] = []
    for view, part in zip(views, filters, strict=True):
        if not part.estimate.most:
            planned.append(part)
            continue
        expected = max(1, part.estimate.expected)
        match = Match(view, view.live_mask, expected, is_filtered)
        planned.append(SegmentPlan(part.segment, part.n_rows, part.estimate, ladder_for(request, match)))
    return LeafPlan(leaf, operator, tuple(planned))


def operator_name(leaf: Rank) -> str:
    """Return the name of the operator that answers a leaf."""
    match leaf:
        case Knn():
            return "SparseKnn" if isinstance(leaf.query, SparseVector) else "Knn"
        case Bm25():
            return "Bm25"
        case Field():
            return "Field"
        case Decay():
            return "Decay"
        case _:
            return type(leaf).__name__
