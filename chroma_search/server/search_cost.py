"""What a search asks for, counted before it runs: a bound that no data can exceed.

One unit is one candidate that a leaf may keep, or one record that is ranked or returned. Depth and width of the tree
are bounded by the language itself (`dsl/node.py`); time is bounded by the deadline of the call.
"""

from __future__ import annotations

from collections.abc import Callable

from chroma_search.dsl import SearchClauses
from chroma_search.errors import InvalidArgumentError
from chroma_search.planner.logical import walk
from chroma_search.server.settings import ServerSettings


def check_cost(clauses: SearchClauses, settings: ServerSettings) -> None:
    """Refuse a search that asks for too much.

    Raises:
        InvalidArgumentError: more candidates and records than `max_search_cost`, or more records than `max_results`.
    """
    page = clauses.limit
    wanted = page.limit
    most = settings.max_results
    if most is not None and (wanted is None or wanted > most):
        got = "no limit" if wanted is None else str(wanted)
        raise InvalidArgumentError(f"a search returns at most {most} records on this server: set its limit, got {got}")
    cost = search_cost(clauses)
    if cost > settings.max_search_cost:
        raise InvalidArgumentError(
            f"the search asks for {cost:,} candidates and records, this server takes {settings.max_search_cost:,}: "
            "lower the limits of its ranks, or its page"
        )


def check_query_cost(n_queries: int, n_results: int, n_records: Callable[[], int], settings: ServerSettings) -> None:
    """Refuse a query for the nearest records of many vectors that asks for too much.

    Raises:
        InvalidArgumentError: more records, over all vectors, than `max_search_cost`.
    """
    if n_queries * n_results <= settings.max_search_cost:
        return
    cost = n_queries * min(n_results, max(1, n_records()))  # which `n_results` may exceed
    if cost > settings.max_search_cost:
        raise InvalidArgumentError(
            f"the query asks for {cost:,} records, this server takes {settings.max_search_cost:,}: "
            "send fewer vectors at once, or lower n_results"
        )


def search_cost(clauses: SearchClauses) -> int:
    """Return how many candidates and records a search asks for; a page without a limit counts as its offset."""
    leaves = 0 if clauses.rank is None else sum(getattr(node, "limit", 0) for node in walk(clauses.rank))
    return leaves + clauses.limit.offset + (clauses.limit.limit or 0)
