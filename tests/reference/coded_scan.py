"""Which coded rows could be among the k nearest, in numpy: see `chroma_search/kernels/coded_scan.py`."""

from __future__ import annotations

import numpy as np

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.coded_scan import CodedRows, CodedTarget
from chroma_search.kernels.graph_search import Floats, Rows


def in_reach(of: CodedRows, target: CodedTarget, rows: Rows, k: int, within: np.float32) -> Rows:
    chosen = rows if len(rows) else np.arange(len(of.codes))
    estimates, errors = estimates_of(of, target, chosen)
    limit = min(np.partition(estimates + errors, k - 1)[k - 1], within)
    return chosen[estimates - errors <= limit]


def estimates_of(of: CodedRows, target: CodedTarget, rows: Rows) -> tuple[Floats, Floats]:
    """Return what orders the rows as their distances do, nearly, and how much each may be off."""
    products = np.empty(len(rows), np.float32)
    wide = target.code.astype(np.float64)  # sums of float64 are exact here
    for block in row_blocks(len(rows), of.codes.shape[1]):
        products[block] = of.codes[rows[block]].astype(np.float64) @ wide
    estimates = of.offsets[rows] - target.factor * of.scales[rows] * products
    return estimates, of.residuals[rows] * target.slope + target.slack
