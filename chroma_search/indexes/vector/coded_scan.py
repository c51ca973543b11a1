"""The exact scan over codes: which rows could be among the k nearest, by estimates with a proven error bound.

A code leaves out of its row a residual of known norm r, and a query's code a residual of norm r_q. With z the centred
row and t the query (centred in l2), the product z.t differs from that of the codes by at most r|t| + (|z| + r) r_q
(Cauchy-Schwarz), which every distance inherits; roundings of float32 add a few units of the last place of the squares
of these norms. A row stays when its smallest possible distance is no more than the k-th smallest of the largest
possible ones. What stays, usually a few per cent, is scanned by its vectors (`exact_scan`): so the answer is exact, for
a quarter of the memory traffic (60,000 x 784: see benchmarks/ann).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.codes import RowCodes
from chroma_search.indexes.vector.exact_scan import SMALLEST_NORMAL, UNIT_ROUNDOFF
from chroma_search.kernels.choice import coded_scan_kernels, graph_kernels
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.graph_search import SPACE_CODES
from chroma_search.model.distance import Space, Vectors

Rows = NDArray[np.int64]

ROUNDINGS = 64
"""Units of the last place: centring and coding of row and query, the estimate, the exact measure itself (about 20)."""
LARGEST_SQUARE = 2.0**120
"""Sum of norms, squared, above which an estimate could leave float32."""
MOST_WANTED = 1_000
"""Rows wanted above which the plain scan is taken: keeping the best in order would take longer than it saves."""
NO_ROWS = np.empty(0, np.int64)


def rows_in_reach(codes: RowCodes, point: Vectors, space: Space, k: int, rows: Rows | None) -> Rows | None:
    """Return the rows that could be among the k nearest.

    Args:
        codes: of all rows.
        point: float32, shape (dim,); of unit length in the cosine space.
        space: distance space.
        k: rows wanted, >= 1.
        rows: int64, ascending: the rows to look at; None for all.

    Returns:
        int64, ascending; or `rows` as they are when the query cannot be coded.
    """
    n = len(codes.values) if rows is None else len(rows)
    if n <= k or k > MOST_WANTED:
        return rows
    code, factor = graph_kernels(0.0).coded_query(point, codes.centre, SPACE_CODES[space])
    if not len(code):
        return rows
    target = (point - codes.centre if space == "l2" else point).astype(np.float64)
    weight = 2.0 if space == "l2" else 1.0
    left_out = target - code * (float(factor) / weight)
    length, lost = math.sqrt(target @ target), math.sqrt(left_out @ left_out)
    square = (codes.longest * 2 + length + lost + (codes.centre_length if space != "l2" else 0.0)) ** 2
    if square > LARGEST_SQUARE:
        return rows
    unit = 0.0 if space == "l2" else 1.0  # the measure itself is 1 - product, and rounded
    slack = weight * codes.longest * lost + ROUNDINGS * UNIT_ROUNDOFF * (square + unit) + len(code) * SMALLEST_NORMAL
    coded = CodedTarget(code, factor, np.float32(weight * (length + lost)), np.float32(slack))
    of = CodedRows(codes.values, codes.scales, codes.offsets, codes.residuals)
    return coded_scan_kernels(n * len(point)).in_reach(of, coded, NO_ROWS if rows is None else rows, k)
