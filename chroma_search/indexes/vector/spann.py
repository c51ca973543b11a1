"""SPANN index: lists of rows around centroids; a query reads the lists whose centroids are nearest.

After Q. Chen et al., SPANN: highly efficient billion-scale approximate nearest neighborhood search, 2021. Here lists
hold row numbers and the vectors stay where they are (in memory or mapped), the number of lists read is fixed
(`search_nprobe`), and a filter is part of the choice of lists: those without an allowed row are dropped before the rest
is ranked (recall of a 10 % filter far from the query 0.83 -> 0.99). Immutable; more rows join existing lists until
there are twice as many as the centroids were made for.

Strategies: `lists` (no filter, or one that only hides dead rows) and `masked_lists`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError
from chroma_search.indexes.base import Offer, Probe, VectorRequest, Within
from chroma_search.indexes.vector.allowed import allowed_bits
from chroma_search.indexes.vector.centroid_lists import PRODUCT_LISTS, CentroidLists
from chroma_search.indexes.vector.hnsw import GRAPH, MASKED_GRAPH
from chroma_search.indexes.vector.marks import MarkPool
from chroma_search.indexes.vector.near_ties import rounding_slack, with_near_ties
from chroma_search.indexes.vector.norms import Magnitudes, unit_vectors
from chroma_search.indexes.vector.parameters import SpannParameters
from chroma_search.indexes.vector.points import Points
from chroma_search.kernels import centroid_list, distance
from chroma_search.kernels.checked_rows import RowsOf, VectorRows
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors
from chroma_search.model.mask import Mask

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]

LISTS = "lists"
MASKED_LISTS = "masked_lists"
GROWTH = 2
"""Times the rows the centroids were made for, at which the index asks to be rebuilt."""
NO_BITS = np.empty(0, np.bool_)

FAR_SHARE = 0.25
"""Share of allowed rows in the nearest lists, as a part of the selectivity, below which the filter avoids the query."""
FAR_WORTH = 50.0
"""How many times its own cost an exact path may take then. Lists of rows that are nearly all hidden say little of where
the others are: where the farther half of all rows matches, recall is 0.04 (Fashion-MNIST; another class: 0.998)."""

# Costs in microseconds on one core of a 2023 server (measured 2026-11; repeat with benchmarks/ann).
CALL_US = 60.0
FLOAT_US = 0.0004
CENTROID_FLOAT_US = 0.0001
"""Centroids are read in order and stay in the cache."""
ROW_US = 0.05
ENTRY_US = 0.002
"""Reading one entry of a list: its row number, its mark, its bit."""


class SpannIndex:
    """Approximate search over lists of rows. Immutable."""

    kind: ClassVar[str] = "spann"

    def __init__(
        self,
        vectors: VectorRows,
        space: Space,
        parameters: SpannParameters,
        lists: CentroidLists | None,
        magnitudes: Magnitudes,
        radius: float,
    ) -> None:
        self._vectors = vectors
        self._space: Space = space
        self._parameters = parameters
        self._lists = lists  # None when there is no row, or when the vectors are not fit for estimates
        self._magnitudes = magnitudes
        self._points = Points(vectors, space, radius)
        self._marks = MarkPool(len(vectors))

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        return len(self._vectors)

    @classmethod
    def build(cls, vectors: Vectors, space: Space, params: Mapping[str, Any]) -> SpannIndex:
        """Cluster the rows and fill the lists; see `VectorIndex.build`.

        Raises:
            InvalidConfigError: a parameter out of its bounds.
        """
        parameters = SpannParameters.of(params)
        magnitudes = Magnitudes.of(vectors, space)
        points = Points(vectors, space, magnitudes.longest)
        lists = CentroidLists.build(points, parameters) if magnitudes.is_trusted and len(vectors) else None
        return cls(vectors, space, parameters, lists, magnitudes, magnitudes.longest)

    def extended(self, vectors: Vectors) -> SpannIndex | None:
        """Return a new index whose lists also hold the further rows, or None when there are too many of them."""
        if len(vectors) == self.n_rows:
            return self
        magnitudes = self._magnitudes.followed_by(vectors[self.n_rows :], self._space)
        radius = self._points.radius
        if not magnitudes.is_trusted:
            return SpannIndex(vectors, self._space, self._parameters, None, magnitudes, radius)
        if self._lists is None or len(vectors) > GROWTH * self._lists.n_built:
            return None
        lists = self._lists.filled(Points(vectors, self._space, radius), self.n_rows, self._parameters)
        return SpannIndex(vectors, self._space, self._parameters, lists, magnitudes, radius)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store beside the vectors; `from_arrays` opens them again."""
        lists = {} if self._lists is None else self._lists.to_arrays()
        return {**self._magnitudes.to_arrays(), **lists, "radius": np.array([self._points.radius], np.float64)}

    @classmethod
    def from_arrays(
        cls, vectors: VectorRows, space: Space, params: Mapping[str, Any], arrays: Mapping[str, RowsOf[Any]]
    ) -> SpannIndex:
        """Open a stored index over the same vectors; of the parameters, only those of the search may differ.

        Raises:
            CorruptionError: the arrays are of an index over another number of rows.
        """
        parameters = SpannParameters.of(params)
        lists = CentroidLists.from_arrays(arrays, parameters) if "offsets" in arrays else None
        if lists is not None and int(lists.rows.max()) != len(vectors) - 1:  # the kernels trust the rows they are given
            raise CorruptionError(f"the lists hold rows up to {lists.rows.max()}, but there are {len(vectors)} vectors")
        magnitudes, radius = Magnitudes.from_arrays(arrays), float(arrays["radius"][0])
        return cls(vectors, space, parameters, lists, magnitudes, radius)

    def offers(self, request: VectorRequest) -> Sequence[Offer]:
        """Offer `masked_lists` for a filtered request and `lists` for any other; nothing when there are no lists."""
        if self._lists is None:
            return ()
        dim, n_lists, n_entries = self._vectors.shape[1], self._lists.n_lists, len(self._lists.rows)
        selectivity = max(request.n_matching, 1) / self.n_rows
        probes = min(self._parameters.search_nprobe, n_lists)
        share = max(probes / n_lists, min(1.0, max(request.k, request.beam) / max(request.n_matching, 1)))
        centroids_us = min(n_lists, PRODUCT_LISTS) * (ROW_US + dim * CENTROID_FLOAT_US)
        match_us = min(n_entries, n_lists / selectivity) * ENTRY_US if request.is_filtered else 0.0
        # the nearest lists are longer than most, and overlap more: the one makes up for the other
        n_measured = min(request.n_matching, max(share * n_entries * selectivity, probes))
        scan_us = share * n_entries * ENTRY_US + n_measured * (ROW_US + dim * FLOAT_US)
        reason = f"{probes} of {n_lists} lists, about {round(n_measured)} rows"
        cost_us = CALL_US + centroids_us + match_us + scan_us
        if not request.is_filtered:
            return (Offer(LISTS, cost_us, False, reason),)
        far_us = cost_us * FAR_WORTH
        if request.is_far:
            cost_us, reason = far_us, f"{reason}, which avoid the query"
        return (Offer(MASKED_LISTS, cost_us, False, reason, far_us),)

    def probe(self, query: Vectors, mask: Mask) -> Probe:
        """Look at the rows of the lists that an unfiltered search would read."""
        bits = allowed_bits(mask, self.n_rows)
        selectivity = int(np.count_nonzero(bits)) / max(1, self.n_rows)
        if self._lists is None:
            return Probe(selectivity, is_far=False)
        n_probed = min(self._parameters.search_nprobe, self._lists.n_lists)
        near = _nearest_lists(self._lists, self._points.target(query), n_probed, None)
        with self._marks.borrow() as (marks, mark):
            rows = centroid_list.rows_in_lists(self._lists.offsets, self._lists.rows, near, NO_BITS, marks, mark)
        share = float(np.count_nonzero(bits[rows])) / max(1, len(rows))
        return Probe(share, share < FAR_SHARE * selectivity)

    def search(
        self,
        queries: Vectors,
        k: int,
        mask: Mask | None,
        strategy: str,
        beam: int = 0,
        within: Within | None = None,
    ) -> list[Candidates]:
        """Return the nearest rows of the nearest lists; see `VectorIndex.search`.

        `beam` and `k` are the least number of allowed rows to look at: more lists are read until they hold so many.
        """
        if self._lists is None:
            return [Candidates.empty() for _ in queries]
        bits, wanted = None, max(k, beam)
        if mask is not None and not (mask.is_all and mask.n >= self.n_rows):
            bits = allowed_bits(mask, self.n_rows)
            wanted = min(wanted, int(np.count_nonzero(bits)))
        has_match = None
        if bits is not None and strategy == MASKED_LISTS:
            has_match = centroid_list.lists_with_match(self._lists.offsets, self._lists.rows, bits)
        return [self._one(self._lists, query, k, min(wanted, self.n_rows), bits, has_match) for query in queries]

    def _one(
        self, lists: CentroidLists, query: Vectors, k: int, wanted: int, bits: Bits | None, has_match: Bits | None
    ) -> Candidates:
        """Read lists, nearest first, until `search_nprobe` are read and `wanted` rows are met."""
        n_usable = lists.n_lists if has_match is None else int(np.count_nonzero(has_match))
        target, n_probed = self._points.target(query), self._parameters.search_nprobe
        while True:
            near = _nearest_lists(lists, target, min(n_probed, n_usable), has_match)
            with self._marks.borrow() as (marks, mark):
                rows = centroid_list.rows_in_lists(
                    lists.offsets, lists.rows, near, NO_BITS if bits is None else bits, marks, mark
                )
            if len(rows) >= wanted or n_probed >= n_usable:
                break
            n_probed *= 4
        rows.sort()  # in order of memory, and the same order whichever kernel ran
        distances = self._distances(query, rows)
        slack = rounding_slack(query, self._vectors.shape[1], self._space, self._magnitudes.longest)
        kept = with_near_ties(distances, k, slack)
        return Candidates(rows[kept], distances[kept], exact=False, visited=len(rows))

    def _distances(self, query: Vectors, rows: Ints) -> NDArray[np.float64]:
        if self._space == "l2":
            return distance.l2_rows(self._vectors, rows, query).astype(np.float64)
        target = unit_vectors(query[None])[0] if self._space == "cosine" else query
        products = distance.dot_rows(self._vectors, rows, target).astype(np.float64)
        return 1.0 - (products * self._magnitudes.inverse[rows] if self._space == "cosine" else products)


def _nearest_lists(lists: CentroidLists, target: Vectors, count: int, has_match: Bits | None) -> Ints:
    """Return the `count` lists nearest to the target (of those with a match), in ascending order of number."""
    usable = None if has_match is None else np.flatnonzero(has_match)
    if usable is not None and count >= len(usable):
        return usable
    if lists.graph is not None and 4 * count < lists.n_lists:
        mask = None if has_match is None else Mask.of_bits(has_match)
        found = lists.graph.search(target[None], count, mask, GRAPH if mask is None else MASKED_GRAPH)[0]
        if len(found) >= count:
            return np.sort(found.rows[np.argsort(found.distances, kind="stable")[:count]])
    if usable is None:
        distances = distance.l2_all(lists.centroids, target)
        return np.sort(np.argpartition(distances, count - 1)[:count]) if count < len(distances) else np.arange(count)
    distances = distance.l2_rows(lists.centroids, usable, target)
    return np.sort(usable[np.argpartition(distances, count - 1)[:count]])
