"""Routes of the Search API: what upstream's own single-node server refuses.

The JSON of a search is that of `Search.to_dict()`; ours: it may also be a text of the query language. Text queries of
`Knn` are embedded by clients, never here.
"""

from __future__ import annotations

from typing import Any, cast

from chroma_search.dsl import Knn, Search, SearchClauses
from chroma_search.dsl.node import MAX_DEPTH
from chroma_search.errors import InvalidArgumentError, InvalidRankError
from chroma_search.model.cancellation import checkpoint
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY
from chroma_search.planner.logical import walk
from chroma_search.requests import Found, RunOptions
from chroma_search.server import answers, bodies
from chroma_search.server.access.roles import Role
from chroma_search.server.call import Call, Route
from chroma_search.server.record_bodies import EVERY_RECORD, NO_RECORD, without_empty
from chroma_search.server.routes.records import BASE
from chroma_search.server.search_cost import check_cost

CLAUSES = ("filter", "rank", "group_by", "order_by", "limit", "select")

JSON_LEVELS = 3 * MAX_DEPTH
"""Deepest nesting of JSON that a rank needs: an operator, its arguments and their list for each of its own levels."""


def search(call: Call) -> Any:
    """Run searches against one state of the collection."""
    body: bodies.SearchRecords = call.body
    engine = call.collection()
    if len(body.searches) > call.settings.max_searches:
        raise InvalidArgumentError(
            f"one request may hold {call.settings.max_searches} searches, got {len(body.searches)}"
        )
    clauses = [_clauses(each, body.params) for each in body.searches]
    for each in clauses:
        check_cost(each, call.settings)
    found = engine.search(clauses, call.run_options(exact=body.exact, strict=body.strict))
    call.notes["n_results"] = sum(len(each.ids) for each in found)
    return search_answer(clauses, found, body.vector_encoding)


def explain(call: Call) -> Any:
    """Return how a search is run, and why so (ours)."""
    body: bodies.ExplainSearch = call.body
    engine = call.collection()
    clauses = _clauses(body.search, body.params)
    check_cost(clauses, call.settings)
    explanation = engine.explain(clauses, RunOptions(exact=body.exact, strict=body.strict), body.mode)
    return {"explanation": explanation.to_dict() if body.format == "json" else str(explanation)}


def search_answer(clauses: list[SearchClauses], found: list[Found], encoding: bodies.VectorEncoding) -> dict[str, Any]:
    """Return what searches found, column by column."""
    return {
        "ids": [each.ids for each in found],
        "documents": [each.documents for each in found],
        "embeddings": [answers.encoded_vectors(each.embeddings, encoding) for each in found],
        "metadatas": [each.metadatas for each in found],
        "scores": [each.scores for each in found],
        "select": [sorted(each.select.echo()) for each in clauses],
    }


def _clauses(given: dict[str, Any] | str, params: dict[str, Any] | None) -> SearchClauses:
    checkpoint()  # a hundred wide searches take a while to read
    if isinstance(given, str):
        found = Search.from_text(given, params).clauses
    else:
        form = {name: given[name] for name in CLAUSES if given.get(name) is not None}
        if "filter" in form:
            form["filter"] = without_empty(form["filter"], EVERY_RECORD, NO_RECORD)
        found = Search.from_dict({**form, "rank": _tagged(form.get("rank"))}).clauses
    for node in () if found.rank is None else walk(found.rank):
        if isinstance(node, Knn) and isinstance(node.query, str):
            raise InvalidRankError(
                "a text query is embedded by the client, with the collection's embedding function; "
                "the server takes vectors: pass a list of numbers or a sparse vector",
                path="rank.$knn.query",
            )
    return found


def _tagged(rank: Any, depth: int = 0) -> Any:
    """Return the JSON of a rank in which each sparse query says that it is one; on the wire it need not.

    What is nested deeper than any rank may be stays as it is: it is refused when it is read.
    """
    if depth > JSON_LEVELS:
        return rank
    if isinstance(rank, list):
        return [_tagged(each, depth + 1) for each in cast("list[Any]", rank)]
    if not isinstance(rank, dict):
        return rank
    form = {name: _tagged(each, depth + 1) for name, each in cast("dict[str, Any]", rank).items()}
    query = form.get("query")
    if isinstance(query, dict) and "indices" in query:
        form["query"] = {TYPE_KEY: SPARSE_VECTOR_TYPE_VALUE, **cast("dict[str, Any]", query)}
    return form


SEARCH_ROUTES = (
    Route(
        "POST",
        BASE + "/search",
        search,
        Role.READER,
        "Run searches",
        body=bodies.SearchRecords,
        answer=answers.SearchAnswer,
    ),
    Route(
        "POST",
        BASE + "/explain",
        explain,
        Role.READER,
        "How a search is run (ours)",
        body=bodies.ExplainSearch,
        answer=answers.ExplainAnswer,
    ),
)
