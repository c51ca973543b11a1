"""HNSW index: a navigable graph over the rows, searched with or without a mask.

The graph is built by `hnsw_graph` and searched by `kernels/graph_search` over the stored vectors: the index holds links
only, a search takes a mask without calling back into Python, and an index that readers hold never changes. Long vectors
are first compared by codes of a byte per element (see `codes`). Where float32 arithmetic cannot be trusted with some
vector (see `norms`) the index offers nothing, and the planner scans.

Strategies: `graph` (no filter; when a mask hides dead rows the beam is widened by their share), `masked_graph`, and
those of the codes (see `coded`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError
from chroma_search.indexes.base import Offer, Probe, VectorRequest, Within
from chroma_search.indexes.vector.allowed import allowed_bits
from chroma_search.indexes.vector.coded import CODED_SCAN, SKETCH_SCAN, CodedIndex
from chroma_search.indexes.vector.codes import RowCodes, code_rows
from chroma_search.indexes.vector.hnsw_graph import HnswGraph, build_graph, grown_graph
from chroma_search.indexes.vector.marks import MarkPool
from chroma_search.indexes.vector.near_ties import first_with_near_ties, rounding_slack
from chroma_search.indexes.vector.norms import Magnitudes, unit_vectors
from chroma_search.indexes.vector.parameters import HnswParameters
from chroma_search.indexes.vector.sketch import RowSketch
from chroma_search.indexes.vector.spread import spread_rows
from chroma_search.indexes.vector.twins import Twins
from chroma_search.kernels import graph_search
from chroma_search.kernels.beside import Beside
from chroma_search.kernels.checked_rows import RowsOf, VectorRows
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.graph_search import SPACE_CODES, Found, Graph
from chroma_search.model.candidates import Candidates
from chroma_search.model.distance import Space, Vectors
from chroma_search.model.mask import Mask

Bits = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)

GRAPH = "graph"
MASKED_GRAPH = "masked_graph"

# Shape of a masked search. Measured 2026-11 on Fashion-MNIST, 60,000 rows, beam 100, M 16 (repeat: benchmarks/ann).
SPREAD_STARTS = 16
"""Rows of the mask to start from, besides the entry. 128 were no better."""
SCARCE_SHARE = 0.3
"""Share of allowed rows around the entry below which expansions go on for longer."""
SCARCE_DEGREE = 1.5
"""How much longer, as a factor of M."""
FAR_SHARE = 0.25
"""Share around the entry, as a part of the selectivity, below which the filter avoids the query."""
FAR_DEGREE, FAR_BUDGET = 3.0, 2
"""Factors of degree and budget then: a far 10 % filter, recall 0.925 -> 0.953 for 36 % more distances."""
FAR_WORTH = 8.0
"""How many times its own cost an exact path may take instead of this one when the filter avoids the query: recall is
then anything from 0.98 (another class matches) to 0.43 (the farther half of all rows matches)."""
FAR_WIDTH = 4
"""Factor of the beam then, where the exact path costs more still: the farther half is found to 0.83."""
BUDGET_PER_SELECTIVITY = 0.6
"""Hidden rows one expansion may pass is this / selectivity, within the bounds: more finds no more until allowed rows
are scarce, and then costs time."""
LEAST_BUDGET, MOST_BUDGET = 32, 256
WIDEST = 4
"""Most by which dead rows widen the beam; a segment with more of them is due for compaction."""

# Costs in microseconds on one core of a 2023 server, where a random row waits for memory (2026-11, as above).
CALL_US = 60.0
ROW_US = 0.05
FLOAT_US = 0.0008
CODE_US = 0.00035
LIST_US = 0.02
MASKED_US = 400.0
"""What a mask adds besides: its bits, where to start, and less use of what is in the cache."""
BIT_US = 0.0005
MEASURED_PER_KEPT = 0.48
"""Rows measured per row of the beam, as a factor of M (759 for a beam of 100 and M 16)."""


class HnswIndex:
    """Approximate search over a graph. Immutable."""

    kind: ClassVar[str] = "hnsw"

    def __init__(
        self,
        vectors: VectorRows,
        space: Space,
        parameters: HnswParameters,
        graph: HnswGraph | None,
        magnitudes: Magnitudes,
        twins: Twins,
        codes: RowCodes,
        sketch: RowSketch,
    ) -> None:
        self._vectors = vectors
        self._space: Space = space
        self._parameters = parameters
        self._graph = graph  # None when the vectors are not fit for one
        self._magnitudes = magnitudes
        self._twins = twins
        self._marks = MarkPool(len(vectors))
        self._codes = codes
        self._sketch = sketch
        self._coded = CodedIndex(vectors, space, magnitudes, codes, sketch)
        self._searched = None if graph is None else _searched(vectors, magnitudes, graph, codes)

    @property
    def n_rows(self) -> int:
        """Rows covered."""
        return len(self._vectors)

    @classmethod
    def build(cls, vectors: Vectors, space: Space, params: Mapping[str, Any]) -> HnswIndex:
        """Insert every row into a new graph; see `VectorIndex.build`.

        Raises:
            InvalidConfigError: a parameter out of its bounds.
        """
        parameters = HnswParameters.of(params)
        magnitudes = Magnitudes.of(vectors, space)
        twins = Twins.of(vectors)
        inserted = twins.distinct(len(vectors))
        if not magnitudes.is_trusted:
            return cls(vectors, space, parameters, None, magnitudes, twins, RowCodes.none(), RowSketch.none())
        codes = _faithful(code_rows(vectors, space), vectors, space, inserted)
        sketching = Beside(lambda: RowSketch.of(vectors, space, codes))
        graph = build_graph(vectors, space, parameters, inserted, codes)
        return cls(vectors, space, parameters, graph, magnitudes, twins, codes, sketching.result())

    def extended(self, vectors: Vectors) -> HnswIndex | None:
        """Return a new index with the further rows inserted; this one does not change."""
        magnitudes = self._magnitudes.followed_by(vectors[self.n_rows :], self._space)
        twins = Twins.of(vectors)  # the first of equal rows is the original: those of the old graph stay
        if not magnitudes.is_trusted:
            nothing = RowCodes.none(), RowSketch.none()
            return HnswIndex(vectors, self._space, self._parameters, None, magnitudes, twins, *nothing)
        if self._graph is None:
            return None
        inserted = twins.distinct(len(vectors))
        held = self._codes if len(self._codes.values) else None
        codes = _faithful(code_rows(vectors, self._space, held), vectors, self._space, inserted)
        sketching = Beside(lambda: _sketched(vectors, self._space, codes, self._codes, self._sketch))
        graph = grown_graph(self._graph, vectors, self._space, self._parameters, inserted, codes)
        return HnswIndex(vectors, self._space, self._parameters, graph, magnitudes, twins, codes, sketching.result())

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store beside the vectors; `from_arrays` opens them again."""
        graph = self._graph.to_arrays() if self._graph is not None else {}
        return {**self._coded.to_arrays(), **self._twins.to_arrays(), **graph}

    @classmethod
    def from_arrays(
        cls, vectors: VectorRows, space: Space, params: Mapping[str, Any], arrays: Mapping[str, RowsOf[Any]]
    ) -> HnswIndex:
        """Open a stored index over the same vectors; of the parameters, only those of the search may differ.

        Raises:
            CorruptionError: the arrays are of an index over another number of rows.
        """
        graph = HnswGraph.from_arrays(arrays) if "links" in arrays else None
        if graph is not None and len(graph.links) != len(vectors):  # the kernels trust the links they are given
            raise CorruptionError(
                f"the stored graph links {len(graph.links)} rows, but there are {len(vectors)} vectors"
            )
        magnitudes, twins = Magnitudes.from_arrays(arrays), Twins.from_arrays(arrays)
        codes, sketch = RowCodes.from_arrays(arrays), RowSketch.from_arrays(arrays)
        return cls(vectors, space, HnswParameters.of(params), graph, magnitudes, twins, codes, sketch)

    def offers(self, request: VectorRequest) -> Sequence[Offer]:
        """Offer `masked_graph` for a filtered request and `graph` for any other; nothing when there is no graph."""
        if self._graph is None or not self.n_rows:
            return ()
        selectivity = max(request.n_matching, 1) / self.n_rows
        width = self._width(request.k, request.beam)
        if request.is_filtered:
            lists = width * min(_budget(selectivity), 1 + self._parameters.max_neighbors / (12 * selectivity))
            cost_us = MASKED_US + self._cost_us(width) + lists * LIST_US
            far_us = cost_us * FAR_WORTH
            reason = f"beam {width} over {request.n_matching} of {self.n_rows} rows"
            if request.is_far:
                cost_us, reason = far_us, f"{reason}, which avoid the query"
            graph = Offer(MASKED_GRAPH, cost_us, False, reason, far_us)
        else:
            widened = _widened(width, selectivity)
            graph = Offer(GRAPH, self._cost_us(widened), False, f"beam {widened} over {self.n_rows} rows")
        return (graph, *self._coded.offers(request))

    def probe(self, query: Vectors, mask: Mask) -> Probe:
        """Look at the neighbours, and theirs, of the row where a search would begin."""
        bits = allowed_bits(mask, self.n_rows)
        selectivity = int(np.count_nonzero(bits)) / max(1, self.n_rows)
        if self._searched is None or not self.n_rows:
            return Probe(selectivity, is_far=False)
        space = SPACE_CODES[self._space]
        target = unit_vectors(query[None])[0] if self._space == "cosine" else query
        near, _ = graph_search.descend(self._searched, target, space)
        share = graph_search.share_around(self._searched.links, self._twins.bits_of_originals(bits), near)
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
        """Return the nearest rows found, at least k if the beam met so many; see `VectorIndex.search`."""
        if self._graph is None or self._searched is None or not self.n_rows:
            return [Candidates.empty() for _ in queries]
        if strategy in (CODED_SCAN, SKETCH_SCAN):
            return self._coded.search(queries, k, mask, strategy, beam, within)
        width = self._width(k, beam)
        targets = unit_vectors(queries) if self._space == "cosine" else queries
        bits = None if mask is None or (mask.is_all and mask.n >= self.n_rows) else allowed_bits(mask, self.n_rows)
        if bits is None or mask is None:
            found = [self._plain(target, width) for target in targets]
        else:
            n_allowed = int(np.count_nonzero(bits))
            if not n_allowed:
                return [Candidates.empty() for _ in queries]
            nodes = self._twins.bits_of_originals(bits)
            if strategy == MASKED_GRAPH:
                starts = self._twins.originals_of(spread_rows(mask, bits, n_allowed, SPREAD_STARTS))
                found = [self._masked(target, width, nodes, n_allowed, starts) for target in targets]
            else:
                widened = min(_widened(width, n_allowed / self.n_rows), self.n_rows)
                found = [_kept(self._plain(target, widened), nodes, width) for target in targets]
        return [self._answer(one, k, query, bits) for one, query in zip(found, queries, strict=True)]

    def _answer(self, found: Found, k: int, query: Vectors, bits: Bits | None) -> Candidates:
        rows, estimates = self._twins.expanded(found.rows, found.distances, bits, k)
        distances = estimates.astype(np.float64)
        slack = rounding_slack(query, self._vectors.shape[1], self._space, self._magnitudes.longest)
        kept = first_with_near_ties(distances, k, slack)
        return Candidates(rows[:kept], distances[:kept], exact=False, visited=found.n_measured)

    @property
    def _has_codes(self) -> bool:
        return len(self._codes.values) > 0

    def _width(self, k: int, beam: int) -> int:
        return min(max(k, beam, self._parameters.ef_search), self.n_rows)

    def _cost_us(self, width: int) -> float:
        n_measured = min(width * self._parameters.max_neighbors * MEASURED_PER_KEPT, self.n_rows)
        vector_us = self._vectors.shape[1] * FLOAT_US
        row_us = self._vectors.shape[1] * CODE_US if self._has_codes else vector_us
        row_us += ROW_US
        return CALL_US + self.n_rows * BIT_US + n_measured * row_us + (width * vector_us if self._has_codes else 0.0)

    def _plain(self, target: Vectors, width: int) -> Found:
        """Search all nodes with a beam of `width`."""
        assert self._searched is not None
        with self._marks.borrow() as (marks, mark):
            return graph_search.search(self._searched, target, SPACE_CODES[self._space], width, marks, mark)

    def _masked(
        self,
        target: Vectors,
        width: int,
        bits: Bits,
        n_allowed: int,
        starts: NDArray[np.int64],
    ) -> Found:
        """Search the allowed nodes with a beam of `width`."""
        assert self._searched is not None
        space = SPACE_CODES[self._space]
        near, n_passed = graph_search.descend(self._searched, target, space)
        share, selectivity = graph_search.share_around(self._searched.links, bits, near), n_allowed / self.n_rows
        degree, budget = float(self._parameters.max_neighbors), _budget(selectivity)
        if share < FAR_SHARE * selectivity:
            degree, budget, width = degree * FAR_DEGREE, budget * FAR_BUDGET, min(width * FAR_WIDTH, self.n_rows)
        elif share < SCARCE_SHARE:
            degree *= SCARCE_DEGREE
        starts = np.concatenate([np.array([near]), starts])
        with self._marks.borrow() as (marks, mark):
            found = graph_search.masked_search(
                self._searched, target, space, bits, starts, width, round(degree), budget, marks, mark
            )
        return Found(found.rows, found.distances, found.n_measured + n_passed)


