"""Checks of a whole search, before it runs: one front door for the three spellings.

Builders, JSON and text build a search leniently, as upstream; here is refused what has no meaning. With `strict=True`
everything is refused that goes beyond Chroma's Search API (docs/language.md marks it as ours), so that a search that
passes runs on Chroma's cloud as well. Filters are checked in `where_validation.py`, ranks in `rank_validation.py`.
"""

from __future__ import annotations

from typing import Any

from chroma_search.dsl.checked_value import Place, RegexCheck, Rules, check_count, check_flag, check_text
from chroma_search.dsl.group_by import AGGREGATES, Aggregate, GroupBy
from chroma_search.dsl.page import Limit, OrderBy, Select, SortKey
from chroma_search.dsl.rank_validation import check_rank
from chroma_search.dsl.search import SearchClauses
from chroma_search.dsl.where_document import check_where_document, check_where_document_dict, where_document_to_where
from chroma_search.dsl.where_validation import check_where, check_where_dict

__all__ = [
    "RegexCheck",
    "check_group_by",
    "check_limit",
    "check_order_by",
    "check_rank",
    "check_search",
    "check_select",
    "check_where",
    "check_where_dict",
    "check_where_document",
    "check_where_document_dict",
    "where_document_to_where",
]

_NOT_GROUPED = ("#score", "#document", "#embedding", "#metadata")
_NOT_COMPARED = ("#document", "#embedding", "#metadata")


def check_search(clauses: SearchClauses, *, strict: bool = False, regex_check: RegexCheck | None = None) -> None:
    """Refuse a search that has no meaning.

    Args:
        clauses: the search (`Search(...).clauses`).
        strict: refuse what goes beyond Chroma's Search API as well.
        regex_check: called with every pattern; raises InvalidArgumentError for one that is no pattern.

    Raises:
        WrongTypeError: a value of a wrong type.
        InvalidFilterError, InvalidRankError: with the path of the part that has no meaning.
        InvalidArgumentError: a page or a grouping that has none, a feature of ours under `strict`.
    """
    check_where(clauses.where, strict=strict, regex_check=regex_check)
    check_rank(clauses.rank, strict=strict, regex_check=regex_check)
    check_group_by(clauses.group_by)
    check_limit(clauses.limit)
    check_select(clauses.select)
    check_order_by(clauses.order_by)
    rules = Rules(strict, regex_check)
    if clauses.group_by.is_active and clauses.rank is None:
        Place("group_by").refuse_ours("grouping without a rank", rules)
    if clauses.order_by.keys:
        Place("order_by").refuse_ours("order_by", rules)


def check_group_by(group_by: Any) -> None:
    """Refuse a grouping by anything but metadata fields, or an aggregate that keeps nothing (spec 4)."""
    if isinstance(group_by, GroupBy) and not group_by.keys and group_by.aggregate is None:
        return  # most searches; the checks below would cost microseconds for nothing
    place = Place("group_by")
    if not isinstance(group_by, GroupBy):
        place.refuse_type("group_by", "a GroupBy", group_by)
    for name in group_by.names:
        check_text(name, "a group key", place)
        if name in _NOT_GROUPED:
            place.refuse(f"records are grouped by metadata fields, not by {name}")
    aggregate = group_by.aggregate
    if aggregate is None:
        return
    if not isinstance(aggregate, Aggregate) or AGGREGATES.get(aggregate.op) is not type(aggregate):
        place.refuse_type("the aggregate", "MinK or MaxK", aggregate)
    place = place.at(f".aggregate.{aggregate.op}")
    if not aggregate.names:
        place.refuse(f"{aggregate.op} keys cannot be empty")
    for name in aggregate.names:
        check_text(name, f"a key of {aggregate.op}", place)
        if name in _NOT_COMPARED:
            place.refuse(f"{aggregate.op} compares metadata fields and #score, not {name}")
    check_count(aggregate.k, f"{aggregate.op} k", place, least=1)


def check_limit(limit: Any) -> None:
    """Refuse a slice whose bounds are no ints from 0; a limit of 0 gives no rows."""
    place = Place("limit")
    if not isinstance(limit, Limit):
        place.refuse_type("limit", "a Limit", limit)
    check_count(limit.offset, "Limit offset", place, least=0)
    if limit.limit is not None:
        check_count(limit.limit, "Limit limit", place, least=0)


def check_select(select: Any) -> None:
    """Refuse column names that are no strings."""
    if isinstance(select, Select) and not select.keys:
        return
    place = Place("select")
    if not isinstance(select, Select):
        place.refuse_type("select", "a Select", select)
    for name in select.names:
        check_text(name, "a name in select", place)


def check_order_by(order_by: Any) -> None:
    """Refuse an order by whole columns: metadata fields, `#score` and `#id` have an order."""
    if isinstance(order_by, OrderBy) and not order_by.keys:
        return
    place = Place("order_by")
    if not isinstance(order_by, OrderBy):
        place.refuse_type("order_by", "an OrderBy", order_by)
    for each in order_by.keys:
        if not isinstance(each, SortKey):
            place.refuse_type("a key of order_by", "a SortKey such as K('year').desc()", each)
        check_text(each.key, "a key of order_by", place)
        if each.key in _NOT_COMPARED:
            place.refuse(f"results are ordered by metadata fields, #score and #id, not by {each.key}")
        check_flag(each.descending, "descending", place)
