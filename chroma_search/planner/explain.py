"""EXPLAIN: print a physical plan as a tree, one line per node, with the reason for every choice.

Three levels: `plan` (estimates), `verbose` (also the logical plan after each rule, and the rejected paths), `analyze`
(runs the search and adds counts, times and the measured recall of approximate leaves). Without times the text is the
same on every machine, so that tests store it. docs/explain.md teaches how to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chroma_search.dsl import And, Bm25, Decay, Field, GroupBy, Knn, Rank, Where
from chroma_search.dsl.node import Node
from chroma_search.dsl.page import Limit
from chroma_search.dsl.printer import print_rank, print_where
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.planner.execute import RunTrace
from chroma_search.planner.logical import LeafRef, LogicalPlan, Range, transform
from chroma_search.planner.operators.knn import Step
from chroma_search.planner.physical import LeafPlan, PhysicalPlan, SegmentPlan


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One line of a printed plan.

    Attributes:
        name: operator.
        facts: `key=value` pairs in order; values are str, numbers, lists.
        children: nodes below.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    children: Sequence[PlanNode] = ()

    def lines(self, depth: int = 0) -> Iterator[str]:
        """Yield the printed lines of this node and those below."""
        facts = " ".join(f"{name}={_shown(value)}" for name, value in self.facts.items())
        yield f"{'  ' * depth}{self.name}{': ' if facts else ''}{facts}"
        for child in self.children:
            yield from child.lines(depth + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the node as JSON: operator, facts, children."""
        return {"operator": self.name, **self.facts, "children": [child.to_dict() for child in self.children]}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A printed plan.

    Attributes:
        root: the tree.
        stages: (rule, plan) after each rule that changed the plan, for `verbose`.
    """

    root: PlanNode
    stages: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        blocks = [f"-- {rule}\n{text}" for rule, text in self.stages]
        return "\n".join([*blocks, *(["-- physical plan"] if blocks else []), *self.root.lines()])

    def __repr__(self) -> str:
        return str(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready data."""
        form: dict[str, Any] = {"plan": self.root.to_dict()}
        if self.stages:
            form["stages"] = [{"rule": rule, "plan": text} for rule, text in self.stages]
        return form


def explain_tree(
    plan: PhysicalPlan,
    trace: RunTrace | None = None,
    recalls: Mapping[int, float] | None = None,
    *,
    verbose: bool = False,
) -> PlanNode:
    """Return the tree of a plan.

    Args:
        plan: what was planned.
        trace: what ran, for `analyze`.
        recalls: measured recall per approximate leaf, for `analyze`.
        verbose: also show rejected paths.
    """
    logical = plan.logical
    leaves = [_leaf_node(number, leaf, trace, recalls or {}, verbose) for number, leaf in enumerate(plan.leaves)]
    below = [*leaves, filter_node(plan, trace)]
    if logical.rank is None:
        node = PlanNode("InsertionOrder", _ran(trace, "n_ranked"), below)
    else:
        facts = {"score": show_rank(logical.rank), **_ran(trace, "n_ranked"), **_time(trace, "fold_ms")}
        node = PlanNode("Rank", facts, below)
    if logical.group_by.is_active:
        node = PlanNode("Group", {**_group_facts(logical.group_by), **_ran(trace, "n_grouped")}, [node])
    if logical.order_by.keys:
        keys = [f"{key.key}{' desc' if key.descending else ''}" for key in logical.order_by.keys]
        node = PlanNode("Order", {"by": keys}, [node])
    limit: dict[str, Any] = {"offset": logical.limit.offset}
    if logical.limit.limit is not None:
        limit["limit"] = logical.limit.limit
    node = PlanNode("Limit", {**limit, **_ran(trace, "n_returned")}, [node])
    return PlanNode("Project", {"keys": logical.select.echo(), **_time(trace, "page_ms")}, [node])


def show_plan(plan: LogicalPlan) -> str:
    """Return a logical plan as text, one clause per line; also the form of the rules' test fixtures."""
    lines: list[str] = []
    if plan.where is not None:
        lines.append(f"WHERE {show_where(plan.where, mark_ranges=True)}")
    if plan.rank is not None:
        lines.append(f"RANK {show_rank(plan.rank)}")
    lines.extend(f"LEAF {number}: {print_rank(leaf)}" for number, leaf in enumerate(plan.leaves))
    if plan.group_by.is_active:
        facts = _group_facts(plan.group_by)
        lines.append(f"GROUP BY {', '.join(facts['keys'])} KEEP {facts['keep']}")
    if plan.order_by.keys:
        lines.append(
            f"ORDER BY {', '.join(key.key + (' DESC' if key.descending else '') for key in plan.order_by.keys)}"
        )
    if plan.limit != Limit():
        lines.append(f"LIMIT {plan.limit.limit} OFFSET {plan.limit.offset}")
    if plan.select.names:
        lines.append(f"SELECT {', '.join(plan.select.echo())}")
    if plan.columns is not None:
        lines.append(f"COLUMNS {', '.join(sorted(plan.columns)) or 'none'}")
    return "\n".join(lines)


def show_where(where: Where, *, mark_ranges: bool = False) -> str:
    """Return a filter as text; a merged range prints as its comparisons, marked `range(...)` on request."""
    if mark_ranges and isinstance(where, And):
        return " AND ".join(_in_parentheses(each) for each in where.conditions)
    if isinstance(where, Range):
        text = print_where(And(where.tests))
        return f"range({text})" if mark_ranges else text
    return print_where(transform(where, _without_ranges))


