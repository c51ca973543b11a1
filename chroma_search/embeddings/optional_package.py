"""Loads a package that only an extra of ours installs, at the moment it is needed, or says how to install it."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from chroma_search.errors import UnsupportedError


def load_optional(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import `module`.

    Args:
        module: import name.
        extra: our extra that installs it, as in `pip install chroma-search[extra]`.
        feature: what needs it, for the message.

    Raises:
        UnsupportedError: the package is missing, or fails to import.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        command = f"pip install {_distribution()}[{extra}]"
        raise UnsupportedError(
            f"{feature} needs the package {module}, which cannot be imported ({error}): {command}",
            feature=feature,
            why=f"{module} cannot be imported",
            instead=command,
        ) from error


def _distribution() -> str:
    """Return which of our two distributions is installed: the other one must not come beside it."""
    try:
        version("chroma-search-client")
    except PackageNotFoundError:
        return "chroma-search"
    return "chroma-search-client"
