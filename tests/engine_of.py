"""The engine below a collection of a client in this process, for tests that look inside."""

from __future__ import annotations

from chroma_search import Collection
from chroma_search.client.engine_backend import EngineCollection
from chroma_search.engine.collection import CollectionEngine


def engine_of(collection: Collection) -> CollectionEngine:
    """Return the engine of a collection that is still there."""
    backend = collection._backend
    assert isinstance(backend, EngineCollection)
    return backend.live()
