"""Codes of one byte per element, by which a graph search compares rows before it measures the few that stay.

A row is centred on the mean of all rows and cut into 255 steps of its own size (scalar quantisation). The product of a
code and a query then estimates their distance with a quarter of the memory traffic, which is what a graph search waits
for. Codes choose the way and the beam; the beam is measured by the vectors, so distances never come from codes.

Codes can be too coarse: where one element is a thousand times as large as those that tell neighbours apart, all
neighbours get the same code. `are_faithful` tells; the search then compares vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.norms import unit_vectors
from chroma_search.kernels.aligned import aligned_empty, joined
from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.frozen import frozen
from chroma_search.kernels.graph_search import LARGEST_CODE, SPACE_CODES, coded_query
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record

ROUNDED_UP = 1.0 + 2.0**-22
"""Factor that makes a float64 norm, once rounded to float32, no smaller than it was."""
LEAST_DIM = 64
"""Vectors of fewer elements lie within four cache lines: codes would save nothing."""
SAMPLED_ROWS, NEIGHBOURS = 64, 16
"""Rows whose neighbourhoods `are_faithful` looks at, and how many neighbours of each."""
LARGEST_STEPS = np.float32(LARGEST_CODE - 0.5)
"""Steps to the largest element of a row, so that dithered it is a code."""
DITHER_SEED = 784
COARSEST = 0.2
"""Largest `coarseness` of codes in use (2026-11: real data 0.01-0.02; recall stayed up to 0.4, was lost from 1 on)."""


@record(eq=False)
class RowCodes:
    """The codes of all rows.

    Attributes:
        values: int8, shape (n, dim).
        scales: float32, shape (n,): size of a step of each row.
        offsets: float32, shape (n,): squared norm of the centred row (l2), 0.0 in the other spaces.
        residuals: float32, shape (n,): norm of what a code leaves out of its centred row, rounded up.
        centre: float32, shape (dim,): mean of the rows (of the unit vectors in the cosine space).
        dither: float32, shape (dim,): what was added to each row, in steps, before it was rounded, see `dither`; or
            shape (0,), of codes of an earlier program.
        longest: largest norm of a centred row, rounded up.
        centre_length: norm of the centre.
    """

    values: RowsOf[np.int8]
    scales: NDArray[np.float32]
    offsets: NDArray[np.float32]
    residuals: RowsOf[np.float32]
    centre: NDArray[np.float32]
    dither: NDArray[np.float32]
    longest: float
    centre_length: float

    @staticmethod
    def none() -> RowCodes:
        """Return what stands for no codes."""
        nothing = frozen(np.empty(0, np.float32))
        return RowCodes(frozen(np.empty((0, 0), np.int8)), nothing, nothing, nothing, nothing, nothing, 0.0, 0.0)

    @staticmethod
    def of(vectors: Vectors, space: Space) -> RowCodes:
        """Code every row; float32 holds the squares of all their norms."""
        n, dim = vectors.shape
        total = np.zeros(dim, np.float64)
        for block in row_blocks(n, dim):
            total += points_of(vectors[block], space).sum(axis=0, dtype=np.float64)
        return RowCodes._around((total / max(n, 1)).astype(np.float32), dither(dim), vectors, space)

    def extended(self, vectors: Vectors, space: Space) -> RowCodes:
        """Return these codes and those of the rows behind them: right around the same centre, as around any other."""
        more = RowCodes._around(self.centre, self.dither, vectors[len(self.values) :], space)
        names = ("values", "scales", "offsets", "residuals")
        of_rows = [frozen(joined([getattr(self, name), getattr(more, name)])) for name in names]
        longest = max(self.longest, more.longest)
        of_all = self.centre, self.dither, longest, self.centre_length
        return RowCodes(of_rows[0], of_rows[1], of_rows[2], of_rows[3], *of_all)

    def of_others(self, vectors: Vectors, space: Space) -> RowCodes:
        """Return the codes of other rows, around this centre."""
        return RowCodes._around(self.centre, self.dither, vectors, space)

    @staticmethod
    def _around(centre: Vectors, dither: Vectors, vectors: Vectors, space: Space) -> RowCodes:
        n, dim = vectors.shape
        moved = dither if len(dither) else np.zeros(dim, np.float32)
        values, scales = aligned_empty((n, dim), np.int8), np.empty(n, np.float32)
        offsets, residuals, longest = np.zeros(n, np.float32), np.empty(n, np.float32), 0.0
        for block in row_blocks(n, dim):
            centred = points_of(vectors[block], space) - centre
            steps = np.abs(centred).max(axis=1) / LARGEST_STEPS
            values[block] = np.rint(centred / np.where(steps > 0, steps, 1.0)[:, None] + moved)
            scales[block] = steps
            wide = centred.astype(np.float64)
            squares = np.einsum("ij,ij->i", wide, wide)
            longest = max(longest, float(np.sqrt(squares.max())) * ROUNDED_UP)
            if space == "l2":
                offsets[block] = squares
            wide -= (values[block] - moved.astype(np.float64)) * steps.astype(np.float64)[:, None]
            residuals[block] = np.sqrt(np.einsum("ij,ij->i", wide, wide)) * ROUNDED_UP
        of_rows = frozen(values), frozen(scales), frozen(offsets), frozen(residuals)
        return RowCodes(*of_rows, frozen(centre), frozen(dither), longest, _length(centre))

    def are_faithful(self, vectors: Vectors, space: Space, rows: NDArray[np.int64]) -> bool:
        """Tell whether codes order the neighbours of a row nearly as vectors do."""
        return self.coarseness(vectors, space, rows) <= COARSEST

    def coarseness(self, vectors: Vectors, space: Space, rows: NDArray[np.int64]) -> float:
        """Return the error of the estimates as a share of what they have to tell apart.

        Both are standard deviations over the nearest neighbours of a row among `rows` (int64, ascending, no two of
        which have the same vector), and medians over some of them that are spread out.
        """
        sampled = rows[np.unique(np.linspace(0, len(rows) - 1, SAMPLED_ROWS).astype(np.int64))]
        queries = np.ascontiguousarray(points_of(vectors[sampled], space))
        errors: list[float] = []
        spreads: list[float] = []
        for row, query, found in zip(sampled, queries, self._nearest(vectors, space, queries, rows), strict=True):
            near = found[found != row]
            if len(near) < 2:
                continue
            points = points_of(vectors[near], space).astype(np.float64)
            true = ((points - query) ** 2).sum(axis=1) if space == "l2" else -(points @ query)
            code, factor = coded_query(query, self.centre, SPACE_CODES[space])
            products = self.values[near].astype(np.float64) @ code
            estimates = self.offsets[near] - float(factor) * self.scales[near] * products
            errors.append(float(np.std(estimates - true)))
            spreads.append(float(np.std(true)))
        spread = float(np.median(spreads)) if spreads else 0.0
        return float(np.median(errors)) / spread if spread > 0 else float("inf")

    def _nearest(self, vectors: Vectors, space: Space, queries: Vectors, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows nearest to each query, shape (q, NEIGHBOURS + 1 or fewer), measured in float32."""
        is_left_out = np.ones(len(vectors), np.bool_)
        is_left_out[rows] = False
        count = min(NEIGHBOURS + 1, len(rows))
        best = np.empty((len(queries), 0), np.int64)
        scores = np.empty((len(queries), 0), np.float32)
        for block in row_blocks(*vectors.shape):
            part = vectors[block] - self.centre if space == "l2" else vectors[block]
            squares = np.einsum("ij,ij->i", part, part)
            if space == "l2":
                found = squares - 2.0 * ((queries - self.centre) @ part.T)
            else:
                found = -(queries @ part.T) / (np.sqrt(np.maximum(squares, 1e-30)) if space == "cosine" else 1.0)
            found[:, is_left_out[block]] = np.inf
            numbers = np.broadcast_to(np.arange(block.start, block.stop), found.shape)
            best, scores = np.concatenate([best, numbers], axis=1), np.concatenate([scores, found], axis=1)
            if scores.shape[1] > count:
                nearest = np.argpartition(scores, count - 1, axis=1)[:, :count]
                best, scores = np.take_along_axis(best, nearest, 1), np.take_along_axis(scores, nearest, 1)
        return best

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store."""
        return {
            "codes": self.values,
            "code_scales": self.scales,
            "code_offsets": self.offsets,
            "code_residuals": self.residuals,
            "code_centre": self.centre,
            "code_dither": self.dither,
            "code_longest": np.array([self.longest], np.float64),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]]) -> RowCodes:
        """Open stored arrays; codes and residuals are read when a search needs them."""
        scales, offsets, centre = (frozen(arrays[name]) for name in ("code_scales", "code_offsets", "code_centre"))
        longest = float(arrays["code_longest"][0])
        dither = frozen(arrays["code_dither"]) if "code_dither" in arrays else np.empty(0, np.float32)
        of_rows = arrays["codes"], scales, offsets, arrays["code_residuals"]
        return RowCodes(*of_rows, centre, dither, longest, _length(centre))


def _length(vector: NDArray[np.float32]) -> float:
    wide = vector.astype(np.float64)
    return math.sqrt(wide @ wide)


def dither(n: int) -> NDArray[np.float32]:
    """Return what is added to n coordinates, in steps, before they are rounded: between -0.5 and 0.5, drawn once.

    Taken off again from what was rounded, the error of each coordinate is uniform over a step, and independent of it
    and of the other errors (L. Schuchman, Dither signals and their effect on quantization noise, 1964). All rows have
    the same, so an estimate takes off one number per query. Searches and builds of a graph leave that out: it moves all
    rows alike, nearly.
    """
    return (np.random.default_rng(DITHER_SEED).random(n) - 0.5).astype(np.float32)


def points_of(vectors: Vectors, space: Space) -> Vectors:
    """Return what is coded: the vectors, of unit length in the cosine space."""
    return unit_vectors(vectors) if space == "cosine" else vectors


def code_rows(vectors: Vectors, space: Space, held: RowCodes | None = None) -> RowCodes:
    """Return the codes of rows, or `none` where codes would save nothing.

    Args:
        vectors: float32, shape (n, dim).
        space: distance space.
        held: codes of the first rows, taken over when they are half of all or more.
    """
    if vectors.shape[1] < LEAST_DIM or not len(vectors):
        return RowCodes.none()
    is_most = held is not None and 2 * len(held.values) >= len(vectors)
    return held.extended(vectors, space) if held is not None and is_most else RowCodes.of(vectors, space)
