"""Which rows could be among the k nearest to a query, by sketches and codes of the rows.

One pass reads the coordinates of each sketch; the rows that look nearest are measured by their vectors, which bounds
the k-th smallest distance. Rows whose least possible distance is above that bound are ruled out: by the coordinates,
then by the signs too, and of what is left by the code. What they hold, and why that can be trusted, is told in
`indexes/vector/codes.py`, `sketch.py` and `coded_scan.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chroma_search.kernels import compiled
from chroma_search.kernels.checked_rows import RowsOf, VectorRows
from chroma_search.kernels.graph_search import Bits, Floats, Rows

SKETCH, SKETCH_HEAD = 64, 8
"""Bytes of a sketch, one cache line, and those before its coordinates."""
SEEDS_PER_ROW = 4
"""Rows measured per row wanted, to bound the k-th distance."""
FEW = 200
"""Rows, up to which no sketches are read."""


class MeasuredRows(NamedTuple):
    """The rows as they are.

    Attributes:
        vectors: float32, shape (n, dim).
        inverse: float32, shape (n,), 1 / norm in the cosine space; not read in the others.
        space: of `graph_search.SPACE_CODES`.
    """

    vectors: VectorRows
    inverse: Floats
    space: int


class CodedRows(NamedTuple):
    """Codes of the rows.

    Attributes:
        values: int8, shape (n, dim), none of them -128.
        scales: float32, shape (n,): what one step of a row's code is worth.
        offsets: float32, shape (n,): the part of the distance that does not depend on the query.
        residuals: float32, shape (n,): norm of what a code leaves out of its row.
        centre: float32, shape (dim,): what was taken from each row (and is taken from a query, l2) before coding.
        dither: float32, shape (dim,): what was added to each row, in steps, before it was rounded; or shape (0,).
        longest: largest norm of a row without the centre.
        centre_length: norm of the centre.
    """

    values: RowsOf[np.int8]
    scales: Floats
    offsets: Floats
    residuals: RowsOf[np.float32]
    centre: Floats
    dither: Floats
    longest: float
    centre_length: float


class SketchedRows(NamedTuple):
    """Sketches of the rows; no rows where there are none.

    Attributes:
        values: int8, shape (n, SKETCH): the part of the distance that does not depend on the query, float32; what one
            step is worth and the norm of the row off the axes, each the upper half of a float32; then the coordinates
            along the axes, in steps of each row, dithered.
        signs: uint8, shape (n, m / 8): what one sign is worth and the norm of what the signs leave out, float32 each;
            then a bit per coordinate of the row off the axes, turned (see `signs`).
        axes: float32, shape (dim, SKETCH), and
        dither: float32, shape (SKETCH,): the first SKETCH_HEAD of each are 0.0.
        skew: how far the axes are from orthonormal ones.
    """

    values: RowsOf[np.int8]
    signs: RowsOf[np.uint8]
    axes: Floats
    dither: Floats
    skew: float


class InReach(NamedTuple):
    """What was found.

    Attributes:
        rows: int64, ascending.
        distances: float32, measured by the vectors (see `distance`).
        n_left: rows that were left by the axes, by the signs too, and by the codes; 0 where sketches were not read.
    """

    rows: Rows
    distances: Floats
    n_left: tuple[int, int, int]


def in_reach(
    measured: MeasuredRows,
    coded: CodedRows,
    sketched: SketchedRows,
    point: Floats,
    rows: Rows,
    bits: Bits,
    k: int,
    within: float,
    unlikely: float,
) -> InReach | None:
    """Return the rows that could be among the k nearest, and their distances.

    Args:
        measured, coded, sketched: the same rows.
        point: float32, shape (dim,): the query; of unit length in the cosine space.
        rows: int64, ascending, or
        bits: bool, shape (n,): which rows to look at, more than k of them; both empty for all.
        k: rows wanted, >= 1.
        within: a distance; rows that are surely farther may be left out, too.
        unlikely: standard deviations that no error of what was dithered or turned is taken to exceed; 0.0 for what is
            proven.

    Returns:
        None when float32 cannot hold what would be compared.
    """
    found = compiled.in_reach(measured, coded, sketched, point, rows, bits, k, within, unlikely)
    return None if found is None else InReach(*found)
