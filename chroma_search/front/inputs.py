"""What callers pass to `add`, `update`, `upsert`, `get`, `query` and `delete`, checked and brought into one form.

All that can be known without looking at stored data is checked here, before anything is written (spec 10): types,
lengths, duplicates, numbers, Unicode. What needs the collection (dimension, schema) is checked by the engine; filters
by `filters.py`. A single value may stand for a list of one wherever Chroma allows it. Rules and messages follow
upstream, with the name of the call at the end (" in add."); where we are stricter, the value could not be stored.

Invariant: what leaves this file belongs to the engine; changes to the caller's lists, dicts or arrays show nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeGuard, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import (
    ChromaSearchError,
    DuplicateIDError,
    InvalidArgumentError,
    InvalidInputError,
    WrongTypeError,
)
from chroma_search.front.mending import is_several, to_list, to_value
from chroma_search.front.metadata_input import checked_metadatas
from chroma_search.front.vector_input import Vectors, vectors_of
from chroma_search.record import record

INCLUDES = ("documents", "embeddings", "metadatas", "distances", "uris", "data")
MAX_SHOWN_DUPLICATES = 10

Image = NDArray[Any]


@record()
class Records:
    """Rows of one write, not yet embedded.

    Attributes:
        ids: unique, non-empty.
        vectors: float32, shape (n, dim), finite, or None when they are to be computed.
        documents, metadatas, uris, images: one entry per id, or None for all.
    """

    ids: list[str]
    vectors: Vectors | None
    documents: list[str | None] | None
    metadatas: list[dict[str, Any] | None] | None
    uris: list[str | None] | None
    images: list[Image] | None

    def embeddable(self, fields: Collection[str]) -> tuple[str, list[Any]]:
        """Return name and values of the one field, out of `fields`, that vectors are to be computed from.

        Raises:
            InvalidInputError: none of them or several are given.
        """
        given = [(name, values) for name in fields if (values := getattr(self, name)) is not None]
        if len(given) != 1:
            raise InvalidInputError(f"Exactly one of {', '.join(fields)} must be provided, or embeddings")
        return given[0]


class named_call:  # noqa: N801 - a context manager; a generator would take a microsecond more, in every call
    """Puts " in <name>." after the message of each of our errors raised inside, as upstream does."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, ChromaSearchError):
            # The same error object: its class and its typed attributes must reach the caller.
            error.args = (f"{error} in {self._name}.", *error.args[1:])


def read_records(
    ids: Any,
    embeddings: Any = None,
    metadatas: Any = None,
    documents: Any = None,
    images: Any = None,
    uris: Any = None,
    *,
    keep_none: bool,
) -> Records:
    """Check the columns of a write.

    Args:
        ids, embeddings, metadatas, documents, images, uris: as the caller passed them: a value, a list, or None.
        keep_none: keep metadata values of None (they delete the key); False drops them.

    Raises:
        InvalidInputError: wrong lengths, a value that cannot be stored. Always a ValueError.
        WrongTypeError: a metadata key that is no string.
        DuplicateIDError: an id stands twice.
    """
    columns: dict[str, Any] = {
        "ids": _as_list(ids, "ids"),
        "metadatas": _as_list(metadatas, "metadatas"),
        "embeddings": None if embeddings is None else vectors_of(embeddings, is_finite=True),
        "documents": _as_list(documents, "documents"),
        "images": _as_list(images, "images"),
        "uris": _as_list(uris, "uris"),
    }
    _check_lengths(columns)
    vectors: Vectors | None = columns["embeddings"]
    texts = _checked_texts(columns["documents"], "document", nullable=vectors is not None)
    pictures = _checked_images(columns["images"])
    links = _checked_texts(columns["uris"], "URI", nullable=True)
    names = checked_ids(columns["ids"])
    given: list[Any] | None = columns["metadatas"]
    records = None if given is None else checked_metadatas(given, keep_none=keep_none)
    return Records(names, vectors, texts, records, links, pictures)


