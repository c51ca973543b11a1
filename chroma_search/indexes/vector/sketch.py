"""A sketch of every row: its coordinates along the 128 directions in which rows differ most, a byte each.

With B the first principal axes of the rows, a centred row is z = B a + r. The product with a query t = B b + s is then
a.b + r.s, and |r.s| <= |r||s| (Cauchy-Schwarz), whose norms are known. So a row that lies far off is ruled out, with
proof, by an eighth of a cache miss or less; only rows near the limit are looked at in full (see `coded_scan`). Real
vectors lie near few directions: 128 of 784 hold 0.93 of the variance of Fashion-MNIST, 128 of 384 0.8 of MiniLM's.

Ruling out by a part of the product is the idea of J. Gao, C. Long, High-dimensional approximate nearest neighbor
search: with reliable and efficient distance comparison operations, 2023; theirs is a test along random axes, ours a
bound. The first half of the axes rules out most rows: the second is then not read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.codes import ROUNDED_UP, RowCodes, points_of
from chroma_search.indexes.vector.exact_scan import error_factor
from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf, whole
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.graph_search import LARGEST_CODE
from chroma_search.kernels.sketch_scan import HALF
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record

N_AXES = 2 * HALF
LEAST_DIM = 2 * N_AXES
"""Vectors of fewer elements: the sketch would be longer than half the code. (64 axes instead of 128 ruled out less of
text: 28 % of MiniLM rows stayed instead of 2 %, and no more of Fashion-MNIST, 2026-11.)"""
SAMPLED_PER_DIM = 8
"""Rows per dimension from which the axes are computed: any axes give right answers, better ones rule out more."""


def _hadamard(order: int) -> NDArray[np.float32]:
    made = np.ones((1, 1), np.float32)
    while len(made) < order:
        made = np.block([[made, made], [made, -made]]) * np.float32(math.sqrt(0.5))
    return made


TURN = _hadamard(HALF)
"""Orthonormal matrix, shape (HALF, HALF): turns the axes of a half so that none of them carries most of a row. A step
is then half as long; 9 of 10 rows are left of those that the principal axes themselves left."""


@record(eq=False)
class RowSketch:
    """The sketches of all rows; they complete the codes of the same rows (same centre, same `offsets`).

    Attributes:
        first: int8, shape (n, HALF): coordinates along the first axes, in steps of each row.
        first_terms: float32, shape (n, 4): squared norm of the centred row (l2; 0.0 in the other spaces), size of a
            step, norm of what the steps leave out of these coordinates, norm of the row off these axes; rounded up.
        second: int8, shape (n, HALF): coordinates along the other axes.
        second_terms: float32, shape (n, 2): the two norms, for all axes.
        axes: float32, shape (dim, N_AXES): orthonormal up to rounding; the largest variance in the first half.
        blur: bound on how far rounded axes and sums of float32 are from exact ones, relative to the norms.
    """

    first: RowsOf[np.int8]
    first_terms: RowsOf[np.float32]
    second: RowsOf[np.int8]
    second_terms: RowsOf[np.float32]
    axes: NDArray[np.float32]
    blur: float

    @staticmethod
    def none() -> RowSketch:
        """Return what stands for no sketch."""
        values, terms = frozen(np.empty((0, HALF), np.int8)), frozen(np.empty((0, 4), np.float32))
        return RowSketch(values, terms, values, frozen(np.empty((0, 2), np.float32)), terms, 0.0)

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
        more = RowSketch._along(self.axes, vectors, space, codes, len(self.first))
        joined = [
            frozen(np.concatenate([whole(getattr(self, name)), getattr(more, name)]))
            for name in ("first", "first_terms", "second", "second_terms")
        ]
        return RowSketch(joined[0], joined[1], joined[2], joined[3], self.axes, self.blur)

    def of_others(self, vectors: Vectors, space: Space, codes: RowCodes) -> RowSketch:
        """Return the sketches of other rows, which have these codes, along these axes."""
        return RowSketch._along(self.axes, vectors, space, codes, 0)

    @staticmethod
    def _along(axes: NDArray[np.float32], vectors: Vectors, space: Space, codes: RowCodes, begin: int) -> RowSketch:
        """Sketch the rows from `begin` on."""
        vectors, offsets = vectors[begin:], codes.offsets[begin:]
        n, dim = vectors.shape
        wide = axes.astype(np.float64)
        skew = float(np.linalg.norm(wide.T @ wide - np.eye(N_AXES)))
        blur = error_factor(dim) * math.sqrt(N_AXES) + skew
        first, first_terms = np.empty((n, HALF), np.int8), np.empty((n, 4), np.float32)
        second, second_terms = np.empty((n, HALF), np.int8), np.empty((n, 2), np.float32)
        first_terms[:, 0] = offsets
        for block in row_blocks(n, dim):
            centred = points_of(vectors[block], space) - codes.centre
            along = centred @ axes
            steps = np.abs(along).max(axis=1) / np.float32(LARGEST_CODE)
            values = np.rint(along / np.where(steps > 0, steps, 1.0)[:, None]).astype(np.int8)
            left = along - values * steps.astype(np.float64)[:, None]
            first[block], second[block], first_terms[block, 1] = values[:, :HALF], values[:, HALF:], steps
            first_terms[block, 2:] = _norms(centred, along[:, :HALF], left[:, :HALF], blur)
            second_terms[block] = _norms(centred, along, left, blur)
        halves = frozen(first), frozen(first_terms), frozen(second), frozen(second_terms)
        return RowSketch(*halves, frozen(axes), blur)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store."""
        return {
            "sketch_first": self.first,
            "sketch_first_terms": self.first_terms,
            "sketch_second": self.second,
            "sketch_second_terms": self.second_terms,
            "sketch_axes": self.axes,
            "sketch_blur": np.array([self.blur], np.float64),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]]) -> RowSketch:
        """Open stored arrays; those of the rows are read when a scan needs them."""
        halves = [arrays[f"sketch_{name}"] for name in ("first", "first_terms", "second", "second_terms")]
        axes, blur = frozen(arrays["sketch_axes"]), float(arrays["sketch_blur"][0])
        return RowSketch(halves[0], halves[1], halves[2], halves[3], axes, blur)


def principal_axes(vectors: Vectors, space: Space, codes: RowCodes) -> NDArray[np.float32]:
    """Return axes along the N_AXES directions of the largest variance of a sample of the rows, shape (dim, N_AXES).

    The first HALF of them span the directions of the largest variance of all, see TURN.
    """
    n, dim = vectors.shape
    sampled = np.unique(np.linspace(0, n - 1, min(n, SAMPLED_PER_DIM * dim)).astype(np.int64))
    centred = points_of(vectors[sampled], space) - codes.centre
    largest = float(np.abs(centred).max())
    centred /= np.float32(largest or 1.0)  # so that no square leaves float32
    _, vectors_of_variance = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    principal = vectors_of_variance[:, ::-1][:, :N_AXES].astype(np.float32)
    return np.concatenate([principal[:, :HALF] @ TURN, principal[:, HALF:] @ TURN], axis=1)


def _norms(centred: NDArray[Any], along: NDArray[Any], left: NDArray[Any], blur: float) -> NDArray[np.float64]:
    """Return the norms of what steps leave out of coordinates, and of rows off the axes; shape (n, 2), rounded up."""
    whole = _squares(centred)
    off_axes = np.maximum(whole - _squares(along), 0.0) + 4 * blur * whole
    return np.sqrt(np.column_stack([_squares(left), off_axes])) * ROUNDED_UP


def _squares(rows: NDArray[Any]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return np.einsum("ij,ij->i", wide, wide)
