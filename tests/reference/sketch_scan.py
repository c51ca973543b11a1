"""Which rows a sketch does not rule out, in numpy: see `chroma_search/kernels/sketch_scan.py`."""

from __future__ import annotations

import numpy as np

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.graph_search import Code, Floats, Rows
from chroma_search.kernels.sketch_scan import HALF, SEEDS_PER_ROW, SketchedRows, SketchedTarget
from tests.reference.coded_scan import estimates_of


def not_ruled_out(
    sketched: SketchedRows,
    sketch: SketchedTarget,
    coded: CodedRows,
    target: CodedTarget,
    rows: Rows,
    k: int,
    within: np.float32,
) -> Rows:
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


def _products(codes: RowsOf[np.int8], rows: Rows, code: Code) -> Floats:
    products = np.empty(len(rows), np.float32)
    wide = code.astype(np.float64)  # sums of float64 are exact here
    for block in row_blocks(len(rows), HALF):
        products[block] = codes[rows[block]].astype(np.float64) @ wide
    return products


def _errors(residuals: Floats, rests: Floats, slopes: Floats) -> Floats:
    return residuals * slopes[0] + rests * slopes[1] + slopes[2]