def read_query(
    query_embeddings: Any = None, query_texts: Any = None, query_images: Any = None, query_uris: Any = None
) -> tuple[Vectors | None, str, list[Any]]:
    """Check the queries of `query`: return vectors, or the name of what is to be embedded and its values.

    Embeddings win over texts given beside them, as upstream. NaN and infinities are let through: every distance to such
    a vector is NaN or infinite.

    Raises:
        InvalidInputError: nothing or several things given, wrong types, unequal lengths or dimensions.
    """
    if query_embeddings is not None and query_texts is None and query_images is None and query_uris is None:
        return vectors_of(query_embeddings, is_finite=False), "", []  # the commonest call
    columns: dict[str, Any] = {
        "embeddings": None if query_embeddings is None else vectors_of(query_embeddings, is_finite=False),
        "documents": _as_list(query_texts, "documents"),
        "images": _as_list(query_images, "images"),
        "uris": _as_list(query_uris, "uris"),
    }
    _check_lengths(columns)
    vectors: Vectors | None = columns["embeddings"]
    texts = _checked_texts(columns["documents"], "document", nullable=vectors is not None)
    pictures = _checked_images(columns["images"])
    links = _checked_texts(columns["uris"], "URI", nullable=vectors is not None)
    if vectors is not None:
        return vectors, "", []
    name, values = Records([], None, texts, None, links, pictures).embeddable(("documents", "images", "uris"))
    return None, name, values


def checked_ids(ids: Any) -> list[str]:
    """Return the ids of a write, get or delete.

    Raises:
        InvalidInputError: no list, empty, an id that is no string or holds a lone surrogate.
        InvalidArgumentError: an id `""`.
        DuplicateIDError: an id stands twice.
    """
    if not isinstance(ids, list):
        raise InvalidInputError(f"Expected IDs to be a list, got {type(ids).__name__} as IDs")
    given = cast("list[Any]", ids)
    if not given:
        raise InvalidInputError(f"Expected IDs to be a non-empty list, got {len(given)} IDs")
    checked = _checked_strings(given, "ID", nullable=False)
    unique = set(checked)
    if len(unique) != len(checked):
        raise _duplicates(checked)
    if "" in unique:
        raise InvalidArgumentError("Expected ID to have at least one character, got ''")
    return cast("list[str]", checked)


def optional_ids(ids: Any) -> list[str] | None:
    """Return the ids that restrict a get or delete, or None."""
    return None if ids is None else checked_ids(_as_list(ids, "ids"))


def query_ids(ids: Any) -> list[str] | None:
    """Return the ids that restrict a query: unlike those of `get`, they may be empty, repeated or unknown."""
    if ids is None:
        return None
    return cast("list[str]", _checked_strings(cast("list[Any]", _as_list(ids, "ids")), "ID", nullable=False))


def checked_include(include: Any, *, refused: Sequence[str] = ()) -> list[str]:
    """Return the columns to include, a new list.

    Raises:
        InvalidInputError: no list, an unknown column, or one of `refused`.
    """
    if not isinstance(include, list):
        raise InvalidInputError(f"Expected include to be a list, got {type(include).__name__}")
    names = cast("list[Any]", include)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInputError(f"Expected include item to be a str, got {type(name).__name__}")
        if name not in INCLUDES:
            raise InvalidInputError(f"Expected include item to be one of {', '.join(INCLUDES)}, got {name[:80]}")
        if name in refused:
            raise InvalidInputError(f"Include item cannot be one of {', '.join(refused)}, got {name}")
    return list(names)


def checked_n_results(n_results: Any) -> int:
    """Return the number of results wanted.

    Raises:
        InvalidInputError: no int.
        WrongTypeError: below 1 (a TypeError, as upstream).
    """
    if not isinstance(n_results, int):
        raise InvalidInputError(
            f"Expected requested number of results to be a int, got {type(n_results).__name__}{to_value(n_results)}"
        )
    if n_results <= 0:
        raise WrongTypeError(f"Number of requested results {n_results}, cannot be negative, or zero.")
    return int(n_results)


def checked_page(limit: Any, offset: Any) -> tuple[int | None, int]:
    """Return limit and offset of a get; no offset is 0.

    Raises:
        WrongTypeError: no int.
        InvalidArgumentError: negative.
    """
    for name, value in (("limit", limit), ("offset", offset)):
        if value is None:
            continue
        if not isinstance(value, (int, np.integer)):
            raise WrongTypeError(f"Expected {name} to be a non-negative integer or None, got {type(value).__name__}")
        if value < 0:
            raise InvalidArgumentError(f"Expected {name} to be a non-negative integer or None, got {value}")
    return (None if limit is None else int(limit)), int(offset or 0)


