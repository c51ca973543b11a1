"""Collections that an import is still filling: the name that they have until then, and what is left after a kill.

A new collection gets its own name with the last step of its import, so whoever looks at that name finds all of it or
nothing. The temporary name follows from the source, so that a second attempt finds what a killed first one left, and
removes it. Of two imports at work under one temporary name, the later one wins; the earlier one ends with an error.

Not for: imports into collections that exist, which are visible batch by batch (`importing.py`).
"""

from __future__ import annotations

import uuid
from contextlib import suppress

from chroma_search.client.embedded import EmbeddedClient
from chroma_search.errors import ChromaSearchError, NotFoundError
from chroma_search.front.collection import Collection

TEMPORARY_NAME = "importing-"
"""What the name of an unfinished collection begins with; an id follows, so that no user has the name by chance."""

_NAMES = uuid.UUID("5f0a6f3c-2f3e-4f64-9a52-6d1c1c5b8e0d")


def temporary_name(name: str) -> str:
    """Return what a collection is called while a file is imported that will be the collection `name`."""
    return f"{TEMPORARY_NAME}{uuid.uuid5(_NAMES, name)}"


def is_unfinished(name: str) -> bool:
    """Tell whether a name is one that an import gives for the time that it takes."""
    if not name.startswith(TEMPORARY_NAME):
        return False
    try:
        uuid.UUID(name.removeprefix(TEMPORARY_NAME))
    except ValueError:
        return False
    return True


def drop_left_over(client: EmbeddedClient, name: str) -> None:
    """Remove what a killed import left under a temporary name; nothing there is fine."""
    with suppress(NotFoundError):
        client.delete_collection(name)


def discard(client: EmbeddedClient, collection: Collection) -> None:
    """Remove a collection whose import failed, but no other one that has its name by now; never raises our errors."""
    with suppress(ChromaSearchError):
        if client.get_collection(collection.name, embedding_function=None).id == collection.id:
            client.delete_collection(collection.name)
