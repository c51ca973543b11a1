"""Which version of a kernel runs: decided once per process, from what is installed.

numba costs 0.8 s and 190 MB to import, so collections that numpy searches in well under a millisecond are left to
numpy: each function takes the size of the data. `CHROMA_SEARCH_KERNELS=numpy` switches the compiled kernels off (read
once, when the first kernel is chosen).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import centroid_list, coded_scan, distance, graph_search, posting
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.graph_search import Bits, Code, Found, Graph, Links, Marks

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

WORTH_ELEMENTS = 2**20
"""Floats of a matrix from which the compiled kernels are used: numpy scans a million in about 0.5 ms."""


class DistanceKernels(Protocol):
    """What `distance` and `distance_numba` both offer."""

    def l2_all(self, vectors: Floats, query: Floats) -> Floats: ...  # noqa: D102 - see the reference module
    def l2_rows(self, vectors: Floats, rows: Ints, query: Floats) -> Floats: ...  # noqa: D102
    def dot_all(self, vectors: Floats, query: Floats) -> Floats: ...  # noqa: D102
    def dot_rows(self, vectors: Floats, rows: Ints, query: Floats) -> Floats: ...  # noqa: D102


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
    def share_around(self, links: Links, bits: Bits, row: int) -> float: ...  # noqa: D102
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

    def in_reach(self, of: CodedRows, target: CodedTarget, rows: Ints, k: int) -> Ints: ...  # noqa: D102 - see the reference


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


def distance_kernels(n_elements: int) -> DistanceKernels:
    """Return the distance kernels for a matrix of `n_elements` floats."""
    if n_elements < WORTH_ELEMENTS or not has_numba():
        return distance
    return _compiled("distance_numba")


def posting_kernels(n_postings: int) -> PostingKernels:
    """Return the posting kernels for an index of `n_postings` postings."""
    if n_postings < WORTH_ELEMENTS or not has_numba():
        return posting
    return _compiled("posting_numba")


def graph_kernels() -> GraphKernels:
    """Return the graph search kernels: the graph kinds are for collections where numba is always worth its import."""
    if not has_numba():
        return graph_search
    return _compiled("graph_search_numba")


def coded_scan_kernels() -> CodedScanKernels:
    """Return the kernels over codes: rows have codes only where a graph is worth the import of numba."""
    if not has_numba():
        return coded_scan
    return _compiled("coded_scan_numba")


def centroid_list_kernels(n_elements: int) -> CentroidListKernels:
    """Return the kernels for lists over a matrix of `n_elements` floats."""
    if n_elements < WORTH_ELEMENTS or not has_numba():
        return centroid_list
    return _compiled("centroid_list_numba")
