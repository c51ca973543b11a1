"""Upstream's package `chromadb.api.models`, with the module `Collection`."""

from chroma_search.api.models import Collection

__all__ = ["Collection"]
