"""Which rows a sketch does not rule out, in numpy: see `chroma_search/kernels/sketch_scan.py`."""

from __future__ import annotations

import numpy as np

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.graph_search import SPACE_CODES, Code, Floats, Rows
from chroma_search.kernels.sketch_scan import HALF, SEEDS_PER_ROW, Measure, SketchedRows, SketchedTarget


def not_ruled_out(
    sketched: SketchedRows, sketch: SketchedTarget, measure: Measure, rows: Rows, k: int, within: np.float32
) -> tuple[Rows, float]:
    chosen = rows if len(rows) else np.arange(len(sketched.first))
    offsets, scales, residuals, rests = sketched.first_terms[chosen].T
    estimates = offsets - sketch.factor * scales * _products(sketched.first, chosen, sketch.code[:HALF])
    least = estimates - _errors(residuals, rests, sketch.first_slopes)
    seeds = chosen[np.argsort(estimates, kind="stable")[: SEEDS_PER_ROW * k]]
    kth = np.sort(_distances(measure, seeds))[k - 1].astype(np.float64)
    largest = np.nextafter(np.float32(kth * measure.growth + measure.shift), np.float32(np.inf))
    limit = min(largest, within)
    left = np.flatnonzero(least <= limit)
    estimates = estimates[left] - sketch.factor * scales[left] * _products(
        sketched.second, chosen[left], sketch.code[HALF:]
    )
    residuals, rests = sketched.second_terms[chosen[left]].T
    return chosen[left[estimates - _errors(residuals, rests, sketch.slopes) <= limit]], float(limit)


def _distances(measure: Measure, rows: Rows) -> Floats:
    vectors = measure.vectors[rows]
    if measure.space == SPACE_CODES["l2"]:
        return ((vectors - measure.query) ** 2).sum(axis=1)
    products = vectors @ measure.query
    return np.float32(1.0) - (products * measure.inverse[rows] if measure.space == SPACE_CODES["cosine"] else products)


def _products(codes: RowsOf[np.int8], rows: Rows, code: Code) -> Floats:
    products = np.empty(len(rows), np.float32)
    wide = code.astype(np.float64)  # sums of float64 are exact here
    for block in row_blocks(len(rows), HALF):
        products[block] = codes[rows[block]].astype(np.float64) @ wide
    return products


def _errors(residuals: Floats, rests: Floats, slopes: Floats) -> Floats:
    return residuals * slopes[0] + rests * slopes[1] + slopes[2]
