"""From the columns of a body to what the engine takes: vectors as a matrix, metadata in our types, filters as a tree.

What JSON allows and a Python caller may not pass is settled here as upstream does: an empty metadata object is none, an
empty list no key, an int beyond 64 bits a float, an id that stands twice counts once.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chroma_search.dsl import Where
from chroma_search.dsl.node import MAX_DEPTH
from chroma_search.errors import InvalidArgumentError, InvalidFilterError, InvalidInputError, UnprocessableError
from chroma_search.front.filters import read_filter
from chroma_search.front.metadata_input import checked_metadatas
from chroma_search.front.vector_input import check_finite, vectors_of
from chroma_search.model.values import MAX_INT, MIN_INT
from chroma_search.requests import WriteBatch
from chroma_search.server.bodies import JsonObject

EVERY_RECORD, NO_RECORD = {"#id": {"$nin": [""]}}, {"#id": {"$in": [""]}}
"""What an empty `$and` and an empty `$or` mean: no id is empty."""
_IS_THERE, _IS_MISSING = {"$exists": True}, {"$exists": False}
EVERY_DOCUMENT, NO_DOCUMENT = {"$or": [_IS_THERE, _IS_MISSING]}, {"$and": [_IS_THERE, _IS_MISSING]}
"""The same for `where_document`, which knows no other key."""

Vectors = NDArray[np.float32]
Columns = Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """The columns of a write, as they came.

    Attributes:
        ids, documents, uris, metadatas: see `bodies.py`.
        embeddings: lists of numbers or base64 texts; entries may be None in an update.
    """

    ids: Sequence[str]
    embeddings: Columns
    documents: Columns
    uris: Columns
    metadatas: Columns

    @classmethod
    def of(cls, body: Any) -> RecordColumns:
        """Take them from a body."""
        return cls(body.ids, body.embeddings, body.documents, body.uris, body.metadatas)

    def rows(self, at: Sequence[int]) -> RecordColumns:
        """Return some of the rows."""

        def picked(column: Columns) -> Columns:
            return None if column is None else [column[each] for each in at]

        return RecordColumns(
            [self.ids[each] for each in at],
            picked(self.embeddings),
            picked(self.documents),
            picked(self.uris),
            picked(self.metadatas),
        )


def batches_of(given: RecordColumns, *, keeps: Literal["first", "last"], removes_keys: bool) -> list[WriteBatch]:
    """Return what is to be written: one batch, or two where only some rows of an update have a vector; none for no ids.

    Args:
        given: the columns.
        keeps: which of several rows with one id counts.
        removes_keys: whether a metadata value of null removes the key; otherwise it is refused.

    Raises:
        InvalidArgumentError: unequal lengths, an empty id, a vector or key that cannot be stored.
        UnprocessableError: a metadata value of a type that there is not.
    """
    lengths = {
        len(each) for each in (given.embeddings, given.documents, given.uris, given.metadatas) if each is not None
    }
    if not lengths <= {len(given.ids)}:
        raise InvalidArgumentError("Inconsistent number of IDs, embeddings, documents, URIs and metadatas")
    if "" in given.ids:
        raise InvalidArgumentError("Empty ID, ID must have at least one character")
    if len(set(given.ids)) < len(given.ids):
        given = given.rows(_distinct(given.ids, keeps))
    if not given.ids:
        return []
    with_vector = [at for at, each in enumerate(given.embeddings or ()) if each is not None]
    if given.embeddings is None or len(with_vector) == len(given.ids):
        return [_batch(given, removes_keys=removes_keys)]
    without = sorted(set(range(len(given.ids))) - set(with_vector))
    rest = given.rows(without)
    bare = RecordColumns(rest.ids, None, rest.documents, rest.uris, rest.metadatas)
    parts = [bare] if not with_vector else [given.rows(with_vector), bare]
    return [_batch(part, removes_keys=removes_keys) for part in parts]


def matrix_of(embeddings: Sequence[Any]) -> Vectors:
    """Return vectors as a matrix, float32, shape (n, dim), n >= 1.

    Args:
        embeddings: lists of numbers, or base64 of little-endian float32.

    Raises:
        InvalidArgumentError: base64 that is none, an empty vector, unequal dimensions, a number float32 cannot hold.
    """
    if isinstance(embeddings[0], str):
        matrix = _of_base64(embeddings)
        check_finite(matrix)
        return matrix
    try:
        return vectors_of(embeddings, is_finite=True)
    except InvalidInputError as error:
        raise InvalidArgumentError(str(error)) from error


def filter_of(where: dict[str, Any] | None, where_document: dict[str, Any] | None) -> Where | None:
    """Return both filters as one condition; of one that is empty inside see `without_empty`.

    Raises:
        InvalidInputError: one that has no meaning.
    """
    for name, given in (("where", where), ("where document", where_document)):
        if given is not None and len(given) != 1:
            raise InvalidFilterError(f"Invalid {name} clause: it must hold exactly one key, got {len(given)}")
    return read_filter(
        without_empty(where, EVERY_RECORD, NO_RECORD), without_empty(where_document, EVERY_DOCUMENT, NO_DOCUMENT)
    )


def without_empty(form: Any, every: JsonObject, none: JsonObject, depth: int = 0) -> Any:
    """Return the JSON of a filter with each empty `$and` and `$or`, which our language refuses, spelled out.

    Args:
        form: what was sent; it may be of any shape, and what is wrong in it stays wrong.
        every, none: what matches every record, and none.
        depth: levels above; below what is refused anyhow nothing is done.
    """
    if not isinstance(form, dict) or depth > MAX_DEPTH:
        return form
    filled = dict(form)
    for op, parts in form.items():
        if op in ("$and", "$or") and isinstance(parts, list):
            if not parts and len(form) == 1:
                return every if op == "$and" else none
            filled[op] = [without_empty(part, every, none, depth + 1) for part in parts]
        elif op == "$not":
            filled[op] = without_empty(parts, every, none, depth + 1)
    return filled


def _batch(given: RecordColumns, *, removes_keys: bool) -> WriteBatch:
    return WriteBatch(
        ids=given.ids,
        vectors=None if given.embeddings is None else matrix_of(given.embeddings),
        documents=given.documents,
        metadatas=None if given.metadatas is None else _metadatas(given.metadatas, removes_keys=removes_keys),
        uris=given.uris,
    )


def _distinct(ids: Sequence[str], keeps: Literal["first", "last"]) -> list[int]:
    """Return one row per id, in the order in which the ids appear first."""
    rows: dict[str, int] = {}
    for at, each in enumerate(ids):
        if keeps == "last" or each not in rows:
            rows[each] = at
    return list(rows.values())


def _of_base64(texts: Sequence[str]) -> Vectors:
    try:
        parts = [base64.b64decode(each, validate=True) for each in texts]
    except (binascii.Error, ValueError):
        raise InvalidArgumentError("Invalid base64 in embeddings") from None
    sizes = set(map(len, parts))
    if any(size % 4 or not size for size in sizes):
        raise InvalidArgumentError("Expected base64 embeddings of a whole number of float32, at least one")
    if len(sizes) > 1:
        first = len(parts[0])
        at = next(at for at, part in enumerate(parts) if len(part) != first)
        raise InvalidArgumentError(
            f"Inconsistent dimensions in provided embeddings: {first // 4} at position 0, {len(parts[at]) // 4} at "
            f"position {at}"
        )
    held = np.frombuffer(b"".join(parts), "<f4").reshape(len(parts), -1)
    return held.astype(np.float32, copy=False)


def _metadatas(given: Iterable[dict[str, Any] | None], *, removes_keys: bool) -> list[dict[str, Any] | None]:
    kept = [_kept(each, at, removes_keys=removes_keys) for at, each in enumerate(given)]
    try:
        return checked_metadatas(kept, keep_none=True)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"Validation error: metadatas: {error}") from error
    except InvalidInputError as error:
        raise UnprocessableError(
            f"Failed to deserialize the JSON body into the target type: metadatas: {error}"
        ) from error


def _kept(metadata: dict[str, Any] | None, at: int, *, removes_keys: bool) -> dict[str, Any] | None:
    if not metadata:
        return None
    kept: dict[str, Any] = {}
    for key, value in metadata.items():
        if value is None and not removes_keys:
            raise UnprocessableError(
                f"Failed to deserialize the JSON body into the target type: metadatas[{at}]: null is no value of a key"
            )
        if value == [] and isinstance(value, list):
            continue
        kept[key] = float(value) if type(value) is int and not MIN_INT <= value <= MAX_INT else value
    return kept or None
