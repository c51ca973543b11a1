"""Rows that hold the same vector: only the first of them goes into a graph, the others are found through it.

Equal vectors break graphs: each has enough neighbours among its equals, and no link leads out or in (half the rows
equal: recall 0.13). Collections do hold many, such as the vector of the empty text. Equality is that of float32 values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf, whole
from chroma_search.model.distance import Vectors
from chroma_search.record import record

Rows = NDArray[np.int64]
Bits = NDArray[np.bool_]

SEED = 11
SMALL_TABLE = 20_000
"""Pairs of a found row and a copied one that are compared outright: 10 us, a table of all rows takes 50."""


@record(eq=False)
class Twins:
    """Which rows are copies of earlier ones.

    Attributes:
        copies: int64, ascending: rows whose vector an earlier row holds.
        originals: int64, same order: that earlier row.
    """

    copies: Rows
    originals: Rows

    @staticmethod
    def of(vectors: Vectors) -> Twins:
        """Find all copies: rows are compared only with those of the same 64-bit hash."""
        hashes = _hashes(vectors)
        order = np.argsort(hashes, kind="stable")
        is_same = np.concatenate([np.zeros(1, np.bool_), hashes[order][1:] == hashes[order][:-1]])[: len(order)]
        starts = np.flatnonzero(~is_same)
        first = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
        copies, originals = order[is_same], first[is_same]
        is_equal = np.empty(len(copies), np.bool_)
        for block in row_blocks(len(copies), vectors.shape[1]):
            is_equal[block] = (vectors[copies[block]] == vectors[originals[block]]).all(axis=1)
        ascending = np.argsort(copies[is_equal])
        return Twins(copies[is_equal][ascending], originals[is_equal][ascending])

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store."""
        return {"copies": self.copies, "originals": self.originals}

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]]) -> Twins:
        """Open stored arrays."""
        return Twins(whole(arrays["copies"]), whole(arrays["originals"]))

    def __len__(self) -> int:
        return len(self.copies)

    def distinct(self, n_rows: int) -> Rows:
        """Return the rows that are no copies: int64, ascending."""
        is_copy = np.zeros(n_rows, np.bool_)
        is_copy[self.copies] = True
        return np.flatnonzero(~is_copy)

    def bits_of_originals(self, bits: Bits) -> Bits:
        """Return `bits` with those rows set also that have an allowed copy; copies themselves do not matter."""
        if not len(self):
            return bits
        joined = bits.copy()
        joined[self.originals[bits[self.copies]]] = True
        return joined

    def originals_of(self, rows: Rows) -> Rows:
        """Return `rows` with each copy replaced by its original."""
        if not len(self):
            return rows
        at = np.minimum(np.searchsorted(self.copies, rows), len(self) - 1)
        return np.where(self.copies[at] == rows, self.originals[at], rows)

    def expanded(
        self, rows: Rows, distances: NDArray[np.float32], bits: Bits | None, k: int
    ) -> tuple[Rows, NDArray[np.float32]]:
        """Add the copies of found rows, at the same distance: of each vector the first `k` allowed rows.

        Args:
            rows, distances: originals found, in ascending order of distance.
            bits: allowed rows, None for all.
            k: rows of one vector that may be of use: equal ones rank by row.

        Returns:
            rows and distances, still in ascending order of distance.
        """
        if not len(self):
            return rows, distances
        is_small = len(rows) * len(self) <= SMALL_TABLE
        if is_small and bits is None and not np.equal.outer(self.originals, rows).any():
            return rows, distances
        place = np.full(int(max(rows.max(initial=0), self.originals.max())) + 1, -1, np.int64)
        place[rows] = np.arange(len(rows))
        at = place[self.originals]
        is_found = at >= 0
        places = np.concatenate([np.arange(len(rows)), at[is_found]])
        everything = np.concatenate([rows, self.copies[is_found]])
        if bits is not None:
            is_allowed = bits[everything]
            places, everything = places[is_allowed], everything[is_allowed]
        order = np.lexsort((everything, places))
        places, everything = places[order], everything[order]
        starts = np.searchsorted(places, places)  # where the rows of the same vector begin
        kept = np.arange(len(places)) - starts < k
        return everything[kept], distances[places[kept]]


def _hashes(vectors: Vectors) -> NDArray[np.uint64]:
    factors = np.random.default_rng(SEED).integers(0, 2**63, vectors.shape[1], dtype=np.uint64) * 2 + 1
    hashes = np.empty(len(vectors), np.uint64)
    for block in row_blocks(len(vectors), vectors.shape[1]):
        words = (vectors[block] + np.float32(0.0)).view(np.uint32)  # -0.0 equals 0.0
        hashes[block] = (words * factors).sum(axis=1, dtype=np.uint64)
    return hashes
