"""Calls about the records of a collection: write, get, query, search, explain.

Filters and searches are checked here as the engine checks them, so that a mistake has the same error everywhere; only
patterns of regular expressions are left to the server. `exact` and `vector_encoding` are fields of ours, which Chroma
passes over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chroma_search.dsl import Search, SearchClauses, Where
from chroma_search.dsl.validation import check_search, check_where
from chroma_search.front.backend import ExplainFormat
from chroma_search.front.read_level import ReadLevel
from chroma_search.http.call import Call, Request, Response, json_body, nothing
from chroma_search.http.collection_calls import collection_path
from chroma_search.http.reading import (
    read_count,
    read_deleted,
    read_get,
    read_indexing_status,
    read_query,
    read_search,
)
from chroma_search.http.record_body import WriteLimits, write_bodies
from chroma_search.http.remote_facts import RemoteFacts
from chroma_search.model.results import IndexingStatus
from chroma_search.requests import (
    ExplainMode,
    Found,
    NearestRequest,
    RunOptions,
    Selection,
    WriteBatch,
    WriteKind,
)


def count(facts: RemoteFacts, read_level: ReadLevel) -> Call[int]:
    """Ask for the number of records."""
    params = None if read_level is ReadLevel.INDEX_AND_WAL else {"read_level": ReadLevel(read_level).value}
    return Call(Request("GET", collection_path(facts, "count", params=params)), read_count)


def writes(facts: RemoteFacts, kind: WriteKind, batch: WriteBatch, limits: WriteLimits) -> Iterator[Call[None]]:
    """Yield the calls of one write, in order, as many as the limits of the server ask for."""
    path = collection_path(facts, kind)
    for body in write_bodies(batch, limits):
        yield Call(Request("POST", path, body), nothing)


def delete(facts: RemoteFacts, selection: Selection) -> Call[int]:
    """Delete records."""
    body: dict[str, Any] = {"ids": selection.ids, "where": _where(selection.where), "where_document": None}
    if selection.limit is not None:
        body["limit"] = selection.limit
    return Call(Request("POST", collection_path(facts, "delete"), json_body(body)), read_deleted)


def get(facts: RemoteFacts, selection: Selection, columns: frozenset[str]) -> Call[Found]:
    """Ask for records."""
    body = {
        "ids": selection.ids,
        "where": _where(selection.where),
        "where_document": None,
        "limit": selection.limit,
        "offset": selection.offset,
        "include": sorted(columns),
        **_encoding("embeddings" in columns),
    }
    return Call(Request("POST", collection_path(facts, "get"), json_body(body)), read_get)


def query(
    facts: RemoteFacts, request: NearestRequest, columns: frozenset[str], options: RunOptions
) -> Call[list[Found]]:
    """Ask for the nearest records."""
    body = {
        "ids": request.ids,
        "query_embeddings": request.vectors,
        "n_results": request.n_results,
        "where": _where(request.where),
        "where_document": None,
        "include": [*sorted(columns), "distances"],
        **_encoding("embeddings" in columns),
        **_ours(options),
    }
    return Call(Request("POST", collection_path(facts, "query"), json_body(body)), read_query)


def search(
    facts: RemoteFacts, searches: Sequence[SearchClauses], options: RunOptions, read_level: ReadLevel
) -> Call[list[Found]]:
    """Run searches; `Rrf` is sent as the arithmetic that it means, as Chroma's clients do."""
    for each in searches:
        check_search(each, strict=options.strict)
    body = {
        "searches": [Search.of(each).to_dict() for each in searches],
        "read_level": ReadLevel(read_level).value,
        **_encoding(any("#embedding" in each.select.names for each in searches)),
        **_ours(options),
    }
    return Call(Request("POST", collection_path(facts, "search"), json_body(body)), read_search)


def explain(
    facts: RemoteFacts, clauses: SearchClauses, options: RunOptions, mode: ExplainMode, format: ExplainFormat
) -> Call[str | dict[str, Any]]:
    """Ask how a search is run: a route of ours, `POST .../explain`."""
    check_search(clauses, strict=options.strict)
    body = {
        "search": Search.of(clauses).to_dict(expand_rrf=False),
        "mode": mode,
        "format": format,
        **_ours(options),
    }
    return Call(Request("POST", collection_path(facts, "explain"), json_body(body)), _explanation)


def indexing_status(facts: RemoteFacts) -> Call[IndexingStatus]:
    """Ask how much is indexed."""
    return Call(Request("GET", collection_path(facts, "indexing_status")), read_indexing_status)


def _where(where: Where | None) -> dict[str, Any] | None:
    """Return a filter as JSON; tests of the document stand among the others, under `#document`."""
    if where is None:
        return None
    check_where(where)
    return where.to_dict()


def _ours(options: RunOptions) -> dict[str, Any]:
    return {"exact": True} if options.exact else {}


def _encoding(has_vectors: bool) -> dict[str, Any]:
    """Ask for vectors as base64: half the bytes, a fifth of the time to read (benchmarks/wire, 2026-11-28)."""
    return {"vector_encoding": "base64"} if has_vectors else {}


def _explanation(response: Response) -> str | dict[str, Any]:
    return response.json()["explanation"]
