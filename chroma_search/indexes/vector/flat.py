"""Flat index: no structure at all, the exact scan of the rows that the mask allows.

It is the last rung of every ladder (an approximate index that finds too few ends here), the whole index of segments too
small for a graph, and the oracle of the approximate kinds. The arithmetic is in `exact_scan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from chroma_search.indexes.base import Offer, Probe, VectorRequest, Within
from chroma_search.indexes.vector.allowed import allowed_rows
from chroma_search.indexes.vector.exact_scan import Scanned, is_batch, scan_batch, scan_one
from chroma_search.indexes.vector.norms import RowNorms
from chroma_search.kernels.checked_rows import RowsOf, VectorRows
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors
from chroma_search.model.mask import Mask

EXACT_SCAN = "exact_scan"

# Costs in microseconds on one core of a 2023 server (Xeon, 10 GB/s from memory), rows of 784 floats; measure again with
# benchmarks/ann. A scan of all rows reads memory in order, a gather jumps from row to row.
CALL_US = 30.0
ROW_US = 0.05
FLOAT_US = 0.0004
BIT_US = 0.0005


class FlatIndex:
    """Exact search over the vectors themselves."""

    kind: ClassVar[str] = "flat"

    def __init__(self, vectors: VectorRows, space: Space, norms: RowNorms | None = None) -> None:
        self._vectors = vectors
        self._space: Space = space
        self._norms = norms  # measured when first needed: a lone l2 query needs none

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        return len(self._vectors)

    @classmethod
    def build(cls, vectors: Vectors, space: Space, params: Mapping[str, Any]) -> FlatIndex:
        """Keep the vectors; there are no parameters. See `VectorIndex.build`."""
        del params
        return cls(vectors, space)

    def extended(self, vectors: Vectors) -> FlatIndex:
        """Return the index over more rows; norms measured so far are kept."""
        known = self._norms
        norms = None if known is None else known.followed_by(vectors[self.n_rows :], self._space)
        return FlatIndex(vectors, self._space, norms)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return what is worth storing beside the vectors: nothing."""
        return {}

    @classmethod
    def from_arrays(
        cls, vectors: VectorRows, space: Space, params: Mapping[str, Any], arrays: Mapping[str, RowsOf[Any]]
    ) -> FlatIndex:
        """Open a stored index: the vectors are read when they are scanned."""
        del params, arrays
        return cls(vectors, space)

    def offers(self, request: VectorRequest) -> Sequence[Offer]:
        """Offer the scan of the matching rows."""
        dim = self._vectors.shape[1]
        cost_us = exact_scan_us(request.n_matching, self.n_rows, dim)
        reason = f"{request.n_matching} matching rows of {dim} floats"
        return (Offer(EXACT_SCAN, cost_us, True, reason),)

    def probe(self, query: Vectors, mask: Mask) -> Probe:
        """Tell nothing of interest: a scan takes as long wherever its rows lie."""
        del query
        return Probe(mask.count() / max(1, self.n_rows), is_far=False)

    def search(
        self,
        queries: Vectors,
        k: int,
        mask: Mask | None,
        strategy: str,
        beam: int = 0,
        within: Within | None = None,
    ) -> list[Candidates]:
        """Return every row that could be among the k nearest of the mask, in ascending order of row."""
        del strategy, beam, within
        rows = None if mask is None or (mask.is_all and mask.n >= self.n_rows) else allowed_rows(mask, self.n_rows)
        n = self.n_rows if rows is None else len(rows)
        if n == 0:
            return [Candidates.empty() for _ in queries]
        if is_batch(len(queries), n, self._vectors.shape[1]):
            return scan_batch(self.scanned(needs_norms=True), queries, k, rows)
        of = self.scanned(needs_norms=self._space != "l2")
        return [scan_one(of, query, k, rows) for query in queries]

    def scanned(self, *, needs_norms: bool) -> Scanned:
        """Return the matrix with its norms, which are measured on the first call that needs them."""
        if needs_norms and self._norms is None:
            # Two threads may both measure: they get equal results, and either may stay.
            self._norms = RowNorms.of(self._vectors, self._space)
        return Scanned(self._vectors, self._norms, self._space)


def exact_scan_us(n_matching: int, n_rows: int, dim: int) -> float:
    """Return the expected time of an exact scan of `n_matching` out of `n_rows` rows, microseconds."""
    return CALL_US + n_rows * BIT_US + n_matching * (ROW_US + dim * FLOAT_US)
