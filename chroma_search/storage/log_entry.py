"""LogEntry: one write of a collection, and the bytes it is stored as.

An entry says what the caller asked, not what came of it: replaying the entries of a log in order on the state before
the first gives the same records, the same offset ids and the same order in every process.

Form: 4 bytes length of the header, the header as JSON (operation, number of ids, dimension), the vectors as float32,
the other columns as one JSON array. Numbers keep their type in JSON (1 and 1.0 and true differ; NaN and Infinity are
written as Python writes them), a sparse vector is its own JSON form.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, TYPE_KEY, SparseVector

Operation = Literal["add", "update", "upsert", "delete"]

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
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

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        dim = None if self.vectors is None else self.vectors.shape[1]
        header = json.dumps({"op": self.op, "n": len(self.ids), "dim": dim}).encode()
        vectors = b"" if self.vectors is None else np.ascontiguousarray(self.vectors, "<f4").tobytes()
        columns = [self.ids, self.documents, self.metadatas, self.uris]
        texts = json.dumps(columns, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
        return b"".join((_LENGTH.pack(len(header)), header, vectors, texts))

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
            n, dim, vectors = header["n"], header["dim"], None
            if dim is not None:
                vectors = np.frombuffer(body, "<f4", n * dim, at).reshape(n, dim)
                at += vectors.nbytes
            ids, documents, metadatas, uris = json.loads(body[at:], object_hook=_restored)
        except (ValueError, KeyError, struct.error) as error:
            raise CorruptionError(f"a log entry of {len(body)} bytes is not of the known form: {error}") from error
        return LogEntry(header["op"], ids, vectors, documents, metadatas, uris)


def _plain(value: Any) -> Any:
    if isinstance(value, SparseVector):
        return value.to_dict()
    raise TypeError(f"metadata holds a {type(value).__name__}")


def _restored(value: dict[str, Any]) -> Any:
    # No metadata key begins with "#", so the tag tells.
    return SparseVector.from_dict(value) if value.get(TYPE_KEY) == SPARSE_VECTOR_TYPE_VALUE else value