def checked_delete_limit(limit: Any, *, has_filter: bool) -> int | None:
    """Return the limit of a delete.

    Raises:
        WrongTypeError: no int, or a bool.
        InvalidInputError: negative, or given without a filter.
    """
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise WrongTypeError(f"limit must be a non-negative integer, got {type(limit).__name__}")
    if limit < 0:
        raise InvalidInputError(f"limit must be a non-negative integer, got {limit}")
    if not has_filter:
        raise InvalidInputError("limit can only be specified when a where or where_document clause is provided")
    return limit


def _as_list(value: Any, name: str) -> list[Any] | None:
    """Return a list as it is, and any other single value but None as a list of one.

    Raises:
        InvalidInputError: several values that are no list, such as a tuple; an array is a single image.
    """
    if value is None or isinstance(value, list):
        return cast("list[Any] | None", value)
    if is_several(value) and name != "images":
        raise InvalidInputError(f"Expected {name} to be a list, got {type(value).__name__}{to_list(value)}")
    return [value]


def _check_lengths(columns: dict[str, Any]) -> None:
    lengths = {name: len(values) for name, values in columns.items() if values is not None}
    if not lengths:
        raise InvalidInputError(f"At least one of {', '.join(columns)} must be provided")
    empty = [name for name, length in lengths.items() if not length]
    if empty:
        raise InvalidInputError(f"Non-empty lists are required for {empty}")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise InvalidInputError(f"Unequal lengths for fields: {shown}")


def _checked_texts(values: Any, what: str, *, nullable: bool) -> list[str | None] | None:
    return None if values is None else _checked_strings(values, what, nullable=nullable)


def _checked_strings(values: list[Any], what: str, *, nullable: bool) -> list[str | None]:
    """Return a new list of strings that UTF-8 can hold (and None, if allowed)."""
    kinds = set(map(type, values))
    if not kinds <= {str, type(None)} or (type(None) in kinds and not nullable):
        for at, value in enumerate(values):
            if not isinstance(value, str) and not (nullable and value is None):
                raise InvalidInputError(
                    f"Expected {what} to be a str, got {_shown(value)} at position {at}"
                    + (" (None needs explicit embeddings)" if value is None and what == "document" else "")
                    + (": convert it with str()" if isinstance(value, (int, UUID)) and what == "ID" else "")
                )
        values = [None if value is None else str.__str__(value) for value in values]  # subclasses, such as np.str_
    if type(None) in kinds or not all(map(str.isascii, values)):  # most texts of most batches need no second look
        for at, value in enumerate(values):
            if value is not None and not value.isascii():
                check_unicode(value, f"{what} at position {at}")
    return list(values)


def check_unicode(text: str, what: str) -> None:
    """Refuse a text with a lone surrogate: no file and no wire can hold it.

    Raises:
        InvalidInputError: it has one.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"Expected {what} to be valid Unicode, got a lone surrogate (U+{ord(text[error.start]):04X}) at character "
            f"{error.start}: decode the text with errors='replace'"
        ) from error


def _checked_images(values: list[Any] | None) -> list[Image] | None:
    if values is None:
        return None
    for at, value in enumerate(values):
        if not _is_image(value):
            raise InvalidInputError(
                f"Expected image to be a numpy array of at least two dimensions, got {type(value).__name__} at "
                f"position {at}"
            )
    return list(values)


def _is_image(value: object) -> TypeGuard[Image]:
    return isinstance(value, np.ndarray) and value.ndim >= 2


def _duplicates(ids: Sequence[str | None]) -> DuplicateIDError:
    seen: set[str | None] = set()
    repeated: dict[str | None, None] = {}
    for each in ids:
        if each in seen:
            repeated[each] = None
        seen.add(each)
    shown = tuple(str(each)[:80] for each in list(repeated)[:MAX_SHOWN_DUPLICATES])
    if len(repeated) <= MAX_SHOWN_DUPLICATES:
        text = f"duplicates of: {', '.join(shown)}"
    else:
        text = f"{len(repeated)} duplicated IDs: {', '.join(shown)}, ..."
    return DuplicateIDError(f"Expected IDs to be unique, found {text}", ids=shown)


def _shown(value: object) -> str:
    """Return a value in a few characters: short scalars as they are, anything else by its type."""
    if value is None or isinstance(value, (bool, float)):
        return str(value)
    if isinstance(value, int) and abs(value) < 10**18:
        return str(value)
    return type(value).__name__