def show_rank(rank: Rank) -> str:
    """Return a rank as text; leaves print as `leaf0`, `leaf1`."""

    def named(node: Node) -> Node:
        return Field(f"leaf{node.index}") if isinstance(node, LeafRef) else node

    return print_rank(transform(rank, named))


def _without_ranges(node: Node) -> Node:
    if isinstance(node, And):  # children come first: their ranges are conjunctions by now
        parts = [each.conditions if isinstance(each, And) else (each,) for each in node.conditions]
        return And([condition for part in parts for condition in part])
    return And(node.tests) if isinstance(node, Range) else node


def _in_parentheses(where: Where) -> str:
    text = show_where(where, mark_ranges=True)
    return f"({text})" if " OR " in text else text


def _leaf_node(
    number: int, plan: LeafPlan, trace: RunTrace | None, recalls: Mapping[int, float], verbose: bool
) -> PlanNode:
    facts: dict[str, Any] = {"leaf": number, **_leaf_facts(plan.leaf)}
    if trace is not None and number in trace.n_leaf:
        facts["found"] = trace.n_leaf[number]
    if number in recalls:
        facts["recall"] = f"{recalls[number]:.3f}"
    if plan.operator != "Knn":
        return PlanNode(plan.operator, facts)
    steps = [] if trace is None else trace.steps.get(number, [])
    return PlanNode("Knn", facts, [_segment_node(part, steps, verbose) for part in plan.segments])


def _leaf_facts(leaf: Rank) -> dict[str, Any]:
    match leaf:
        case Knn():
            facts: dict[str, Any] = {"key": leaf.key, "limit": leaf.limit}
            if isinstance(leaf.query, SparseVector):
                facts["dimensions"] = len(leaf.query.indices)
        case Bm25():
            facts = {"key": leaf.key, "query": repr(leaf.query), "k1": leaf.k1, "b": leaf.b, "limit": leaf.limit}
        case Decay():
            facts = {"key": leaf.key, "origin": leaf.origin, "scale": leaf.scale, "kind": leaf.kind}
        case _:
            facts = {"key": leaf.key}  # type: ignore[attr-defined]  # a Field
    if getattr(leaf, "return_rank", False):
        facts["return_rank"] = "true"
    default = getattr(leaf, "default", None)
    return facts if default is None else {**facts, "default": default}


def _segment_node(part: SegmentPlan, steps: Sequence[Step], verbose: bool) -> PlanNode:
    if part.ladder is None:
        return PlanNode("SegmentKnn", {"segment": part.segment, "rows": part.n_rows, "why": '"no row can match"'})
    choice = part.ladder.chosen
    estimate = part.estimate
    facts: dict[str, Any] = {
        "segment": part.segment,
        "rows": part.n_rows,
        "index": choice.kind,
        "strategy": choice.offer.strategy,
        "est": f"{estimate.least}/{estimate.expected}/{estimate.most}",
        "why": f'"{choice.offer.reason}"',
        **({"probes": "true"} if part.ladder.probes else {}),
    }
    children: list[PlanNode] = []
    if verbose:
        for rejected, reason in part.ladder.rejected:
            words = {"index": rejected.kind, "strategy": rejected.offer.strategy, "because": f'"{reason}"'}
            children.append(PlanNode("Rejected", words))
    for step in steps:
        if step.segment == part.segment:
            ran: dict[str, Any] = {"index": step.choice.kind, "strategy": step.choice.offer.strategy}
            if step.probe is not None:
                ran["probe"] = f"{step.probe:.3f}"
            ran["found"] = step.n_found
            children.append(PlanNode("Ran", {**ran, "visited": step.visited, "ms": f"{step.elapsed_ms:.3f}"}))
    return PlanNode("SegmentKnn", facts, children)


def filter_node(plan: PhysicalPlan, trace: RunTrace | None) -> PlanNode:
    """Return the node of the records that pass filter and list of ids, or of all."""
    where = plan.logical.where
    if where is None and plan.n_ids is None:
        facts: dict[str, Any] = {"rows": sum(part.n_rows for part in plan.filters), "segments": len(plan.filters)}
        return PlanNode("Scan", facts)
    least, expected, most = (
        sum(getattr(part.estimate, name) for part in plan.filters) for name in ("least", "expected", "most")
    )
    facts = {} if where is None else {"where": show_where(where)}
    if plan.n_ids is not None:
        facts["ids"] = plan.n_ids  # how many: they are a user's
    facts["est"] = f"{least}/{expected}/{most}"
    if trace is not None and trace.n_matching is not None:
        facts["actual"] = sum(trace.n_matching)
    return PlanNode("Filter", {**facts, **_time(trace, "filter_ms")})


def _group_facts(group_by: GroupBy) -> dict[str, Any]:
    aggregate = group_by.aggregate
    assert aggregate is not None
    side = "MIN" if aggregate.op == "$min_k" else "MAX"
    return {"keys": list(group_by.names), "keep": f"{aggregate.k} {side} {', '.join(aggregate.names)}"}


def _ran(trace: RunTrace | None, name: str) -> dict[str, Any]:
    count = None if trace is None else getattr(trace, name)
    return {} if count is None else {"records": count}


def _time(trace: RunTrace | None, name: str) -> dict[str, Any]:
    ms = None if trace is None else getattr(trace, name)
    return {} if ms is None else {"ms": f"{ms:.3f}"}


def _shown(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
