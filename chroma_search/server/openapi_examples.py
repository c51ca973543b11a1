"""The examples of the OpenAPI document: bodies that work one after the other on a fresh server, and where they go.

All vectors have three dimensions: records that one example adds are found by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from chroma_search.engine.database import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_search.server import bodies

PARTS: Mapping[str, str] = {
    "tenant": DEFAULT_TENANT,
    "database": DEFAULT_DATABASE,
    "name": "articles",
    "crn": f"{DEFAULT_TENANT}:{DEFAULT_DATABASE}:articles",
}
"""Parts of paths; the id of a collection is known when it was made."""
OWN_PARTS: Mapping[str, Mapping[str, str]] = {"delete_database": {"database": "library"}}
"""Other parts for some routes: whoever tries an example should not lose all that they have."""

_VECTOR = [0.1, 0.2, 0.3]
_RECORDS = {
    "ids": ["a", "b"],
    "embeddings": [_VECTOR, [0.3, 0.1, 0.0]],
    "documents": ["single sign-on", "sign-on with SAML"],
    "metadatas": [{"year": 2024, "tags": ["access"]}, {"year": 2025}],
}
_FILTER = {"year": {"$gte": 2024}}

BODIES: Mapping[type[BaseModel], Mapping[str, Any]] = {
    bodies.CreateTenant: {"tenant": {"name": "acme"}},
    bodies.UpdateTenant: {"resource": {"resource_name": "acme-resource"}},
    bodies.CreateDatabase: {"database": {"name": "library"}},
    bodies.CreateCollection: {
        "cosine": {
            "name": "articles",
            "metadata": {"owner": "docs"},
            "configuration": {"hnsw": {"space": "cosine"}},
            "get_or_create": True,
        }
    },
    bodies.UpdateCollection: {"metadata": {"new_metadata": {"owner": "search"}}},
    bodies.ForkCollection: {"fork": {"new_name": "articles-next"}},
    bodies.AddRecords: {
        "numbers": _RECORDS,
        "base64": {"ids": ["c"], "embeddings": ["AACAPwAAAEAAAEBA"], "documents": [None], "uris": ["file:///c"]},
    },
    bodies.UpdateRecords: {"one_column": {"ids": ["a"], "metadatas": [{"year": 2026, "tags": None}]}},
    bodies.DeleteRecords: {"by_ids": {"ids": ["b"]}, "by_filter": {"where": _FILTER, "limit": 1}},
    bodies.GetRecords: {
        "by_ids": {"ids": ["a"], "include": ["embeddings", "metadatas", "documents", "uris"]},
        "by_filters": {"where": _FILTER, "where_document": {"$contains": "sign"}, "limit": 5, "offset": 0},
    },
    bodies.QueryRecords: {
        "all_columns": {
            "query_embeddings": [_VECTOR],
            "n_results": 2,
            "include": ["embeddings", "metadatas", "documents", "uris", "distances"],
        },
        "filtered": {"query_embeddings": [_VECTOR, [1, 0, 0]], "n_results": 2, "where": _FILTER},
    },
    bodies.SearchRecords: {
        "nearest": {
            "searches": [
                {
                    "filter": _FILTER,
                    "rank": {"$knn": {"query": _VECTOR, "key": "#embedding", "limit": 10}},
                    "limit": {"limit": 2},
                    "select": {"keys": ["#document", "#embedding", "#metadata", "#score"]},
                }
            ]
        },
        "text": {"searches": ["WHERE year >= $since LIMIT 5 SELECT #document, year"], "params": {"since": 2024}},
    },
    bodies.ExplainSearch: {
        "plan": {"search": {"limit": {"limit": 5}}},
        "tree": {"search": "RANK bm25('sign-on') LIMIT 5", "mode": "analyze", "format": "json"},
    },
}
