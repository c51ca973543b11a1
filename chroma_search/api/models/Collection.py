# ruff: noqa: N999 - upstream's name of the module
"""Upstream's module `chromadb.api.models.Collection`, which holds the class of that name."""

from chroma_search.front.collection import Collection

__all__ = ["Collection"]
