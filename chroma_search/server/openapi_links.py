"""The links of the OpenAPI document: which part of an answer is which part of the next request's path.

They are made from the table of routes. An answer makes some parts of paths known (a new collection: its tenant, its
database, its id and its name), and a link leads to each route whose path can be filled with them and needs the nearest
of them: from a new collection to what is done with a collection, not to its whole tenant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chroma_search.server.call import Route

LINK = "#/components/links/{name}"
_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer makes known.

    Attributes:
        routes: names of the routes that give it.
        known: parts of paths by name, each with the runtime expression that finds it.
        nearest: of a target's path the last part must be one of these.
        same_body: names of the routes that can take the body of the request once more.
        never: names of routes that no link leads to, though it could.
    """

    routes: frozenset[str]
    known: Mapping[str, str]
    nearest: frozenset[str]
    same_body: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()


_OF_ANSWER = {"tenant": "$response.body#/tenant", "database": "$response.body#/database"}
_OF_PATH = {"tenant": "$request.path.tenant", "database": "$request.path.database"}

SOURCES: Mapping[str, Source] = {
    "identity": Source(
        frozenset({"identity"}),
        {"tenant": "$response.body#/tenant", "database": "$response.body#/databases/0"},
        frozenset({"tenant", "database"}),
        never=frozenset({"delete_database"}),  # of all that the caller has
    ),
    "new_tenant": Source(frozenset({"create_tenant"}), {"tenant": "$request.body#/name"}, frozenset({"tenant"})),
    "new_database": Source(
        frozenset({"create_database"}),
        {"tenant": "$request.path.tenant", "database": "$request.body#/name"},
        frozenset({"database"}),
    ),
    "collection": Source(
        frozenset(
            {"create_collection", "fork_collection", "get_collection", "get_collection_by_id", "get_collection_by_crn"}
        ),
        {
            **_OF_ANSWER,
            "collection_id": "$response.body#/id",
            "name": "$response.body#/name",
            "crn": "{$response.body#/tenant}:{$response.body#/database}:{$response.body#/name}",
        },
        frozenset({"collection_id", "name", "crn"}),
    ),
    "records": Source(
        frozenset({"add", "upsert"}),
        {**_OF_PATH, "collection_id": "$request.path.collection_id"},
        frozenset({"collection_id"}),
        # Each takes `ids`, and ignores or means the same by the rest.
        same_body=frozenset({"add", "upsert", "update", "get", "delete"}),
    ),
}


def links_of(routes: Sequence[Route], paths: Mapping[Route, str]) -> dict[str, dict[str, Any]]:
    """Return all links by name, for the components of a document.

    Args:
        routes: all routes.
        paths: under which path each stands in the document: its own, or that of a route of the same shape.
    """
    return {
        f"{source_name}.{route.name}": _link(source, route, paths[route])
        for source_name, source in SOURCES.items()
        for route in routes
        if _leads_to(source, route)
    }


def links_from(route: Route, links: Mapping[str, Any]) -> dict[str, Any]:
    """Return the links of the answer of a route, as references to those that `links_of` made."""
    found: dict[str, Any] = {}
    for source_name, source in SOURCES.items():
        if route.name in source.routes:
            names = [name for name in links if name.startswith(f"{source_name}.")]
            found.update({name.partition(".")[2]: {"$ref": LINK.format(name=name)} for name in names})
    return found


def _leads_to(source: Source, route: Route) -> bool:
    names: list[str] = _NAME.findall(route.path)
    if route.name in source.never:
        return False
    return bool(names) and names[-1] in source.nearest and set(names) <= set(source.known)


def _link(source: Source, route: Route, path: str) -> dict[str, Any]:
    own: list[str] = _NAME.findall(route.path)
    shown: list[str] = _NAME.findall(path)
    link: dict[str, Any] = {
        "operationId": route.name,
        "parameters": {name: source.known[meant] for name, meant in zip(shown, own, strict=True)},
    }
    if route.name in source.same_body:
        link["requestBody"] = "$request.body"
    return link
