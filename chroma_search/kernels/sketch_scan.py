"""Which rows a sketch does not rule out of the k nearest to a query.

One pass reads the first half of each sketch; the rows that look nearest are measured by their vectors, which bounds the
k-th smallest distance. Rows whose least possible distance is above that bound are ruled out, by the first half of the
sketch or by all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chroma_search.kernels import compiled
from chroma_search.kernels.checked_rows import RowsOf, VectorRows
from chroma_search.kernels.graph_search import Code, Floats, Rows

HALF = 64
"""Elements of half a sketch: one cache line. Compiled loops over them are unrolled, which made them 3x as fast."""
SEEDS_PER_ROW = 4
"""Rows measured per row wanted, to bound the k-th distance: 16 ruled out 1 % more (2026-11, Fashion-MNIST)."""


class SketchedRows(NamedTuple):
    """Sketches of rows, as the kernels read them.

    Attributes:
        first: int8, shape (n, HALF): the first half of each.
        first_terms: float32, shape (n, 4): the part of the distance that does not depend on the query; what one step of
            the sketch is worth; norm of what the steps of the first half leave out of it; norm of the row without it.
        second: int8, shape (n, HALF).
        second_terms: float32, shape (n, 2): the norms of `first_terms`, of the whole sketch.
    """

    first: RowsOf[np.int8]
    first_terms: RowsOf[np.float32]
    second: RowsOf[np.int8]
    second_terms: RowsOf[np.float32]


class SketchedTarget(NamedTuple):
    """A query and the error of its estimates: at most `residual * slope + rest * rest_slope + slack`.

    Attributes:
        code, factor: of the sketch of the query, see `graph_search.coded_query`; two halves.
        first_slopes: float32, shape (3,): slope, rest_slope and slack of estimates by the first half.
        slopes: the same of estimates by the whole sketch.
    """

    code: Code
    factor: np.float32
    first_slopes: Floats
    slopes: Floats


class Measure(NamedTuple):
    """How rows are measured by their vectors.

    Attributes:
        vectors: float32, shape (n, dim).
        inverse: float32, shape (n,), 1 / norm in the cosine space; not read in the others.
        query: float32, shape (dim,); of unit length in the cosine space.
        space: of `graph_search.SPACE_CODES`.
        growth, shift: a row measured at a distance d has an estimate of d * growth + shift at most.
    """

    vectors: VectorRows
    inverse: Floats
    query: Floats
    space: int
    growth: float
    shift: float


def not_ruled_out(
    sketched: SketchedRows, sketch: SketchedTarget, measure: Measure, rows: Rows, k: int, within: np.float32
) -> tuple[Rows, float]:
    """Return the rows that may be among the k nearest, by their sketches, and what bounds their estimates.

    Args:
        sketched, sketch: sketches of the rows and of the query.
        measure: the same rows and query as they are.
        rows: int64, ascending: rows to look at, more than k of them; empty for all.
        k: rows wanted, >= 1.
        within: rows with a larger least possible estimate are not wanted either.

    Returns:
        int64, ascending; and the largest least possible estimate that a row wanted can have.
    """
    return compiled.not_ruled_out(sketched, sketch, measure, rows, k, within)
