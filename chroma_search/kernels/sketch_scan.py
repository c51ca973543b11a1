"""Which rows a sketch does not rule out of the k nearest to a query: the numpy reference.

One pass reads the first half of each sketch; the rows that look nearest are measured by their codes, which bounds the
k-th smallest distance. Rows whose least possible distance is above that bound are ruled out, by the first half of the
sketch or by all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget, estimates_of
from chroma_search.kernels.graph_search import Code, Codes, Floats, Rows

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

    first: Codes
    first_terms: Floats
    second: Codes
    second_terms: Floats


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
    chosen = rows if len(rows) else np.arange(len(sketched.first))
    offsets, scales, residuals, rests = sketched.first_terms[chosen].T
    estimates = offsets - sketch.factor * scales * _products(sketched.first, chosen, sketch.code[:HALF])
    least = estimates - _errors(residuals, rests, sketch.first_slopes)
    n_seeds = min(SEEDS_PER_ROW * k, len(chosen))
    measured, off = estimates_of(coded, target, chosen[np.argpartition(estimates, n_seeds - 1)[:n_seeds]])
    limit = min(np.partition(measured + off, k - 1)[k - 1], within)
    left = np.flatnonzero(least <= limit)
    estimates = estimates[left] - sketch.factor * scales[left] * _products(
        sketched.second, chosen[left], sketch.code[HALF:]
    )
    residuals, rests = sketched.second_terms[chosen[left]].T
    return chosen[left[estimates - _errors(residuals, rests, sketch.slopes) <= limit]]


def _products(codes: Codes, rows: Rows, code: Code) -> Floats:
    products = np.empty(len(rows), np.float32)
    wide = code.astype(np.float64)  # sums of float64 are exact here
    for block in row_blocks(len(rows), HALF):
        products[block] = codes[rows[block]].astype(np.float64) @ wide
    return products


def _errors(residuals: Floats, rests: Floats, slopes: Floats) -> Floats:
    return residuals * slopes[0] + rests * slopes[1] + slopes[2]