def _sketched(vectors: Vectors, space: Space, codes: RowCodes, held: RowCodes, sketch: RowSketch) -> RowSketch:
    """Return sketches of rows, of which the first have some if the codes are around the same centre."""
    if len(sketch.values) and codes.centre is held.centre:
        return sketch.extended(vectors, space, codes)
    return RowSketch.of(vectors, space, codes)


def _faithful(codes: RowCodes, vectors: Vectors, space: Space, inserted: NDArray[np.int64]) -> RowCodes:
    """Return codes as they are, or none where they would mislead a walk over the graph."""
    is_good = len(codes.values) > 0 and codes.are_faithful(vectors, space, inserted)
    return codes if is_good else RowCodes.none()


def _searched(vectors: VectorRows, magnitudes: Magnitudes, graph: HnswGraph, codes: RowCodes) -> Graph:
    return Graph(
        _in_memory(vectors),
        frozen(magnitudes.inverse),
        _in_memory(graph.links),
        frozen(graph.upper_links),
        frozen(graph.upper_start()),
        _in_memory(codes.values),
        codes.scales,
        codes.offsets,
        codes.centre,
        graph.entry,
        graph.n_layers,
    )


def _in_memory(rows: RowsOf[Scalar]) -> RowsOf[Scalar]:
    """Make a view of an array in memory that each search takes as it is; rows of a file are not read yet."""
    return frozen(rows) if isinstance(rows, np.ndarray) else rows


def _kept(found: Found, bits: Bits, count: int) -> Found:
    """Return the first `count` found nodes that are allowed."""
    kept = np.flatnonzero(bits[found.rows])[:count]
    return Found(found.rows[kept], found.distances[kept], found.n_measured)


def _widened(width: int, live_share: float) -> int:
    return math.ceil(width * min(1.0 / live_share, WIDEST))


def _budget(selectivity: float) -> int:
    return round(min(max(BUDGET_PER_SELECTIVITY / selectivity, LEAST_BUDGET), MOST_BUDGET))
