"""Which rows a sketch does not rule out of the k nearest to a query.

One pass reads the first half of each sketch; the rows that look nearest are measured by their codes, which bounds the
k-th smallest distance. Rows whose least possible distance is above that bound are ruled out, by the first half of the
sketch or by all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chroma_search.kernels import compiled
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.graph_search import Code, Floats, Rows

HALF = 64
"""Elements of half a sketch: one cache line. Compiled loops over them are unrolled, which made them 3x as fast."""
SEEDS_PER_ROW = 4
"""Rows measured per row wanted, to bound the k-th distance: with one, a third more rows were not ruled out."""


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


def not_ruled_out(
    sketched: SketchedRows,
    sketch: SketchedTarget,
    coded: CodedRows,
    target: CodedTarget,
    rows: Rows,
    k: int,
    within: np.float32,
) -> Rows:
    """Return the rows that may be among the k nearest, by their sketches.

    Args:
        sketched, sketch: sketches of the rows and of the query.
        coded, target: codes of the same rows and of the query.
        rows: int64, ascending: rows to look at, more than k of them; empty for all.
        k: rows wanted, >= 1.
        within: rows with a larger least possible estimate are not wanted either.

    Returns:
        int64, ascending; k rows at least, but for those.
    """
    return compiled.not_ruled_out(sketched, sketch, coded, target, rows, k, within)
