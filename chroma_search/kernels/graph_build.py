"""Inserting rows into an HNSW graph (Y. Malkov, D. Yashunin 2018, algorithms 1, 2 and 4).

One row after the other, each linked to some of those that are in: `M` on each of its layers, chosen so that none is
nearer to another chosen one than to the row, and back from each of them, where as many as there is room for are kept in
the same way. What is near is said by `BuildPoints`. The same calls give the same graph.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled


class BuildPoints(NamedTuple):
    """The points that a graph is built over, n of them: codes, or vectors.

    Between two codes lies `(offset + offset - 2 * scale * scale * (code @ code)) * factor * factor`: without offsets
    and factors the squared distance of what they code.

    Attributes:
        codes: int8, shape (n, dim), none of them -128; or None.
        scales: float32, shape (n,): what one step of a point's code is worth.
        offsets: float32, shape (n,); empty for the squared norms of what is coded.
        factors: float32, shape (n,); empty for 1.
        vectors: float32, shape (n, dim), where there are no codes: their squared distance counts, or
        is_product: their product, the largest first.
    """

    codes: NDArray[np.int8] | None
    scales: NDArray[np.float32] | None
    offsets: NDArray[np.float32] | None
    factors: NDArray[np.float32] | None
    vectors: NDArray[np.float32] | None
    is_product: bool


class GraphBuilder:
    """A graph while rows are inserted into it. One thread at a time.

    Args:
        points: what is measured.
        links: int32, shape (n, 2 M): neighbours on the lowest layer, -1 after the last. Written to.
        upper_links: int32, shape (sum of levels, M): neighbours on layers 1.., row after row. Written to.
        levels: int32, shape (n,): highest layer of each row, also of those not inserted yet.
        entry: row where a walk begins; -1 while there is none.
        ef_construction: beam of the insertion.
    """

    def __init__(
        self,
        points: BuildPoints,
        links: NDArray[np.int32],
        upper_links: NDArray[np.int32],
        levels: NDArray[np.int32],
        entry: int,
        ef_construction: int,
    ) -> None:
        self._builder = compiled.GraphBuilder(points, links, upper_links, levels, entry, ef_construction)

    def insert(self, rows: NDArray[np.int64]) -> None:
        """Insert rows that are not in yet, in this order."""
        self._builder.insert(rows)

    @property
    def entry(self) -> int:
        """Row where a walk begins: one on the highest layer."""
        return self._builder.entry
