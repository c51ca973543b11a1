"""What is imported: batches of records from a file, each record with its place in it, and how a mistake is told.

A source checks what concerns the file: that it can be read, which of its fields mean what, that ids are ids. What a
record may hold is checked by the collection, as with every write (`importing.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chroma_search.dsl.suggest import nearest
from chroma_search.errors import InvalidInputError
from chroma_search.exchange.record_stream import CollectionFacts

ROLES = ("id", "document", "embedding", "metadata", "uri")
"""What a field of a file can be; a field that is none of them is a metadata field of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceBatch:
    """Some records of a file.

    Attributes:
        places: number of the line or row of each, counted from 1.
        ids: strings.
        vectors: float32, shape (n, dim); or one list of numbers, or None, per record; or None when no record has one.
        documents, metadatas, uris: one entry per record, None where it has none.
    """

    places: Sequence[int]
    ids: list[str]
    vectors: Any
    documents: list[Any]
    metadatas: list[dict[str, Any] | None]
    uris: list[Any]


class RecordSource(Protocol):
    """A file of records.

    Attributes:
        path: the file.
        unit: `line` or `row`: what its places count.
        facts: the collection it was exported from, None for files of others.
        total: number of records, as far as it is known before reading them.
    """

    path: Path
    unit: str
    facts: CollectionFacts | None
    total: int | None

    def batches(self) -> Iterator[SourceBatch]:
        """Give the records in the order of the file.

        Raises:
            InvalidInputError: a place of the file that cannot be read.
        """
        ...


def at_place(source: RecordSource, place: int) -> str:
    """Return the words that name a place, to begin a message with."""
    return f"{source.path}, {source.unit} {place}"


def roles_of(columns: Mapping[str, str | None] | None, known: Iterable[str] | None, path: Path) -> dict[str, str]:
    """Return role -> name of the field in the file.

    Args:
        columns: what the caller says: role -> field, or None for a role that no field has.
        known: the fields of the file, None when they are not known before reading.
        path: the file, for errors.

    Raises:
        InvalidInputError: no such role, no such field, or no field for the ids.
    """
    given = dict(columns or {})
    for role, name in given.items():
        if role not in ROLES:
            raise InvalidInputError(f"columns: {role!r} is none of {', '.join(ROLES)}{_meant(role, ROLES)}")
        if known is not None and name is not None and name not in known:
            raise InvalidInputError(f"{path} has no column {name!r}{_meant(name, known)}; it has {_listed(known)}")
    roles = {role: name for role in ROLES if (name := given.get(role, role)) is not None}
    if known is None:
        return roles
    roles = {role: name for role, name in roles.items() if name in known}
    if "id" not in roles:
        raise InvalidInputError(
            f"{path} has no column of ids; it has {_listed(known)}: say which one it is with columns={{'id': ...}}"
        )
    return roles


def id_of(value: Any) -> str:
    """Return an id; an int becomes its digits.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("no id" if value is None else f"the id must be a string, got {type(value).__name__}")


def _meant(name: str, known: Iterable[str]) -> str:
    found = nearest(name, known)
    return f" (did you mean {found!r}?)" if found else ""


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "") or "no columns"
