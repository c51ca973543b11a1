"""Calls about collections as such: create, find, list, change, delete, fork."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroma_search.front.backend import Place
from chroma_search.front.new_collection import NewCollection
from chroma_search.http.call import Call, Request, Response, json_body, nothing, path_of
from chroma_search.http.reading import read_count
from chroma_search.http.remote_facts import RemoteFacts
from chroma_search.requests import Modification
from chroma_search.schema.reconcile import resolve_configuration

CollectionForm = Mapping[str, Any]
"""The collection object of the API."""


def create_collection(new: NewCollection, place: Place, *, get_or_create: bool) -> Call[CollectionForm]:
    """Create a collection.

    The configuration is left out where metadata and schema say the same: Chroma refuses it beside a schema.
    """
    said = resolve_configuration(None, new.metadata, new.form)
    body = {
        "name": new.name,
        "metadata": new.metadata,
        "configuration": None if new.config == said else new.config.to_json(),
        "schema": new.form,
        "get_or_create": get_or_create,
    }
    return Call(Request("POST", _path(place, "collections"), json_body(body)), _form)


def get_collection(name: str, place: Place) -> Call[CollectionForm]:
    """Ask for a collection by name."""
    return Call(Request("GET", _path(place, "collections", name)), _form)


def get_collection_by_id(id: UUID, place: Place) -> Call[CollectionForm]:
    """Ask for a collection by id."""
    return Call(Request("GET", _path(place, "collections", "by-id", id)), _form)


def list_collections(place: Place, limit: int | None, offset: int) -> Call[list[CollectionForm]]:
    """Ask for the collections of a database."""
    path = _path(place, "collections", params={"limit": limit, "offset": offset or None})
    return Call(Request("GET", path), lambda response: [_checked(each) for each in response.json()])


def count_collections(place: Place) -> Call[int]:
    """Ask how many collections a database has."""
    return Call(Request("GET", _path(place, "collections_count")), read_count)


def delete_collection(name: str, place: Place) -> Call[None]:
    """Delete a collection."""
    return Call(Request("DELETE", _path(place, "collections", name)), nothing)


def modify(facts: RemoteFacts, changes: Modification) -> Call[None]:
    """Change a collection."""
    body = {
        "new_name": changes.name,
        "new_metadata": changes.metadata,
        "new_configuration": changes.changes or None,
    }
    return Call(Request("PUT", collection_path(facts), json_body(body)), nothing)


def fork(facts: RemoteFacts, new_name: str) -> Call[CollectionForm]:
    """Copy a collection."""
    return Call(Request("POST", collection_path(facts, "fork"), json_body({"new_name": new_name})), _form)


def fork_count(facts: RemoteFacts) -> Call[int]:
    """Ask how many forks there are."""
    return Call(Request("GET", collection_path(facts, "fork_count")), lambda response: int(response.json()["count"]))


def collection_path(facts: RemoteFacts, *segments: object, params: Mapping[str, Any] | None = None) -> str:
    """Return a path below that of a collection."""
    return _path(facts.place, "collections", facts.id, *segments, params=params)


def _path(place: Place, *segments: object, params: Mapping[str, Any] | None = None) -> str:
    tenant, database = place
    return path_of("tenants", tenant, "databases", database, *segments, params=params)


def _form(response: Response) -> CollectionForm:
    return _checked(response.json())


def _checked(form: CollectionForm) -> CollectionForm:
    RemoteFacts(form, {})  # so that an answer of another kind is found here, where the request is known
    return form
