"""Upstream's module `chromadb.api.client`: the classes behind the functions that make clients."""

from chroma_search.client.embedded import AdminClient, SystemClient
from chroma_search.client.embedded import EmbeddedClient as Client

SharedSystemClient = SystemClient

__all__ = ["AdminClient", "Client", "SharedSystemClient"]
