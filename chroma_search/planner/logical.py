"""LogicalPlan: what a search means, before anyone asks which index answers it. Frozen data.

Stages run in the order of the fields: restrict to `ids` and `where`, score with `rank` (whose index leaves stand apart
in `leaves`), group, order, cut, read `columns`. Rules (`rules/`) turn one plan into an equal, cheaper one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from chroma_search.dsl import And, Bm25, Decay, Field, GroupBy, Knn, Limit, OrderBy, Rank, SearchClauses, Select, Where
from chroma_search.dsl.leaves import sparse_query
from chroma_search.dsl.node import Node, field_names
from chroma_search.dsl.where import Comparison
from chroma_search.record import record

W = TypeVar("W", bound=Node)

INDEX_LEAVES = (Knn, Bm25, Field, Decay)
"""Rank leaves that read an index or a column."""


@dataclass(frozen=True, eq=False, slots=True)
class Range(Where):
    """Comparisons of one key that one lookup of a column can answer together; made by `merge_ranges`."""

    key: str
    tests: Sequence[Comparison]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the comparisons."""
        return And(self.tests).to_dict()


@dataclass(frozen=True, eq=False, slots=True)
class LeafRef(Rank):
    """Stands in a rank for `plan.leaves[index]`; made by `share_leaves`."""

    index: int
    op: ClassVar[str] = ""


@record()
class LogicalPlan:
    """A search in stages.

    Attributes:
        where: filter, or None for every record.
        rank: score, or None for insertion order.
        leaves: the distinct leaves that `LeafRef`s in `rank` name.
        group_by, order_by, limit, select: as in the search.
        columns: columns of the records that the result or a stage reads: `documents metadatas embeddings`; None until
            `prune_columns` has run.
    """

    where: Where | None = None
    rank: Rank | None = None
    leaves: tuple[Rank, ...] = ()
    group_by: GroupBy = field(default_factory=GroupBy)
    order_by: OrderBy = field(default_factory=OrderBy)
    limit: Limit = field(default_factory=Limit)
    select: Select = field(default_factory=Select)
    columns: frozenset[str] | None = None


def lower(clauses: SearchClauses) -> LogicalPlan:
    """Return the plan that says what the search says, nothing rewritten yet (sparse queries in dict form aside)."""
    return LogicalPlan(
        where=clauses.where,
        rank=None if clauses.rank is None else transform(clauses.rank, _with_sparse_query),
        group_by=clauses.group_by,
        order_by=clauses.order_by,
        limit=clauses.limit,
        select=clauses.select,
    )


def _with_sparse_query(node: Node) -> Node:
    if isinstance(node, Knn) and isinstance(node.query, dict):
        return replace(node, query=sparse_query(node.query))
    return node


def transform(node: W, rewrite: Callable[[Any], Any]) -> W:
    """Return the tree with `rewrite` applied to every node, children first. Depth is bounded by `check_bounds`."""
    if isinstance(node, INDEX_LEAVES):  # nothing below; a dense query would be walked number by number
        return rewrite(node)
    changes: dict[str, Any] = {}
    for name in field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            new = transform(value, rewrite)
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            new = tuple(transform(item, rewrite) if isinstance(item, Node) else item for item in value)
            if all(left is right for left, right in zip(new, value, strict=True)):
                new = value
        else:
            continue
        if new is not value:
            changes[name] = new
    return rewrite(replace(node, **changes) if changes else node)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, parents first, left to right."""
    yield node
    for child in node.children():
        yield from walk(child)
