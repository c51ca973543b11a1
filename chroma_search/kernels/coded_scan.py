"""Which coded rows could be among the k nearest to a query: the numpy reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.graph_search import Code, Codes, Floats, Rows


class CodedRows(NamedTuple):
    """Codes of rows, as the kernels read them.

    Attributes:
        codes, scales, offsets: see `graph_search.Graph`.
        residuals: float32, as long as `codes`: norm of what a code leaves out of its row.
    """

    codes: Codes
    scales: Floats
    offsets: Floats
    residuals: Floats


class CodedTarget(NamedTuple):
    """A query and the error of its estimates.

    Attributes:
        code, factor: see `graph_search.coded_query`.
        slope, slack: an estimate is off by at most `residual * slope + slack`.
    """

    code: Code
    factor: np.float32
    slope: np.float32
    slack: np.float32


def in_reach(of: CodedRows, target: CodedTarget, rows: Rows, k: int, within: np.float32) -> Rows:
    """Return the rows whose least possible estimate is no more than the k-th smallest of the largest possible ones.

    Args:
        of: what to scan.
        target: the query.
        rows: int64, ascending: rows to look at, more than k of them; empty for all.
        k: rows wanted, >= 1.
        within: rows with a larger least possible estimate are not wanted either.

    Returns:
        int64, ascending.
    """
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
