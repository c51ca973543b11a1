"""Upstream's module `chromadb.api.shared_system_client`, where programs find `clear_system_cache`."""

from chroma_search.client.embedded import SystemClient as SharedSystemClient

__all__ = ["SharedSystemClient"]
