"""Types of the compiled kernels; what they mean is said in the modules beside this one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.coded_scan import CodedRows, MeasuredRows, SketchedRows
from chroma_search.kernels.graph_build import BuildPoints
from chroma_search.kernels.graph_search import Graph

_Bits = NDArray[np.bool_]
_Doubles = NDArray[np.float64]
_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]
_Marks = NDArray[np.uint8]
_Rows = NDArray[np.int64]

INSTRUCTIONS: str  # that the innermost loops were chosen for: "baseline", "avx2" or "avx512"

class GraphBuilder:
    def __init__(
        self, points: BuildPoints, links: _Ints, upper_links: _Ints, levels: _Ints, entry: int, ef_construction: int
    ) -> None: ...
    def insert(self, rows: _Rows) -> None: ...
    @property
    def entry(self) -> int: ...

def coded_query(query: _Floats, centre: _Floats, space: int) -> tuple[NDArray[np.int16], float]: ...
def descend(graph: Graph, query: _Floats, space: int) -> tuple[int, int]: ...
def share_around(links: RowsOf[np.int32], bits: _Bits, row: int) -> float: ...
def search(
    graph: Graph, query: _Floats, space: int, width: int, marks: _Marks, mark: int
) -> tuple[_Rows, _Floats, int]: ...
def masked_search(
    graph: Graph,
    query: _Floats,
    space: int,
    bits: _Bits,
    starts: _Rows,
    width: int,
    degree: int,
    budget: int,
    marks: _Marks,
    mark: int,
) -> tuple[_Rows, _Floats, int]: ...
def l2_all(vectors: RowsOf[np.float32], query: _Floats) -> _Floats: ...
def l2_rows(vectors: RowsOf[np.float32], rows: _Rows, query: _Floats) -> _Floats: ...
def dot_all(vectors: RowsOf[np.float32], query: _Floats) -> _Floats: ...
def dot_rows(vectors: RowsOf[np.float32], rows: _Rows, query: _Floats) -> _Floats: ...
def exact_distances(vectors: _Floats, query: _Floats, space: int) -> _Doubles: ...
def in_reach(
    measured: MeasuredRows,
    coded: CodedRows,
    sketched: SketchedRows,
    point: _Floats,
    rows: _Rows,
    bits: _Bits,
    k: int,
    within: float,
    unlikely: float,
) -> tuple[_Rows, _Floats, tuple[int, int, int]] | None: ...
def turned(vector: _Floats, width: int) -> _Floats: ...
def signs_of(rows: _Floats, width: int) -> NDArray[np.uint8]: ...
def weighted_sums(
    starts: _Rows, ends: _Rows, rows: _Ints, weights: _Floats, factors: _Doubles, n_rows: int
) -> tuple[_Rows, _Doubles]: ...
def bm25_scores(lists: Sequence[tuple[_Ints, _Ints, float]], norms: _Doubles, k1: float) -> tuple[_Rows, _Doubles]: ...
def lists_with_match(offsets: _Rows, rows: _Ints, bits: _Bits) -> _Bits: ...
def rows_in_lists(offsets: _Rows, rows: _Ints, lists: _Rows, bits: _Bits, marks: _Marks, mark: int) -> _Rows: ...
def replicas(near: _Rows, distances: _Floats, centroids: _Floats, count: int, reach: float, factor: float) -> _Ints: ...
