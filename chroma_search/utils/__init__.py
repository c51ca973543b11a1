"""Upstream's package `chromadb.utils`: embedding functions and batches, loaded when first asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["batch_utils", "embedding_functions"]  # type: ignore[reportUnsupportedDunderAll]  # modules, loaded lazily


def __getattr__(name: str) -> ModuleType:
    """Return a submodule, as after `import chromadb` upstream."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
