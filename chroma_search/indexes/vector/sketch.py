"""A sketch of every row: its coordinates along the directions in which rows differ most, and signs of what is left.

With B the first 56 principal axes of the rows, a centred row is z = B a + r. The product with a query t = B b + s is
then a.b + r.s. The first part is told by a byte per coordinate, one cache line a row with the norm of r; the second is
at most |r||s| (Cauchy-Schwarz). So a row that lies far off is ruled out, with proof, by one cache line or less; most
do, for real vectors lie near few directions: 56 of 784 hold 0.87 of the variance of Fashion-MNIST, 56 of 384 0.53 of
MiniLM's.

For rows near the limit r.s is told by the signs of r, turned at random (`kernels.signs`), a bit per dimension: with
proof its error is 0.6 of that bound, but for chance 0.2 at most.

Ruling out by a part of the product is the idea of J. Gao, C. Long, High-dimensional approximate nearest neighbor
search: with reliable and efficient distance comparison operations, 2023; the signs are those of their RaBitQ, 2024.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.codes import LARGEST_STEPS, ROUNDED_UP, RowCodes, dither, points_of
from chroma_search.indexes.vector.exact_scan import error_factor
from chroma_search.kernels.aligned import aligned_empty, joined
from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.coded_scan import SKETCH, SKETCH_HEAD
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.signs import LEAST_WIDTH, signs_of
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record

LEAST_DIM = 256
"""Vectors of fewer elements: the sketch would be longer than half the code."""
OF_ROWS = ("values", "signs")
"""Arrays with a row per row."""
SAMPLED_PER_DIM = 8
"""Rows per dimension from which the axes are computed: any axes give right answers, better ones rule out more."""


N_AXES = SKETCH - SKETCH_HEAD


def _hartley(order: int) -> NDArray[np.float32]:
    angles = 2.0 * math.pi / order * np.outer(np.arange(order), np.arange(order))
    return ((np.cos(angles) + np.sin(angles)) / math.sqrt(order)).astype(np.float32)


TURN = _hartley(N_AXES)
"""Orthonormal matrix, shape (N_AXES, N_AXES): turns the axes so that none of them carries most of a row. A step is then
half as long; 9 of 10 rows are left of those that the principal axes themselves left."""


@record(eq=False)
class RowSketch:
    """The sketches of all rows; they complete the codes of the same rows (same centre, same `offsets`).

    Attributes:
        values: int8, shape (n, SKETCH): squared norm of the centred row (l2; 0.0 in the other spaces); size of a step
            and norm of the row off the axes, rounded up; coordinates in steps. See `kernels.coded_scan`.
        signs: uint8, shape (n, m / 8): of the row off the axes, turned to m elements, see `signs_of`.
        axes: float32, shape (dim, SKETCH): from SKETCH_HEAD on orthonormal up to rounding, and spanning the directions
            of the largest variance; 0.0 before.
        dither: float32, shape (SKETCH,): of the coordinates, see `codes.dither`.
        skew: how far rounded axes are from orthonormal ones, as a norm.
    """

    values: RowsOf[np.int8]
    signs: RowsOf[np.uint8]
    axes: NDArray[np.float32]
    dither: NDArray[np.float32]
    skew: float

    @staticmethod
    def none() -> RowSketch:
        """Return what stands for no sketch."""
        values, signs = frozen(np.empty((0, SKETCH), np.int8)), frozen(np.empty((0, 0), np.uint8))
        axes, dither = frozen(np.empty((0, SKETCH), np.float32)), frozen(np.empty(0, np.float32))
        return RowSketch(values, signs, axes, dither, 0.0)

    @staticmethod
    def of(vectors: Vectors, space: Space, codes: RowCodes) -> RowSketch:
        """Sketch the rows that have these codes; none where it would save nothing."""
        if vectors.shape[1] < LEAST_DIM or not len(codes.values):
            return RowSketch.none()
        return RowSketch._along(principal_axes(vectors, space, codes), vectors, space, codes, 0)

    def extended(self, vectors: Vectors, space: Space, codes: RowCodes) -> RowSketch:
        """Return these sketches and those of the rows behind them, along the same axes.

        The codes must be those of these rows, extended: around another centre the sketches would be of other rows.
        """
        more = RowSketch._along(self.axes, vectors, space, codes, len(self.values))
        of_rows = [frozen(joined([getattr(self, name), getattr(more, name)])) for name in OF_ROWS]
        return RowSketch(of_rows[0], of_rows[1], self.axes, self.dither, self.skew)

    def of_others(self, vectors: Vectors, space: Space, codes: RowCodes) -> RowSketch:
        """Return the sketches of other rows, which have these codes, along these axes."""
        return RowSketch._along(self.axes, vectors, space, codes, 0)

    @staticmethod
    def _along(axes: NDArray[np.float32], vectors: Vectors, space: Space, codes: RowCodes, begin: int) -> RowSketch:
        """Sketch the rows from `begin` on."""
        vectors, offsets = vectors[begin:], codes.offsets[begin:]
        n, dim = vectors.shape
        width = max(LEAST_WIDTH, 1 << (dim - 1).bit_length())
        used = axes[:, SKETCH_HEAD:].astype(np.float64)
        skew = float(np.linalg.norm(used.T @ used - np.eye(N_AXES)))
        blur = error_factor(dim) * math.sqrt(N_AXES) + skew
        moved = np.zeros(SKETCH, np.float32)
        moved[SKETCH_HEAD:] = dither(N_AXES)
        values, signs = aligned_empty((n, SKETCH), np.int8), aligned_empty((n, width // 8), np.uint8)
        offsets_at, halves_at = values[:, :4].view(np.float32), values[:, 4:SKETCH_HEAD].view(np.uint16)
        offsets_at[:, 0] = offsets
        for block in row_blocks(n, dim):
            centred = points_of(vectors[block], space) - codes.centre
            along = centred @ axes
            steps = _upper_half(np.abs(along).max(axis=1) / LARGEST_STEPS)
            coordinates = np.rint(along / np.where(steps > 0, steps, 1.0)[:, None] + moved)
            values[block, SKETCH_HEAD:] = coordinates[:, SKETCH_HEAD:]
            squares = _squares(centred)
            off_axes = np.sqrt(np.maximum(squares - _squares(along), 0.0) + 4 * blur * squares) * ROUNDED_UP
            halves_at[block, 0] = steps.view(np.uint32) >> 16
            halves_at[block, 1] = _upper_half(off_axes.astype(np.float32)).view(np.uint32) >> 16
            signs[block] = signs_of(centred - along @ axes.T, width)
        return RowSketch(frozen(values), frozen(signs), frozen(axes), frozen(moved), skew)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store."""
        of_rows = {f"sketch_{name}": getattr(self, name) for name in OF_ROWS}
        skew = np.array([self.skew], np.float64)
        return {**of_rows, "sketch_axes": self.axes, "sketch_dither": self.dither, "sketch_skew": skew}

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]]) -> RowSketch:
        """Open stored arrays; those of the rows are read when a scan needs them."""
        if "sketch_signs" not in arrays:  # of an earlier program, which had other sketches: codes do without
            return RowSketch.none()
        values, signs = (arrays[f"sketch_{name}"] for name in OF_ROWS)
        axes, dither = frozen(arrays["sketch_axes"]), frozen(arrays["sketch_dither"])
        return RowSketch(values, signs, axes, dither, float(arrays["sketch_skew"][0]))


def principal_axes(vectors: Vectors, space: Space, codes: RowCodes) -> NDArray[np.float32]:
    """Return axes along the largest variance of a sample of the rows, turned by TURN; shape (dim, SKETCH)."""
    n, dim = vectors.shape
    sampled = np.unique(np.linspace(0, n - 1, min(n, SAMPLED_PER_DIM * dim)).astype(np.int64))
    centred = points_of(vectors[sampled], space) - codes.centre
    largest = float(np.abs(centred).max())
    centred /= np.float32(largest or 1.0)  # so that no square leaves float32
    _, vectors_of_variance = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    axes = np.zeros((dim, SKETCH), np.float32)
    axes[:, SKETCH_HEAD:] = vectors_of_variance[:, ::-1][:, :N_AXES].astype(np.float32) @ TURN
    return axes


def _upper_half(sizes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sizes, 0.0 or more, rounded up to what the upper half of their bits holds."""
    return ((sizes.view(np.uint32) + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)).view(np.float32)


def _squares(rows: NDArray[Any]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return np.einsum("ij,ij->i", wide, wide)
