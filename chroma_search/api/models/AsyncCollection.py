# ruff: noqa: N999 - upstream's name of the module
"""Upstream's module `chromadb.api.models.AsyncCollection`, which holds the class of that name."""

from chroma_search.front.async_collection import AsyncCollection

__all__ = ["AsyncCollection"]
