"""Rules about two embedding functions of one collection: the one it was made with and the one passed later.

Vectors of two functions must not meet in one index, so the name may never change; what else may change is the
function's own decision (`validate_config_update`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.errors import InvalidConfigError

# The default function stands for "none was chosen", so it never conflicts.
DEFAULT_NAME = "default"


def replace_embedding_function(
    existing: EmbeddingFunction[Any] | None, update: EmbeddingFunction[Any]
) -> EmbeddingFunction[Any]:
    """Return the function that a collection has after `modify(configuration={"embedding_function": update})`.

    A legacy function on either side keeps the existing one, with a DeprecationWarning.

    Raises:
        InvalidConfigError: the names differ.
        Exception: whatever `validate_config_update` of the new function raises.
    """
    if existing is None:
        return update
    if existing.is_legacy() or update.is_legacy():
        warnings.warn(
            "A function without name(), get_config() and build_from_config() cannot be replaced: "
            "the collection keeps the one it has",
            DeprecationWarning,
            stacklevel=2,
        )
        return existing
    if existing.name() != update.name():
        raise InvalidConfigError(
            f"Embedding function conflict: a collection of {existing.name()} vectors cannot go on with "
            f"{update.name()}; make a new collection for it",
            path="embedding_function",
        )
    update.validate_config_update(existing.get_config(), update.get_config())
    return update


def refuse_conflict_on_create(given: EmbeddingFunction[Any] | None, configured: EmbeddingFunction[Any] | None) -> None:
    """Refuse to make a collection with one function as argument and another in its configuration.

    Raises:
        InvalidConfigError: the names differ, and the argument is not the default function.
    """
    if given is None or configured is None:
        return
    given_name, configured_name = _name_of(given), _name_of(configured)
    if given_name not in (DEFAULT_NAME, configured_name):
        raise InvalidConfigError(
            f"Embedding function conflict: {given_name} as argument, {configured_name} in the configuration; pass one",
            path="embedding_function",
        )


def refuse_conflict_on_get(given: EmbeddingFunction[Any] | None, persisted: Mapping[str, Any] | None) -> None:
    """Refuse to open a collection with another function than it was made with.

    Args:
        given: the function passed now.
        persisted: the stored JSON form; the function it names need not be one that can be rebuilt here.

    Raises:
        InvalidConfigError: the names differ, and the argument is not the default function.
    """
    if given is None or persisted is None or persisted.get("name") is None:
        return
    given_name, persisted_name = _name_of(given), persisted["name"]
    if given_name not in (DEFAULT_NAME, persisted_name):
        raise InvalidConfigError(
            f"Embedding function conflict: new: {given_name} vs persisted: {persisted_name}; the stored vectors are of "
            "the latter, so open the collection without one, or embed the texts yourself and pass embeddings=",
            path="embedding_function",
        )


def _name_of(function: EmbeddingFunction[Any]) -> str:
    """Return the registered name, or the class name of a function that has none."""
    name = function.name() if hasattr(function, "name") else NotImplemented
    return name if isinstance(name, str) else type(function).__name__
