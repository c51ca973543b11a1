"""Which coded rows could be among the k nearest to a query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chroma_search.kernels import compiled
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.graph_search import Code, Floats, Rows


class CodedRows(NamedTuple):
    """Codes of rows, as the kernels read them.

    Attributes:
        codes, scales, offsets: see `graph_search.Graph`.
        residuals: float32, as long as `codes`: norm of what a code leaves out of its row.
    """

    codes: RowsOf[np.int8]
    scales: Floats
    offsets: Floats
    residuals: RowsOf[np.float32]


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
    return compiled.in_reach(of, target, rows, k, within)
