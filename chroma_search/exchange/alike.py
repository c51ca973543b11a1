"""Make a collection like the one that a file was exported from.

Configuration, schema and metadata are those of the file, unless the caller says otherwise. The embedding function stays
the JSON form that it is in the file: it may be one that this machine cannot build, and records bring their vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chroma_search.client.embedded import EmbeddedClient
from chroma_search.exchange.record_stream import CollectionFacts
from chroma_search.front.collection import Collection
from chroma_search.schema import Schema
from chroma_search.schema.index_params import INDEX_KINDS, UPDATABLE


def create_alike(
    client: EmbeddedClient,
    name: str,
    facts: CollectionFacts | None,
    configuration: Mapping[str, Any] | None = None,
    embedding_function: Any | None = None,
) -> Collection:
    """Create a collection.

    Args:
        client: where.
        name: its name.
        facts: what it shall be like; None for a file that says nothing.
        configuration: index and distance instead of those of the facts.
        embedding_function: instead of that of the facts.

    Raises:
        InvalidInputError: a name or configuration that is not allowed. ConflictError: it exists.
    """
    given = {} if embedding_function is None else {"embedding_function": embedding_function}
    if facts is None:
        return client.create_collection(name, configuration=_untyped(configuration), **given)
    # Metadata, schema and defaults may say all: only what they leave different is said again. A configuration that was
    # said differs from one that was not, in that it also says whether there is an embedding function.
    made = _create(client, name, facts, configuration, embedding_function)
    changes = _changes(made.configuration_json, facts.configuration if configuration is None else {})
    if changes is None:
        client.delete_collection(name)
        index = {kind: params for kind, params in facts.configuration.items() if kind in INDEX_KINDS and params}
        made = _create(client, name, facts, index, embedding_function)
        changes = {}
    function = facts.configuration.get("embedding_function")
    if embedding_function is None and function != made.configuration_json["embedding_function"]:
        changes["embedding_function"] = function
    if changes:
        made.modify(configuration=_untyped(changes))
    return client.get_collection(name, **given)


def _create(
    client: EmbeddedClient,
    name: str,
    facts: CollectionFacts,
    configuration: Mapping[str, Any] | None,
    function: Any | None,
) -> Collection:
    return client.create_collection(
        name,
        schema=None if facts.schema is None else Schema.deserialize_from_json(dict(facts.schema)),
        configuration=_untyped(configuration),
        metadata=facts.metadata,
        embedding_function=function,
    )


def _changes(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `modify` has to change of the index, None where it cannot."""
    changes: dict[str, Any] = {}
    for kind in INDEX_KINDS:
        old, new = made.get(kind), wanted.get(kind)
        if new is None or old == new:
            continue
        if old is None:
            return None
        differing = {key: value for key, value in new.items() if old.get(key) != value}
        if not differing.keys() <= set(UPDATABLE[kind]):
            return None
        changes[kind] = differing
    return changes


def _untyped(configuration: Mapping[str, Any] | None) -> Any:
    """Return a configuration without its type: it came as JSON, and the client checks it."""
    return None if configuration is None else dict(configuration)
