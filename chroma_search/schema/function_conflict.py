"""Does the embedding function that a caller passed fit the one the collection has?

Functions are compared by name. "default" never conflicts: it is what callers pass when they pass nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chroma_search.errors import InvalidConfigError

DEFAULT_NAME = "default"


def validate_embedding_function_conflict_on_create(argument: Any | None, configured: Any | None) -> None:
    """Check `embedding_function=` against `configuration["embedding_function"]`.

    Raises:
        InvalidConfigError: both are given and their names differ.
    """
    if argument is None or configured is None or _name(argument) in (DEFAULT_NAME, _name(configured)):
        return
    raise InvalidConfigError(
        "Multiple embedding functions provided. Please provide only one. "
        f"Embedding function conflict: {_name(argument)} vs {_name(configured)}"
    )


def validate_embedding_function_conflict_on_get(argument: Any | None, persisted: Mapping[str, Any] | None) -> None:
    """Check `embedding_function=` of get_collection and get_or_create_collection against the stored JSON form.

    Raises:
        InvalidConfigError: the collection has a function of another name.
    """
    name = None if persisted is None else persisted.get("name")
    if argument is None or name is None or _name(argument) in (DEFAULT_NAME, name):
        return
    raise InvalidConfigError(
        "An embedding function already exists in the collection configuration, and a new one is provided. "
        f"Embedding function conflict: new: {_name(argument)} vs persisted: {name}. "
        "Leave out embedding_function=, or embed the documents yourself"
    )


def _name(function: Any) -> str:
    """Return the registered name of a function; of one that has none, the name of its class."""
    name = function.name() if hasattr(function, "name") else None
    return name if isinstance(name, str) else type(function).__name__
