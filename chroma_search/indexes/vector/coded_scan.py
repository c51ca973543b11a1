"""The exact scan over codes: which rows could be among the k nearest, by estimates with a proven error bound.

A code leaves out of its row a residual of known norm r, and a query's code a residual of norm r_q. With z the centred
row and t the query (centred in l2), the product z.t differs from that of the codes by at most r|t| + (|z| + r) r_q
(Cauchy-Schwarz), which every distance inherits; roundings of float32 add a few units of the last place of the squares
of these norms. A row stays when its smallest possible distance is no more than the k-th smallest of the largest
possible ones. What stays, usually a few per cent, is scanned by its vectors (`exact_scan`): so the answer is exact, for
a quarter of the memory traffic (60,000 x 784: see benchmarks/ann). Long vectors have sketches besides (`sketch`), by
which most rows are ruled out before even their codes are read.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.codes import ROUNDED_UP, RowCodes
from chroma_search.indexes.vector.exact_scan import SMALLEST_NORMAL, UNIT_ROUNDOFF, Scanned, error_factor
from chroma_search.indexes.vector.sketch import N_AXES, RowSketch
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget, in_reach
from chroma_search.kernels.graph_search import SPACE_CODES, coded_query
from chroma_search.kernels.sketch_scan import HALF, Measure, SketchedRows, SketchedTarget, not_ruled_out
from chroma_search.model.distance import Space, Vectors

Rows = NDArray[np.int64]

ROUNDINGS = 64
"""Units of the last place: centring and coding of row and query, the estimate, the exact measure itself (about 20)."""
LARGEST_SQUARE = 2.0**120
"""Sum of norms, squared, above which an estimate could leave float32."""
MOST_WANTED = 1_000
"""Rows wanted above which the plain scan is taken: keeping the best in order would take longer than it saves."""
LARGEST = 1e38
"""Of a limit: beyond it no estimate is left out, short of it none can be."""
NO_ROWS, NO_FLOATS = np.empty(0, np.int64), np.empty(0, np.float32)


def rows_in_reach(
    of: Scanned,
    codes: RowCodes,
    sketch: RowSketch,
    point: Vectors,
    k: int,
    rows: Rows | None,
    within: float = math.inf,
) -> Rows | None:
    """Return the rows that could be among the k nearest.

    Args:
        of: the vectors; in the cosine space, with the inverse of their norms.
        codes: of all rows.
        sketch: of all rows, or none.
        point: float32, shape (dim,); of unit length in the cosine space.
        k: rows wanted, >= 1.
        rows: int64, ascending: the rows to look at; None for all.
        within: a distance; rows that are surely farther may be left out, too.

    Returns:
        int64, ascending; or `rows` as they are when the query cannot be coded.
    """
    n, space = len(codes.values) if rows is None else len(rows), of.space
    if n <= k or k > MOST_WANTED:
        return rows
    code, factor = coded_query(point, codes.centre, SPACE_CODES[space])
    if not len(code):
        return rows
    target = point - codes.centre if space == "l2" else point
    weight = 2.0 if space == "l2" else 1.0
    length = _length(target)
    lost = _lost(length, len(code), factor, weight)
    square = (codes.longest * 2 + length + lost + (codes.centre_length if space != "l2" else 0.0)) ** 2
    if square > LARGEST_SQUARE:
        return rows
    unit = 0.0 if space == "l2" else 1.0  # the measure itself is 1 - product, and rounded
    rounding = ROUNDINGS * UNIT_ROUNDOFF * (square + unit) + len(code) * SMALLEST_NORMAL
    slack = weight * codes.longest * lost + rounding
    coded = CodedTarget(code, factor, np.float32(weight * (length + lost)), np.float32(slack))
    limit = _estimate_at(within, target, codes, space) + rounding
    largest = np.float32(min(max(limit, -LARGEST), LARGEST)) if limit < math.inf else np.float32(np.inf)
    chosen = NO_ROWS if rows is None else rows
    if len(sketch.first):
        sketched = SketchedRows(sketch.first, sketch.first_terms, sketch.second, sketch.second_terms)
        aim = _sketched(target, sketch, codes.longest, space, rounding)
        chosen, limit = not_ruled_out(sketched, aim, _measure(of, codes, target, point, rounding), chosen, k, largest)
        if len(chosen) <= k:
            return chosen
        largest = np.float32(limit)
    coded_rows = CodedRows(codes.values, codes.scales, codes.offsets, codes.residuals)
    return in_reach(coded_rows, coded, chosen, k, largest)


def _measure(of: Scanned, codes: RowCodes, target: Vectors, point: Vectors, rounding: float) -> Measure:
    """Return how to measure rows, and what bounds the estimate of one that was (see `exact_scan`)."""
    factor = error_factor(len(point))
    shift = _estimate_at(0.0, target, codes, of.space) + rounding
    if of.space == "l2":
        growth = 1.0 / (1.0 - factor)
    else:
        growth = 1.0
        shift += factor * (codes.longest + codes.centre_length) * _length(point)
    inverse = of.norms.inverse if of.space == "cosine" and of.norms is not None else NO_FLOATS
    return Measure(of.vectors, inverse, point, SPACE_CODES[of.space], growth, shift)


def _estimate_at(distance: float, target: Vectors, codes: RowCodes, space: Space) -> float:
    """Return the estimate that a row at this distance has, but for errors: estimates leave out what all rows share."""
    wide = target.astype(np.float64)
    if space == "l2":
        return distance - float(wide @ wide)
    return distance - 1.0 + float(wide @ codes.centre)


def _sketched(target: Vectors, sketch: RowSketch, longest: float, space: Space, rounding: float) -> SketchedTarget:
    """Return the query as sketches are compared with it, and what bounds the error (see `sketch`)."""
    along = target @ sketch.axes
    code, factor = coded_query(along, np.zeros(N_AXES, np.float32), SPACE_CODES[space])
    weight, length = 2.0 if space == "l2" else 1.0, _length(target)
    reached = _length(along)
    lost = _lost(reached, N_AXES, factor, weight)
    slack = weight * longest * (1.02 * lost + 4 * sketch.blur * length) + rounding  # 1.02: the sketch of a row, rounded
    slopes: list[Vectors] = []
    for kept in (_length(along[:HALF]), reached):
        rest = math.sqrt(max(length**2 - kept**2, 0.0) + 4 * sketch.blur * length**2)
        slopes.append(np.array([weight * (kept + lost), weight * rest * ROUNDED_UP, slack], np.float32))
    return SketchedTarget(code, factor, slopes[0], slopes[1])


def _length(vector: Vectors) -> float:
    wide = vector.astype(np.float64)
    return math.sqrt(wide @ wide)


def _lost(length: float, dim: int, factor: np.float32, weight: float) -> float:
    """Return a bound on the norm of what the code of a query of this length leaves out: half a step per element."""
    return 0.51 * math.sqrt(dim) * float(factor) / weight if length > 0 else 0.0  # 0.01: the division is rounded
