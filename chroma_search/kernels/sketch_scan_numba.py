"""Which rows a sketch does not rule out: the compiled twin of `sketch_scan`. Reads each half sketch once. No GIL."""

from __future__ import annotations

import numpy as np

from chroma_search.kernels.code_product_numba import code_estimate
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.graph_search import Code, Codes, Floats, Rows
from chroma_search.kernels.jit import compiled, compiled_sums
from chroma_search.kernels.sketch_scan import HALF, SEEDS_PER_ROW, SketchedRows, SketchedTarget


def not_ruled_out(
    sketched: SketchedRows,
    sketch: SketchedTarget,
    coded: CodedRows,
    target: CodedTarget,
    rows: Rows,
    k: int,
    within: np.float32,
) -> Rows:
    """See `sketch_scan.not_ruled_out`."""
    rows = frozen(rows)
    n_seeds = min(SEEDS_PER_ROW * k, len(rows) or len(sketched.first))
    estimates, least, seeds = _first(
        sketched.first, sketched.first_terms, sketch.code, sketch.factor, sketch.first_slopes, rows, n_seeds
    )
    limit = min(_kth_largest_possible(*coded, *target, seeds, k), within)
    return _second(*sketched, sketch.code, sketch.factor, sketch.slopes, rows, estimates, least, limit)


@compiled
def _first(
    codes: Codes, terms: Floats, code: Code, factor: np.float32, slopes: Floats, rows: Rows, n_seeds: int
) -> tuple[Floats, Floats, Rows]:
    """Return the estimate by the first half and the least possible one of each row, and the rows of the smallest."""
    n = len(rows) if len(rows) > 0 else codes.shape[0]
    slope, rest_slope, slack = slopes[0], slopes[1], slopes[2]
    estimates = np.empty(n, np.float32)
    least = np.empty(n, np.float32)
    smallest = np.empty(n_seeds, np.float32)  # ascending
    seeds = np.empty(n_seeds, np.int64)
    for i in range(n):
        row = rows[i] if len(rows) > 0 else i
        estimate = terms[row, 0] - factor * terms[row, 1] * np.float32(_first_product(codes, row, code))
        estimates[i] = estimate
        least[i] = estimate - (terms[row, 2] * slope + terms[row, 3] * rest_slope + slack)
        if i < n_seeds or estimate < smallest[n_seeds - 1]:
            at = min(i, n_seeds - 1)
            while at > 0 and smallest[at - 1] > estimate:
                smallest[at] = smallest[at - 1]
                seeds[at] = seeds[at - 1]
                at -= 1
            smallest[at] = estimate
            seeds[at] = row
    return estimates, least, seeds


@compiled
def _kth_largest_possible(
    codes: Codes,
    scales: Floats,
    offsets: Floats,
    residuals: Floats,
    code: Code,
    factor: np.float32,
    slope: np.float32,
    slack: np.float32,
    rows: Rows,
    k: int,
) -> np.float32:
    """Return the k-th smallest of the largest possible estimates of these rows, by their codes."""
    largest = np.empty(len(rows), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        largest[i] = code_estimate(codes, scales, offsets, code, factor, row) + (residuals[row] * slope + slack)
    return np.sort(largest)[k - 1]


@compiled
def _second(
    first: Codes,
    first_terms: Floats,
    codes: Codes,
    terms: Floats,
    code: Code,
    factor: np.float32,
    slopes: Floats,
    rows: Rows,
    estimates: Floats,
    least: Floats,
    limit: np.float32,
) -> Rows:
    """Return the rows within the limit by their whole sketch."""
    kept = np.empty(len(least), np.int64)  # where they stand in `rows`
    n_kept = 0
    for i in range(len(least)):  # without a branch: they come in no order
        kept[n_kept] = i
        n_kept += least[i] <= limit
    n_left = 0
    for position in range(n_kept):
        i = int(kept[position])
        row = int(rows[i]) if len(rows) > 0 else i
        estimate = estimates[i] - factor * first_terms[row, 1] * np.float32(_second_product(codes, row, code))
        kept[n_left] = row
        n_left += estimate - (terms[row, 0] * slopes[0] + terms[row, 1] * slopes[1] + slopes[2]) <= limit
    return kept[:n_left].copy()


@compiled_sums
def _first_product(codes: Codes, row: int, code: Code) -> np.int32:
    total = np.int32(0)
    for j in range(HALF):
        total = np.int32(total + np.int32(np.int32(codes[row, j]) * np.int32(code[j])))
    return total


@compiled_sums
def _second_product(codes: Codes, row: int, code: Code) -> np.int32:
    total = np.int32(0)
    for j in range(HALF):
        total = np.int32(total + np.int32(np.int32(codes[row, j]) * np.int32(code[HALF + j])))
    return total
