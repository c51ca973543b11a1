"""Coded index: no graph, but codes and sketches of the rows, by which a scan rules out most of them.

Strategies: `coded_scan` is exact, `sketch_scan` but for chance (see `sketch.py`).


It is what the rows of a flush have until a graph is built over them (storage/merge_policy.py), for it costs a hundredth
of one, and a part of the HNSW index (`hnsw.py`). How a scan can trust codes is told in `coded_scan.py`, `codes.py` and
`sketch.py`. Short vectors, and those that float32 cannot measure (see `norms`), have no codes: then it offers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chroma_search.errors import CorruptionError
from chroma_search.indexes.base import Offer, Probe, VectorRequest, Within
from chroma_search.indexes.vector.allowed import NO_ROWS, allowed
from chroma_search.indexes.vector.coded_scan import MOST_WANTED, NO_FLOATS, rows_in_reach
from chroma_search.indexes.vector.codes import LEAST_DIM, RowCodes
from chroma_search.indexes.vector.exact_scan import Scanned, refined, scan_one
from chroma_search.indexes.vector.norms import Magnitudes, RowNorms, unit_vectors
from chroma_search.indexes.vector.sketch import RowSketch
from chroma_search.kernels.checked_rows import RowsOf, VectorRows
from chroma_search.kernels.coded_scan import SKETCH
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors
from chroma_search.model.mask import Mask

CODED_SCAN = "coded_scan"
SKETCH_SCAN = "sketch_scan"

# Costs in microseconds on one core of a 2023 server (2026-11, Fashion-MNIST, 60,000 rows; repeat: benchmarks/ann).
CALL_US = 60.0
BIT_US = 0.0005
ROW_US, FLOAT_US = 0.05, 0.0008
"""A row that is measured, which waits for memory, and an element of it."""
SCAN_ROW_US, SCAN_CODE_US = 0.02, 0.00016
"""A row and an element of a coded scan, which reads rows in order of memory (half of it when they are in the cache)."""
SKETCH_US, SIGNS_US = 0.007, 0.03
"""The coordinates of a sketch, which are read in order of memory; the signs of one, which are not."""
LEFT_ROW_US = 0.03
"""A row that its sketch does not rule out, besides the elements of its code."""
LEFT_BY_AXES, LEFT_BY_AXES_FAR = 0.03, 0.22
"""Rows not ruled out by the coordinates, of those looked at: where a filter is random, and for the farther half
(Fashion-MNIST; with MiniLM 0.4 and 1.0)."""
LEFT_BY_SIGNS, LEFT_BY_SIGNS_FAR = 0.001, 0.045
"""Rows not ruled out by the signs either; 0.002 and 0.7."""
LEFT_BY_PROOF, LEFT_BY_PROOF_FAR = 0.005, 0.13
"""The same without chance; 0.03 and 1.0."""
REACHED = 30
"""Rows beyond k that a coded scan leaves to be measured (Fashion-MNIST: 10 to 20)."""


class CodedIndex:
    """Search that reads codes before vectors, and misses nothing. Immutable."""

    kind: ClassVar[str] = "coded"

    def __init__(
        self, vectors: VectorRows, space: Space, magnitudes: Magnitudes, codes: RowCodes, sketch: RowSketch
    ) -> None:
        self._vectors = vectors
        self._space: Space = space
        self._magnitudes = magnitudes
        self._codes = codes
        self._sketch = sketch
        self._norms: RowNorms | None = None  # measured when a scan first needs them (`ip`)

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        return len(self._vectors)

    @classmethod
    def build(cls, vectors: Vectors, space: Space, params: Mapping[str, Any]) -> CodedIndex:
        """Code every row; there are no parameters. See `VectorIndex.build`."""
        del params
        magnitudes = Magnitudes.of(vectors, space)
        is_coded = magnitudes.is_trusted and len(vectors) > 0 and vectors.shape[1] >= LEAST_DIM
        codes = RowCodes.of(vectors, space) if is_coded else RowCodes.none()
        return cls(vectors, space, magnitudes, codes, RowSketch.of(vectors, space, codes))

    def extended(self, vectors: Vectors) -> CodedIndex:
        """Return the index over more rows, coded around the same centre; this one does not change."""
        magnitudes = self._magnitudes.followed_by(vectors[self.n_rows :], self._space)
        if not magnitudes.is_trusted or not len(self._codes.values):
            return CodedIndex.build(vectors, self._space, {})
        codes = self._codes.extended(vectors, self._space)
        has_sketch = len(self._sketch.values) > 0
        sketch = self._sketch.extended(vectors, self._space, codes) if has_sketch else RowSketch.none()
        return CodedIndex(vectors, self._space, magnitudes, codes, sketch)

    def of_others(self, vectors: Vectors) -> CodedIndex:
        """Return the index over other rows, coded around the same centre and along the same axes.

        That saves the part of the work that does not grow with the rows. Codes are right around any centre and along
        any axes; those of similar rows rule out nearly as much.
        """
        magnitudes = Magnitudes.of(vectors, self._space)
        if not magnitudes.is_trusted or not len(self._codes.centre):
            return CodedIndex.build(vectors, self._space, {})
        codes = self._codes.of_others(vectors, self._space)
        sketch = self._sketch.of_others(vectors, self._space, codes) if len(self._sketch.axes) else RowSketch.none()
        return CodedIndex(vectors, self._space, magnitudes, codes, sketch)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store beside the vectors; `from_arrays` opens them again."""
        return {**self._magnitudes.to_arrays(), **self._codes.to_arrays(), **self._sketch.to_arrays()}

    @classmethod
    def from_arrays(
        cls, vectors: VectorRows, space: Space, params: Mapping[str, Any], arrays: Mapping[str, RowsOf[Any]]
    ) -> CodedIndex:
        """Open a stored index over the same vectors.

        Raises:
            CorruptionError: the arrays are of an index over another number of rows.
        """
        del params
        codes, sketch = RowCodes.from_arrays(arrays), RowSketch.from_arrays(arrays)
        if len(codes.values) not in (0, len(vectors)) or len(sketch.values) not in (0, len(vectors)):
            raise CorruptionError(f"{len(codes.values)} codes are stored, but there are {len(vectors)} vectors")
        return cls(vectors, space, Magnitudes.from_arrays(arrays), codes, sketch)

    def offers(self, request: VectorRequest) -> Sequence[Offer]:
        """Offer the scan of the matching rows; nothing without codes, or where the plain scan is as good."""
        if not len(self._codes.values) or request.k > MOST_WANTED:
            return ()
        dim, n = self._vectors.shape[1], request.n_matching
        measured_us = (request.k + REACHED) * (ROW_US + dim * FLOAT_US)
        cost_us = CALL_US + self.n_rows * BIT_US + measured_us
        if not len(self._sketch.values):
            cost_us += n * (SCAN_ROW_US + dim * SCAN_CODE_US)
            return (Offer(CODED_SCAN, cost_us, True, f"codes of {n} matching rows, {dim} bytes each"),)
        is_far, code_us = request.is_far, LEFT_ROW_US + dim * SCAN_CODE_US
        cost_us += n * (SKETCH_US + SIGNS_US * (LEFT_BY_AXES_FAR if is_far else LEFT_BY_AXES))
        proven_us = cost_us + n * code_us * (LEFT_BY_PROOF_FAR if is_far else LEFT_BY_PROOF)
        likely_us = cost_us + n * code_us * (LEFT_BY_SIGNS_FAR if is_far else LEFT_BY_SIGNS)
        reason = f"sketches of {n} matching rows, {SKETCH} bytes each"
        likely = Offer(SKETCH_SCAN, likely_us, False, reason, nearly_exact=True)
        return (likely, Offer(CODED_SCAN, proven_us, True, reason))

    def probe(self, query: Vectors, mask: Mask) -> Probe:
        """Tell nothing of interest: there is no path that a filter could lead astray."""
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
        """Return every row that could be among the k nearest of the mask; see `VectorIndex.search`."""
        del beam
        which = allowed(mask, self.n_rows)
        if not which.n:
            return [Candidates.empty() for _ in queries]
        points = unit_vectors(queries) if self._space == "cosine" else queries
        found: list[Candidates] = []
        scanned, is_proven = self._scanned(), strategy != SKETCH_SCAN
        for at, (query, point) in enumerate(zip(queries, points, strict=True)):
            limit = math.inf if within is None else within(at)
            near = rows_in_reach(scanned, self._codes, self._sketch, point, k, which, limit, is_proven=is_proven)
            if near is None:
                found.append(scan_one(scanned, query, k, which.to_rows()))
            else:
                found.append(refined(scanned, query, k, near.rows, near.distances.astype(np.float64), which.n))
        return found

    def _scanned(self) -> Scanned:
        if self._space == "ip" and self._norms is None:
            self._norms = RowNorms.of(self._vectors, self._space)  # two threads may both measure: with equal results
        norms = RowNorms(NO_FLOATS, self._magnitudes.inverse, NO_ROWS) if self._space == "cosine" else self._norms
        return Scanned(self._vectors, norms, self._space)
