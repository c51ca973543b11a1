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
from chroma_search.storage.stored_columns import StoredMetadatas, StoredStrings, merged_strings


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

    @staticmethod
    def merged(parts: Sequence[tuple[Rows, NDArray[np.int64]]]) -> Rows:
        """Return some rows of several as one.

        Args:
            parts: each with the rows to take: int64, ascending.
        """
        if len(parts) == 1 and len(parts[0][1]) == len(parts[0][0]):
            return parts[0][0]
        return Rows(
            ids=_merged([(rows.ids, at) for rows, at in parts]),
            offset_ids=np.concatenate([_taken(rows.offset_ids, at) for rows, at in parts]),
            vectors=np.concatenate([_taken(whole(rows.vectors), at) for rows, at in parts]),
            documents=_merged([(rows.documents, at) for rows, at in parts]),
            metadatas=_merged([(rows.metadatas, at) for rows, at in parts]),
            uris=_merged([(rows.uris, at) for rows, at in parts]),
        )

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """Return the rows of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return Rows.merged([(part, np.arange(len(part))) for part in parts])


def _taken(array: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    return array if len(rows) == len(array) else array[rows]


def _merged(parts: Sequence[tuple[Sequence[Any], NDArray[np.int64]]]) -> Any:
    """Return some items of several columns as one: columns of files as arrays, others as a list."""
    strings = [(column, rows) for column, rows in parts if isinstance(column, StoredStrings)]
    if len(strings) == len(parts):
        return merged_strings(strings)
    texts = [(column.texts, rows) for column, rows in parts if isinstance(column, StoredMetadatas)]
    if len(texts) == len(parts):
        return StoredMetadatas(merged_strings(texts).to_arrays(), sum(len(rows) for _, rows in parts))
    merged: list[Any] = []
    for column, rows in parts:
        merged += column if len(rows) == len(column) else [column[row] for row in rows.tolist()]
    return merged
