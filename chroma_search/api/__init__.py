"""Upstream's package `chromadb.api`: the types of clients, for annotations. Submodules are loaded when first used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from chroma_search.front.async_client import AsyncAdminClientFront as AsyncAdminAPI
from chroma_search.front.async_client import AsyncClientFront as AsyncClientAPI
from chroma_search.front.client import AdminClientFront as AdminAPI
from chroma_search.front.client import ClientFront as ClientAPI
from chroma_search.schema.configuration_types import CreateCollectionConfiguration, UpdateCollectionConfiguration

BaseAPI = ClientAPI

__all__ = [
    "AdminAPI",
    "AsyncAdminAPI",
    "AsyncClientAPI",
    "BaseAPI",
    "ClientAPI",
    "CreateCollectionConfiguration",
    "UpdateCollectionConfiguration",
]

_MODULES = ("client", "collection_configuration", "models", "shared_system_client", "types")


def __getattr__(name: str) -> ModuleType:
    """Return a submodule, as after `import chromadb` upstream."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
