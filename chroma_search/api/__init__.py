"""Upstream's package `chromadb.api`: the types of clients, for annotations."""

from chroma_search.client.embedded import AdminClient as AdminAPI
from chroma_search.client.embedded import EmbeddedClient as ClientAPI
from chroma_search.schema.configuration_types import CreateCollectionConfiguration, UpdateCollectionConfiguration

BaseAPI = ClientAPI

__all__ = ["AdminAPI", "BaseAPI", "ClientAPI", "CreateCollectionConfiguration", "UpdateCollectionConfiguration"]
