"""Sparse index: posting lists per dimension, term-at-a-time scoring, exact.

The measure is `1 - dot` (spec 3.8); no upper bounds are used, so negative weights are as good as any. Sums are float64
in ascending order of dimension, so that scan, index and oracle agree to the last bit. A stored zero is a shared
dimension like any other. Dimensions are any int from 0 to 2^63-1: lists are found by binary search in a sorted array,
never by position. Not for BM25 weights: the caller scales the query (`document_frequency` gives what it needs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.allowed import allowed_bits
from chroma_search.kernels import posting
from chroma_search.model.candidates import Candidates
from chroma_search.model.mask import Mask
from chroma_search.model.sparse_vector import SparseVector

Ints = NDArray[np.int64]


class SparsePostings:
    """Posting lists over the sparse vectors of one key.

    Attributes (internal):
        _dimensions: int64, ascending: dimensions that occur.
        _offsets: int64, one longer: bounds of each list in `_rows` and `_weights`.
        _rows: int32, ascending within a list.
        _weights: float32: stored values, rounded once (a value beyond float32 becomes inf).
    """

    def __init__(
        self, n_rows: int, dimensions: Ints, offsets: Ints, rows: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> None:
        self._n_rows = n_rows
        self._dimensions = dimensions
        self._offsets = offsets
        self._rows = rows
        self._weights = weights

    @property
    def n_rows(self) -> int:
        """Rows covered, with and without a vector."""
        return self._n_rows

    @classmethod
    def build(cls, vectors: Sequence[SparseVector | None]) -> SparsePostings:
        """Index one entry per row; see `SparseIndex.build`."""
        held = [(row, vector) for row, vector in enumerate(vectors) if vector is not None]
        lengths = np.fromiter((len(vector.indices) for _, vector in held), np.int64, len(held))
        n_postings = int(lengths.sum())
        dimensions = np.fromiter(chain.from_iterable(vector.indices for _, vector in held), np.int64, n_postings)
        values = np.fromiter(chain.from_iterable(vector.values for _, vector in held), np.float64, n_postings)
        rows = np.repeat(np.fromiter((row for row, _ in held), np.int32, len(held)), lengths)
        order = np.argsort(dimensions, kind="stable")  # stable: rows stay ascending within a dimension
        known, starts = np.unique(dimensions[order], return_index=True)
        offsets = np.append(starts, n_postings).astype(np.int64)
        with np.errstate(over="ignore"):
            weights = values[order].astype(np.float32)
        return cls(len(vectors), known, offsets, rows[order], weights)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store; `from_arrays` opens them again."""
        return {
            "n_rows": np.array([self._n_rows], np.int64),
            "dimensions": self._dimensions,
            "offsets": self._offsets,
            "rows": self._rows,
            "weights": self._weights,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> SparsePostings:
        """Open a stored index (checksums were verified by the storage layer)."""
        return cls(int(arrays["n_rows"][0]), arrays["dimensions"], arrays["offsets"], arrays["rows"], arrays["weights"])

    def document_frequency(self, dimensions: Sequence[int], live: Mask | None) -> NDArray[np.int64]:
        """Return, per dimension, how many live rows hold it (a stored zero counts): int64, in the order asked."""
        slots = self._slots(dimensions)
        bits = None if live is None or live.is_all else allowed_bits(live, self._n_rows)
        counts = np.zeros(len(slots), np.int64)
        for i, slot in enumerate(slots.tolist()):
            if slot >= 0:
                start, end = int(self._offsets[slot]), int(self._offsets[slot + 1])
                counts[i] = end - start if bits is None else np.count_nonzero(bits[self._rows[start:end]])
        return counts

    def search(self, dimensions: Sequence[int], weights: Sequence[float], k: int, mask: Mask | None) -> Candidates:
        """Return the nearest rows in the mask that share a dimension with the query; see `SparseIndex.search`.

        Args:
            dimensions: ints from 0, unique, in any order; unknown ones contribute nothing.
            weights: one number per dimension.
            k: candidates wanted, >= 1.
            mask: rows allowed, or None for all.

        Returns:
            the k smallest measures with all ties of the k-th, in no particular order. NaN measures sort last.
        """
        slots = self._slots(dimensions)
        known = np.flatnonzero(slots >= 0)
        known = known[np.argsort(slots[known], kind="stable")]  # slots ascend with their dimensions
        if not len(known) or (mask is not None and mask.is_none):
            return Candidates.empty()
        starts, ends = self._offsets[slots[known]], self._offsets[slots[known] + 1]
        factors = np.asarray(weights, np.float64)[known]
        rows, dots = posting.weighted_sums(starts, ends, self._rows, self._weights, factors, self._n_rows)
        visited = len(rows)
        if mask is not None and not (mask.is_all and mask.n >= self._n_rows):
            allowed = allowed_bits(mask, self._n_rows)[rows]
            rows, dots = rows[allowed], dots[allowed]
        with np.errstate(over="ignore"):
            measures = (1.0 - dots).astype(np.float32).astype(np.float64)
        if k < len(rows):
            kth = np.partition(measures, k - 1)[k - 1]
            near = np.flatnonzero((measures <= kth) | np.isnan(kth))
            rows, measures = rows[near], measures[near]
        return Candidates(rows, measures, visited=visited)

    def _slots(self, dimensions: Sequence[int]) -> Ints:
        """Return the position of each dimension among the known ones, -1 where it is unknown."""
        asked = np.fromiter(dimensions, np.int64, len(dimensions))
        if not len(self._dimensions):
            return np.full(len(asked), -1, np.int64)
        at = np.minimum(np.searchsorted(self._dimensions, asked), len(self._dimensions) - 1)
        return np.where(self._dimensions[at] == asked, at, -1)
