"""Rows: the records of one segment, column by column, immutable.

This is the source that every index of a segment is built from. Row i of every column belongs to one record; the order
of rows is the order in which they were written, which is not always the order of offset ids (an update writes a new
row under the old offset id).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.checked_rows import RowsOf, whole
from chroma_search.record import record


@record(eq=False)
class Rows:
    """Records in columns.

    Attributes:
        ids: the user's ids.
        offset_ids: int64, shape (n,); of rows with the same one, only the last can live.
        vectors: float32, shape (n, dim), C-contiguous, as stored; of a file, checked when they are read.
        documents: text per row, or None where the record has none.
        metadatas: metadata per row without None values, or None where the record has none; only to be read.
        uris: uri per row, or None.
    """

    ids: Sequence[str]
    offset_ids: NDArray[np.int64]
    vectors: RowsOf[np.float32]
    documents: Sequence[str | None]
    metadatas: Sequence[dict[str, Any] | None]
    uris: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return the given rows, in the given order."""
        picked: list[int] = rows.tolist()
        return Rows(
            ids=[self.ids[row] for row in picked],
            offset_ids=self.offset_ids[rows],
            vectors=np.ascontiguousarray(self.vectors[rows]),
            documents=[self.documents[row] for row in picked],
            metadatas=[self.metadatas[row] for row in picked],
            uris=[self.uris[row] for row in picked],
        )

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """Return the rows of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return Rows(
            ids=[each for part in parts for each in part.ids],
            offset_ids=np.concatenate([part.offset_ids for part in parts]),
            vectors=np.concatenate([whole(part.vectors) for part in parts]),
            documents=[each for part in parts for each in part.documents],
            metadatas=[each for part in parts for each in part.metadatas],
            uris=[each for part in parts for each in part.uris],
        )
