"""What is the same for a collection with and without `await`: its identity and what it is configured to be.

Not for: anything that asks for records.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chroma_search.front.backend import CollectionFacts
from chroma_search.front.collection_calls import CollectionCalls
from chroma_search.front.embedding import DataLoader
from chroma_search.schema.configuration import load_collection_configuration_from_json

if TYPE_CHECKING:
    from chroma_search.schema import CollectionConfiguration, Schema


class CollectionHandle:
    """A handle on a collection. Two handles are equal when they are on the same collection.

    Args:
        facts: the collection.
        embedding_function: given by who opened it, or None.
        data_loader: loads URIs, or None.
    """

    def __init__(
        self, facts: CollectionFacts, embedding_function: Any | None = None, data_loader: DataLoader | None = None
    ) -> None:
        self._facts = facts
        self._calls = CollectionCalls(facts, embedding_function, data_loader)

    @property
    def id(self) -> UUID:
        """The id of the collection."""
        return self._facts.id

    @property
    def name(self) -> str:
        """The name; `modify` changes it."""
        return self._facts.name

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The metadata of the collection itself, a copy."""
        held = self._facts.metadata
        return None if held is None else deepcopy(dict(held))

    @property
    def tenant(self) -> str:
        """The tenant it belongs to."""
        return self._facts.tenant

    @property
    def database(self) -> str:
        """The database it is in."""
        return self._facts.database

    @property
    def database_name(self) -> str:
        """The database it is in."""
        return self._facts.database

    @property
    def configuration(self) -> CollectionConfiguration:
        """Index and distance, and the embedding function as an object."""
        loaded = load_collection_configuration_from_json({**self.configuration_json, "embedding_function": None})
        loaded["embedding_function"] = self._calls.embedder.configured
        return loaded

    @property
    def configuration_json(self) -> dict[str, Any]:
        """The configuration as JSON."""
        return self._facts.configuration_json()

    @property
    def schema(self) -> Schema:
        """Which index is on for which key, a copy."""
        from chroma_search.schema import Schema  # 0.1 s, with pydantic

        return Schema.deserialize_from_json(self._facts.schema_json())

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, CollectionHandle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name})"
