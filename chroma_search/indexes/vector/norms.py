"""Norms of stored vectors, and which vectors float32 arithmetic cannot be trusted with.

A row is *odd* when its norm is so large that a float32 product could overflow, when it holds NaN or inf, and in the
cosine space also when it is so small that products would vanish. Error bounds hold for all other rows; odd ones are
always handed on to the exact distance. Real embeddings have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.blocks import row_blocks
from chroma_search.kernels.checked_rows import RowsOf, VectorRows, whole
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record

LARGEST_NORM = 2.0**60
"""Above this, the product of two norms or the square of their sum could leave float32 (2^128)."""
SMALLEST_NORM = 2.0**-60
"""Below this (zero apart), products with a unit vector could fall out of float32's normal numbers (2^-126)."""

SMALLEST_SCALE = 2.0**-40
"""When no norm reaches this, squared differences may fall out of float32, and all rows look equal."""


@record(eq=False)
class RowNorms:
    """Norms of the rows of one matrix.

    Attributes:
        norms: float32, shape (n,); inf or NaN for some odd rows.
        inverse: float32, shape (n,), 1 / norm; 0 for vanishing vectors and for odd rows.
        odd: int64, ascending: rows without a trusted estimate.
    """

    norms: NDArray[np.float32]
    inverse: NDArray[np.float32]
    odd: NDArray[np.int64]

    @staticmethod
    def of(vectors: VectorRows, space: Space) -> RowNorms:
        """Measure every row in float64."""
        wide_norms = np.empty(len(vectors), np.float64)
        for block in row_blocks(len(vectors), vectors.shape[1]):
            wide_norms[block] = norms_of(vectors[block])
        is_odd = ~(wide_norms <= LARGEST_NORM)
        if space == "cosine":
            is_odd |= (wide_norms < SMALLEST_NORM) & (wide_norms > 0)
        inverse = np.zeros(len(vectors), np.float32)
        is_usable = ~is_odd & (wide_norms >= SMALLEST_NORM)
        inverse[is_usable] = 1.0 / wide_norms[is_usable]
        with np.errstate(over="ignore"):
            norms = wide_norms.astype(np.float32)
        return RowNorms(norms, inverse, np.flatnonzero(is_odd))

    def followed_by(self, vectors: Vectors, space: Space) -> RowNorms:
        """Return the norms of these rows and of `vectors` after them."""
        more = RowNorms.of(vectors, space)
        return RowNorms(
            np.concatenate([self.norms, more.norms]),
            np.concatenate([self.inverse, more.inverse]),
            np.concatenate([self.odd, more.odd + len(self.norms)]),
        )


@record(eq=False)
class Magnitudes:
    """What an approximate kind keeps of the norms.

    Attributes:
        inverse: float32, shape (n,), 1 / norm (0 for zero vectors) in the cosine space; empty in the others.
        longest: largest norm.
        is_trusted: True when float32 distances between these vectors mean something: no odd row, not all vanishing.
    """

    inverse: NDArray[np.float32]
    longest: float
    is_trusted: bool

    @staticmethod
    def of(vectors: Vectors, space: Space) -> Magnitudes:
        """Measure every row."""
        norms = RowNorms.of(vectors, space)
        longest = float(norms.norms.max(initial=0.0))
        is_vanishing = space != "cosine" and 0.0 < longest < SMALLEST_SCALE
        inverse = norms.inverse if space == "cosine" else norms.inverse[:0]
        return Magnitudes(inverse, longest, not len(norms.odd) and not is_vanishing)

    def followed_by(self, vectors: Vectors, space: Space) -> Magnitudes:
        """Return the magnitudes of these rows and of `vectors` after them."""
        more = Magnitudes.of(vectors, space)
        inverse = np.concatenate([self.inverse, more.inverse])
        return Magnitudes(inverse, max(self.longest, more.longest), self.is_trusted and more.is_trusted)

    def to_arrays(self) -> dict[str, RowsOf[Any]]:
        """Return the arrays to store."""
        return {"inverse": self.inverse, "magnitude": np.array([self.longest, self.is_trusted], np.float64)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]]) -> Magnitudes:
        """Open stored arrays."""
        longest, is_trusted = whole(arrays["magnitude"]).tolist()
        return Magnitudes(whole(arrays["inverse"]), longest, bool(is_trusted))


def norms_of(vectors: Vectors) -> NDArray[np.float64]:
    """Return the Euclidean norm of each row, in float64: no float32 vector overflows or vanishes there."""
    wide = vectors.astype(np.float64)
    return np.sqrt(np.einsum("ij,ij->i", wide, wide))


def unit_vectors(vectors: Vectors) -> Vectors:
    """Return each row divided by its norm, float32; zero vectors stay zero, vectors with NaN or inf become NaN."""
    norms = norms_of(vectors)
    with np.errstate(invalid="ignore"):
        return (vectors / np.where(norms > 0, norms, 1.0)[:, None]).astype(np.float32)
