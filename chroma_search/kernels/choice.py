"""Which version of a kernel runs: numpy for small data and for the first queries of a process, numba for the rest.

numba costs 2.7 s and 100 MB from its import to the first result. So data that numpy searches in well under a
millisecond are left to numpy as long as nothing else has loaded numba; and a process begins with numpy, which gives the
same answers, and loads numba when the work done without it has cost as much as loading it (then the wait is at most
doubled, whatever comes: the rule of the ski rental problem). A program of a few queries never pays for it.

`CHROMA_SEARCH_KERNELS=numpy` switches the compiled kernels off, `=numba` loads them at their first use (read once).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import centroid_list, coded_scan, distance, graph_search, posting, sketch_scan
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.graph_search import Bits, Code, Found, Graph, Links, Marks
from chroma_search.kernels.sketch_scan import SketchedRows, SketchedTarget

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

WORTH_ELEMENTS = 2**20
"""Floats of a matrix for which the compiled kernels are loaded: numpy scans a million in about 0.5 ms."""

_DISTANCE_TWIN = "chroma_search.kernels.distance_numba"

LOADING_US = 2_700_000.0
"""From the import of numba to the first result of a kernel from its cache (2026-11, Xeon)."""
NUMPY_ELEMENT_US = 0.0015
"""What numpy takes per element of a scan, by vectors or by codes."""
_spent_us = 0.0


class DistanceKernels(Protocol):
    """What `distance` and `distance_numba` both offer."""

    def l2_all(self, vectors: RowsOf[np.float32], query: Floats) -> Floats: ...  # noqa: D102 - see the reference module
    def l2_rows(self, vectors: RowsOf[np.float32], rows: Ints, query: Floats) -> Floats: ...  # noqa: D102
    def dot_all(self, vectors: RowsOf[np.float32], query: Floats) -> Floats: ...  # noqa: D102
    def dot_rows(self, vectors: RowsOf[np.float32], rows: Ints, query: Floats) -> Floats: ...  # noqa: D102


class PostingKernels(Protocol):
    """What `posting` and `posting_numba` both offer."""

    def weighted_sums(  # noqa: D102 - see the reference module
        self,
        starts: Ints,
        ends: Ints,
        rows: NDArray[np.int32],
        weights: Floats,
        factors: NDArray[np.float64],
        n_rows: int,
    ) -> tuple[Ints, NDArray[np.float64]]: ...


class GraphKernels(Protocol):
    """What `graph_search` and `graph_search_numba` both offer."""

    def coded_query(self, query: Floats, centre: Floats, space: int) -> tuple[Code, np.float32]: ...  # noqa: D102
    def descend(self, graph: Graph, query: Floats, space: int) -> tuple[int, int]: ...  # noqa: D102 - see the reference
    def share_around(self, links: RowsOf[np.int32], bits: Bits, row: int) -> float: ...  # noqa: D102
    def search(  # noqa: D102
        self, graph: Graph, query: Floats, space: int, width: int, marks: Marks, mark: int
    ) -> Found: ...
    def masked_search(  # noqa: D102
        self,
        graph: Graph,
        query: Floats,
        space: int,
        bits: Bits,
        starts: Ints,
        width: int,
        degree: int,
        budget: int,
        marks: Marks,
        mark: int,
    ) -> Found: ...


class CodedScanKernels(Protocol):
    """What `coded_scan` and `coded_scan_numba` both offer."""

    def in_reach(  # noqa: D102 - see the reference
        self, of: CodedRows, target: CodedTarget, rows: Ints, k: int, within: np.float32
    ) -> Ints: ...


class SketchScanKernels(Protocol):
    """What `sketch_scan` and `sketch_scan_numba` both offer."""

    def not_ruled_out(  # noqa: D102
        self,
        sketched: SketchedRows,
        sketch: SketchedTarget,
        coded: CodedRows,
        target: CodedTarget,
        rows: Ints,
        k: int,
        within: np.float32,
    ) -> Ints: ...


class CentroidListKernels(Protocol):
    """What `centroid_list` and `centroid_list_numba` both offer."""

    def lists_with_match(self, offsets: Ints, rows: Links, bits: Bits) -> Bits: ...  # noqa: D102
    def rows_in_lists(  # noqa: D102
        self, offsets: Ints, rows: Links, lists: Ints, bits: Bits, marks: Marks, mark: int
    ) -> Ints: ...
    def replicas(  # noqa: D102
        self, near: Ints, distances: Floats, centroids: Floats, count: int, reach: float, factor: float
    ) -> Links: ...


@functools.cache
def has_numba() -> bool:
    """Tell whether the compiled kernels can be used (numba is installed and not switched off); imports nothing."""
    return os.environ.get("CHROMA_SEARCH_KERNELS") != "numpy" and importlib.util.find_spec("numba") is not None


@functools.cache
def _compiled(name: str) -> Any:
    """Import a compiled twin once; the import statement itself would cost microseconds in each search."""
    return importlib.import_module(f"chroma_search.kernels.{name}")  # imports numba


def is_compiled_worth(work_us: float) -> bool:
    """Tell whether compiled kernels shall run, and note the work that numpy does otherwise.

    Args:
        work_us: what numpy takes for the work at hand, in microseconds.
    """
    global _spent_us
    if not has_numba():
        return False
    if _spent_us >= LOADING_US or "numba" in sys.modules or _is_forced():
        return True
    _spent_us += work_us
    return False


@functools.cache
def _is_forced() -> bool:
    return os.environ.get("CHROMA_SEARCH_KERNELS") == "numba"


def distance_kernels(n_elements: int) -> DistanceKernels:
    """Return the distance kernels for a matrix of `n_elements` floats.

    Those that are loaded already also take the smallest: one row of 384 in 2 us instead of 8, a tail of 2,000 rows in
    0.16 ms instead of 0.76 (2026-11).
    """
    if n_elements < WORTH_ELEMENTS:
        return _compiled("distance_numba") if _DISTANCE_TWIN in sys.modules and has_numba() else distance
    if not is_compiled_worth(n_elements * NUMPY_ELEMENT_US):
        return distance
    return _compiled("distance_numba")


def posting_kernels(n_postings: int) -> PostingKernels:
    """Return the posting kernels for an index of `n_postings` postings."""
    if n_postings < WORTH_ELEMENTS or not has_numba():
        return posting
    return _compiled("posting_numba")


def graph_kernels(work_us: float) -> GraphKernels:
    """Return the graph search kernels for a search that takes numpy `work_us`."""
    if not is_compiled_worth(work_us):
        return graph_search
    return _compiled("graph_search_numba")


def coded_scan_kernels(n_elements: int) -> CodedScanKernels:
    """Return the kernels over codes, for `n_elements` elements of rows to look at."""
    if not is_compiled_worth(n_elements * NUMPY_ELEMENT_US):
        return coded_scan
    return _compiled("coded_scan_numba")


def sketch_scan_kernels(n_elements: int) -> SketchScanKernels:
    """Return the kernels over sketches, for `n_elements` elements of sketches to look at."""
    if not is_compiled_worth(n_elements * NUMPY_ELEMENT_US):
        return sketch_scan
    return _compiled("sketch_scan_numba")


def centroid_list_kernels(n_elements: int) -> CentroidListKernels:
    """Return the kernels for lists over a matrix of `n_elements` floats."""
    if n_elements < WORTH_ELEMENTS or not has_numba():
        return centroid_list
    return _compiled("centroid_list_numba")
