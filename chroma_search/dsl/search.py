"""Search: one whole search, built step by step; and what the three spellings have in common.

`Search` holds the five clauses of upstream and, ours, `order_by`. Each builder method returns a new Search. Wherever
upstream takes a dict, a text of the query language may stand as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chroma_search.dsl.group_by import GroupBy
from chroma_search.dsl.key import Key
from chroma_search.dsl.node import Named, Node, name_of
from chroma_search.dsl.page import COLUMNS, Limit, OrderBy, Select, SortKey
from chroma_search.dsl.rank import Rank, as_rank
from chroma_search.dsl.where import Where
from chroma_search.errors import InvalidArgumentError, WrongTypeError

N = TypeVar("N", bound=Node)


# Nodes are immutable, so all searches share the empty ones: making four of them anew costs 10 us.
NO_GROUP_BY, NO_LIMIT, NO_SELECT, NO_ORDER_BY = GroupBy(), Limit(), Select(), OrderBy()


@dataclass(frozen=True, slots=True)
class SearchClauses:
    """The clauses of a search as plain nodes: what parser, JSON and builders make, and what the planner takes.

    Attributes:
        where: filter, or None for every record.
        rank: score, or None for insertion order.
        group_by, limit, select, order_by: see their classes; the empty ones do nothing.
    """

    where: Where | None = None
    rank: Rank | None = None
    group_by: GroupBy = NO_GROUP_BY
    limit: Limit = NO_LIMIT
    select: Select = NO_SELECT
    order_by: OrderBy = NO_ORDER_BY


class Search:
    """A search: filter, rank, group, order, page, columns.

    Args:
        where: filter: a `Where`, its JSON, or a text such as `"year >= 2024"`.
        rank: score, lower is better: a `Rank`, `K("field")`, its JSON or a text.
        group_by: a `GroupBy`, its JSON or a text.
        limit: a `Limit`, its JSON, or an int.
        select: a `Select`, its JSON, a list or set of names.
        order_by: an `OrderBy`, its JSON, or a list of `K("field").desc()` and names (ours).

    Raises:
        WrongTypeError: an argument of another type.
        InvalidArgumentError: a value out of range, an unknown operator.

    >>> from chroma_search import K, Knn, Search
    >>> Search().where(K("lang") == "en").rank(Knn([1.0, 0.0])).limit(5).to_dict()["limit"]
    {'offset': 0, 'limit': 5}
    """

    __slots__ = ("clauses",)

    def __init__(
        self,
        where: Where | dict[str, Any] | str | None = None,
        rank: Rank | Named | dict[str, Any] | str | None = None,
        group_by: GroupBy | dict[str, Any] | str | None = None,
        limit: Limit | dict[str, Any] | int | None = None,
        select: Select | dict[str, Any] | list[Any] | set[Any] | None = None,
        order_by: OrderBy | dict[str, Any] | list[Any] | None = None,
    ) -> None:
        self.clauses = SearchClauses(
            where=as_where(where),
            rank=None if rank is None else _as_rank(rank),
            group_by=NO_GROUP_BY if group_by is None else _as_group_by(group_by),
            limit=NO_LIMIT if limit is None else _as_limit(limit),
            select=NO_SELECT if select is None else _as_select(select),
            order_by=NO_ORDER_BY if order_by is None else _as_order_by(order_by),
        )

    @staticmethod
    def of(clauses: SearchClauses) -> Search:
        """Return the search made of clauses."""
        search = Search.__new__(Search)
        search.clauses = clauses
        return search

    @staticmethod
    def from_text(text: str, params: Mapping[str, Any] | None = None) -> Search:
        """Parse the query language, such as `WHERE year > 2020 RANK knn($q) LIMIT 5`.

        Args:
            text: the search.
            params: values for the `$name` parameters; never parsed as syntax.

        Raises:
            QuerySyntaxError: with line, column and what was expected.
        """
        from chroma_search.dsl.parser import parse_search  # loads lark

        return Search.of(parse_search(text, params))

    @staticmethod
    def from_dict(data: Any) -> Search:
        """Read the JSON form; `null` or absent clauses are empty, and so is `filter: {}`.

        Raises:
            WrongTypeError, InvalidArgumentError: a clause that is not valid, an unknown clause.
        """
        if not isinstance(data, dict):
            raise WrongTypeError(f"Expected dict for Search, got {type(data).__name__}")
        unknown = [str(name) for name in data if name not in _CLAUSES]
        if unknown:
            raise InvalidArgumentError(f"unknown clause '{unknown[0]}' in search (it has {', '.join(_CLAUSES)})")
        filter_ = data.get("filter")
        parts = {name: data.get(name) for name in _CLAUSES if name != "filter"}
        for name, part in {"filter": filter_, **parts}.items():
            if part is not None and not isinstance(part, dict):
                raise WrongTypeError(f"search {name} must be a dict or null, got {type(part).__name__}")
        return Search(where=filter_ or None, **parts)

    def to_dict(self, *, expand_rrf: bool = True) -> dict[str, Any]:
        """Return the JSON form (`order_by` only when there is one).

        Args:
            expand_rrf: write `Rrf` as arithmetic, as upstream does; False keeps our `$rrf` node.
        """
        clauses = self.clauses
        form = {
            "filter": None if clauses.where is None else clauses.where.to_dict(),
            "rank": None if clauses.rank is None else clauses.rank.to_dict(expand_rrf=expand_rrf),
            "group_by": clauses.group_by.to_dict(),
            "limit": clauses.limit.to_dict(),
            "select": clauses.select.to_dict(),
        }
        if clauses.order_by.keys:
            form["order_by"] = clauses.order_by.to_dict()
        return form

    def to_text(self) -> str:
        """Return the search in the query language, canonical; parsing it gives the same search."""
        from chroma_search.dsl.printer import print_search

        return print_search(self.clauses)

    def where(self, where: Where | dict[str, Any] | str | None) -> Search:
        """Return a search with this filter instead of the present one."""
        return self._with(where=as_where(where))

    def rank(self, rank_expr: Rank | Named | dict[str, Any] | str | None) -> Search:
        """Return a search with this rank instead of the present one."""
        return self._with(rank=None if rank_expr is None else _as_rank(rank_expr))

    def group_by(self, group_by: GroupBy | dict[str, Any] | str | None) -> Search:
        """Return a search with this grouping instead of the present one."""
        return self._with(group_by=NO_GROUP_BY if group_by is None else _as_group_by(group_by))

    def limit(self, limit: int, offset: int = 0) -> Search:
        """Return a search for at most `limit` records after leaving out `offset`; 0 gives none, as upstream."""
        return self._with(limit=Limit(offset, limit))

    def select(self, *keys: Key | str) -> Search:
        """Return a search that gives these columns and fields."""
        for key in keys:
            if isinstance(key, (list, tuple, set)):
                kind = type(key).__name__
                raise WrongTypeError(f"select takes names one by one, got {kind}: write select(*names)")
        return self._with(select=Select(keys))

    def select_all(self) -> Search:
        """Return a search that gives document, embedding, metadata and score."""
        return self._with(select=Select(COLUMNS))

    def order_by(self, *keys: SortKey | Key | str) -> Search:
        """Return a search whose results are ordered by fields instead of by score (ours)."""
        return self._with(order_by=_as_order_by(list(keys)))

    def _with(self, **changes: Any) -> Search:
        held = self.clauses
        parts: dict[str, Any] = {name: getattr(held, name) for name in held.__slots__}
        return Search.of(SearchClauses(**{**parts, **changes}))

    def __eq__(self, other: object) -> bool:
        return self.clauses == other.clauses if isinstance(other, Search) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.clauses)

    def __repr__(self) -> str:
        return f"Search({', '.join(_shown(self.clauses))})"


_CLAUSES = ("filter", "rank", "group_by", "limit", "select", "order_by")


def as_where(where: Any) -> Where | None:
    """Return a filter from a `Where`, its JSON, a text, or None."""
    if where is None or isinstance(where, Where):
        return where
    if isinstance(where, dict):
        return Where.from_dict(where)
    if isinstance(where, str):
        from chroma_search.dsl.parser import parse_where  # loads lark

        return parse_where(where)
    # Python's own `not` gives a bool, and comparing a name instead of a key does.
    hint = ": join filters with & | ~, not and, or, not; compare K(...)" if isinstance(where, bool) else ""
    raise WrongTypeError(f"where must be a Where object, dict, or None, got {type(where).__name__}{hint}")


def _as_rank(rank: Any) -> Rank:
    if isinstance(rank, (Rank, Named)):
        return as_rank(rank)
    if isinstance(rank, dict):
        return Rank.from_dict(rank)
    if isinstance(rank, str):
        from chroma_search.dsl.parser import parse_rank  # loads lark

        return parse_rank(rank)
    raise WrongTypeError(f"rank must be a Rank object, dict, or None, got {type(rank).__name__}")


def _as_group_by(group_by: Any) -> GroupBy:
    if isinstance(group_by, GroupBy):
        return group_by
    if isinstance(group_by, dict):
        return GroupBy.from_dict(group_by)
    if isinstance(group_by, str):
        from chroma_search.dsl.parser import parse_group_by  # loads lark

        return parse_group_by(group_by)
    raise WrongTypeError(f"group_by must be a GroupBy object, dict, or None, got {type(group_by).__name__}")


def _as_limit(limit: Any) -> Limit:
    if isinstance(limit, Limit):
        return limit
    if isinstance(limit, int):
        return Limit.from_dict({"limit": limit, "offset": 0})
    if isinstance(limit, dict):
        return Limit.from_dict(limit)
    raise WrongTypeError(f"limit must be a Limit object, dict, int, or None, got {type(limit).__name__}")


def _as_select(select: Any) -> Select:
    if isinstance(select, Select):
        return select
    if isinstance(select, dict):
        return Select.from_dict(select)
    if isinstance(select, (list, set)):
        return Select.from_dict({"keys": list(select)})
    raise WrongTypeError(f"select must be a Select object, dict, list, set, or None, got {type(select).__name__}")


def _as_order_by(order_by: Any) -> OrderBy:
    if isinstance(order_by, OrderBy):
        return order_by
    if isinstance(order_by, dict):
        return OrderBy.from_dict(order_by)
    if isinstance(order_by, list):
        return OrderBy(tuple(_as_sort_key(each) for each in order_by))
    raise WrongTypeError(f"order_by must be an OrderBy object, dict, list, or None, got {type(order_by).__name__}")


def _as_sort_key(key: Any) -> SortKey:
    if isinstance(key, SortKey):
        return key
    if isinstance(key, (str, Named)):
        return SortKey(name_of(key))
    raise WrongTypeError(f"order_by takes field names and K(...).desc(), got {type(key).__name__}")


def _shown(clauses: SearchClauses) -> Iterator[str]:
    empty = SearchClauses()
    for name in clauses.__slots__:
        value = getattr(clauses, name)
        if value is not None and value != getattr(empty, name):
            yield f"{name}={value!r}"
