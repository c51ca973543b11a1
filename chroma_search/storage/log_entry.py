"""LogEntry: one write of a collection, and the bytes it is stored as.

An entry says what the caller asked, not what came of it: replaying the entries of a log in order on the state before
the first gives the same records, the same offset ids and the same order in every process.

Form: 4 bytes length of the header; the header as JSON: operation, number of ids, dimension, and the bytes of each part
behind it, null for one that is not there. The parts: vectors as float32; ids, documents and uris each as int32 lengths
in characters (-1 for None) and one UTF-8 text; metadatas as a JSON array. Numbers keep their type in JSON (1, 1.0 and
true differ; NaN and Infinity are written as Python writes them), a sparse vector is its own JSON form.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError, InvalidArgumentError
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, SparseVector
from chroma_search.record import record

Operation = Literal["add", "update", "upsert", "delete"]

_HEADER = '{{"op": "{}", "n": {}, "dim": {}, "vectors": {}, "ids": {}, "documents": {}, "uris": {}, "metadatas": {}}}'
_LENGTH = struct.Struct("<I")

PART_BYTES = 32_000_000
"""About how many bytes an entry has at most: a longer write is several entries of one transaction. SQLite holds no
value of more than a gigabyte, and a reader needs three times the memory of the longest entry."""
_UTF8, _SURROGATES = "utf-8", "surrogatepass"
LARGEST_BYTES = 1_000_000_000
"""The longest entry that SQLite holds: of one record, that is."""


@record(eq=False)
class LogEntry:
    """One write.

    Attributes:
        op: what was asked; of a delete only `ids` are set, the records that it deleted.
        ids: unique ids.
        vectors: float32, shape (n, dim), or None.
        documents, metadatas, uris: one entry per id, or None for all.
    """

    op: Operation
    ids: Sequence[str]
    vectors: NDArray[np.float32] | None = None
    documents: Sequence[str | None] | None = None
    metadatas: Sequence[dict[str, Any] | None] | None = None
    uris: Sequence[str | None] | None = None

    def parts(self) -> Sequence[LogEntry]:
        """Return entries of a bounded length that do the same one after the other."""
        n = len(self.ids)
        sizes = np.fromiter(map(len, self.ids), np.int64, n)
        for column in (self.documents, self.uris):
            if column is not None:
                sizes += np.fromiter((0 if each is None else len(each) for each in column), np.int64, n)
        if self.metadatas is not None:
            sizes += np.fromiter((_size_of(each) for each in self.metadatas), np.int64, n)
        if self.vectors is not None:
            sizes += self.vectors.shape[1] * 4
        if sizes.sum() <= PART_BYTES:
            return (self,)
        number = (np.cumsum(sizes) - 1) // PART_BYTES
        bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), n]
        return [self._between(first, end) for first, end in pairwise(bounds)]

    def _between(self, first: int, end: int) -> LogEntry:
        columns = (self.ids, self.vectors, self.documents, self.metadatas, self.uris)
        ids, vectors, documents, metadatas, uris = (None if each is None else each[first:end] for each in columns)
        assert ids is not None
        return LogEntry(self.op, ids, vectors, documents, metadatas, uris)  # type: ignore[arg-type]  # kinds are kept

    def to_bytes(self) -> bytes:
        """Return the stored form; errors as `to_pieces`."""
        return b"".join(self.to_pieces())

    def to_pieces(self) -> list[bytes | memoryview]:
        """Return the stored form in pieces, which follow each other; vectors are not copied.

        Raises:
            InvalidArgumentError: it is longer than a log can hold.
        """
        vectors = None if self.vectors is None else _bytes_of(self.vectors)
        ids = _texts_to_bytes(self.ids)
        documents = None if self.documents is None else _texts_to_bytes(self.documents)
        uris = None if self.uris is None else _texts_to_bytes(self.uris)
        metadatas = None if self.metadatas is None else _ENCODER.encode(self.metadatas).encode(_UTF8, _SURROGATES)
        parts = vectors, ids, documents, uris, metadatas
        dim = "null" if self.vectors is None else self.vectors.shape[1]
        sizes = ["null" if each is None else len(each) for each in parts]
        header = _HEADER.format(self.op, len(self.ids), dim, *sizes).encode()  # JSON, in a fifth of the time
        pieces = [_LENGTH.pack(len(header)), header, *(each for each in parts if each is not None)]
        n_bytes = sum(map(len, pieces))
        if n_bytes > LARGEST_BYTES and len(self.ids) == 1:
            raise InvalidArgumentError(
                f"a record of {n_bytes:,} bytes is longer than the {LARGEST_BYTES:,} that one may have: split it"
            )
        return pieces

    @staticmethod
    def from_bytes(body: bytes) -> LogEntry:
        """Read the stored form; its checksum was verified.

        Raises:
            CorruptionError: it is of no known form.
        """
        try:
            (length,) = _LENGTH.unpack_from(body)
            at = _LENGTH.size + length
            header = json.loads(body[_LENGTH.size : at])
            n, dim = int(header["n"]), header["dim"]
            parts: dict[str, memoryview | None] = {}
            for name in ("vectors", "ids", "documents", "uris", "metadatas"):
                size = header[name]
                parts[name] = None if size is None else memoryview(body)[at : at + size]
                at += size or 0
            if at != len(body):
                raise ValueError(f"parts up to byte {at}")
            found = parts["vectors"]
            vectors = None if found is None else np.frombuffer(found, "<f4", n * dim if found else 0).reshape(n, dim)
            ids, documents, uris = (_texts_from_bytes(parts[name], n) for name in ("ids", "documents", "uris"))
            known = parts["metadatas"]
            metadatas = None if known is None else json.loads(str(known, _UTF8, _SURROGATES), object_hook=_restored)
            if header["op"] not in get_args(Operation) or ids is None or None in ids:
                raise ValueError("no operation on ids")
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise CorruptionError(f"a log entry of {len(body)} bytes is not of the known form: {error}") from error
        return LogEntry(header["op"], cast("list[str]", ids), vectors, documents, metadatas, uris)


def _bytes_of(vectors: NDArray[np.float32]) -> memoryview:
    """Return the bytes of vectors without a copy, which a batch would feel."""
    whole = np.ascontiguousarray(vectors, "<f4")
    return whole.data.cast("B") if whole.size else memoryview(b"")


def _texts_to_bytes(texts: Sequence[str | None]) -> bytes:
    """Return lengths in characters, and the characters: no text is encoded alone."""
    lengths = struct.pack(f"<{len(texts)}i", *[-1 if each is None else len(each) for each in texts])
    return lengths + "".join([each for each in texts if each]).encode(_UTF8, _SURROGATES)


def _texts_from_bytes(part: memoryview | None, n: int) -> list[str | None] | None:
    if part is None:
        return None
    lengths = np.frombuffer(part[: 4 * n], "<i4")
    text = str(part[4 * n :], _UTF8, _SURROGATES)
    ends = np.cumsum(np.maximum(lengths, 0)).tolist()
    if len(lengths) != n or (ends[-1] if n else 0) != len(text):
        raise ValueError("texts of other lengths")
    starts = [0, *ends][: len(ends)]
    return [
        None if length < 0 else text[start:end]
        for length, start, end in zip(lengths.tolist(), starts, ends, strict=True)
    ]


def _size_of(metadata: dict[str, Any] | None) -> int:
    """Return about how many bytes metadata take."""
    if not metadata:
        return 4
    values = metadata.values()
    return sum(len(key) + 16 for key in metadata) + sum(len(each) for each in values if isinstance(each, str))


def _plain(value: Any) -> Any:
    if isinstance(value, SparseVector):
        return value.to_dict()
    raise TypeError(f"metadata holds a {type(value).__name__}")


_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), default=_plain)


def _restored(value: dict[str, Any]) -> Any:
    # No metadata key begins with "#", so the tag tells.
    return SparseVector.from_dict(value) if value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE else value
