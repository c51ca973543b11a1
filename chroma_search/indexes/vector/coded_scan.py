"""The scan over codes: which rows could be among the k nearest, by estimates with a bounded error.

A code leaves out of its row a residual of known norm r, and a query's code a residual of norm r_q. With z the centred
row and t the query (centred in l2), the product z.t differs from that of the codes by at most r|t| + (|z| + r) r_q
(Cauchy-Schwarz), which every distance inherits; roundings of float32 add a few units of the last place of the squares
of these norms. A row stays when its smallest possible distance is no more than the k-th smallest of the largest
possible ones. What stays, usually a few per cent, is measured by its vectors: so the answer is exact, for a quarter of
the memory traffic (60,000 x 784: see benchmarks/ann). Long vectors have sketches besides (`sketch`), by which most rows
are ruled out before even their codes are read.

Such a proof reckons with the worst that a residual could be. But codes are dithered, and signs are of turned rows, by
numbers drawn beforehand (see `codes`, `signs`): so whatever the row and the query, the product r.t is small but for
chance. Its standard deviation is step |t| / sqrt(12) for a code; for signs, what they leave out times the norm of the
query off the axes, by the root of the number of elements. A scan that need not be exact reckons with UNLIKELY of these.
"""

from __future__ import annotations

import math

import numpy as np

from chroma_search.indexes.vector.allowed import Allowed
from chroma_search.indexes.vector.codes import RowCodes
from chroma_search.indexes.vector.exact_scan import Scanned
from chroma_search.indexes.vector.sketch import RowSketch
from chroma_search.kernels.coded_scan import CodedRows, InReach, MeasuredRows, SketchedRows, in_reach
from chroma_search.kernels.graph_search import SPACE_CODES
from chroma_search.model.distance import Vectors

MOST_WANTED = 1_000
"""Rows wanted above which the plain scan is taken: keeping the best in order would take longer than it saves."""
UNLIKELY = 5.0
"""Standard deviations that an estimate exceeds on one side once in 3.5 million rows."""
NO_FLOATS = np.empty(0, np.float32)


def rows_in_reach(
    of: Scanned,
    codes: RowCodes,
    sketch: RowSketch,
    point: Vectors,
    k: int,
    which: Allowed,
    within: float = math.inf,
    *,
    is_proven: bool = True,
) -> InReach | None:
    """Return the rows that could be among the k nearest, and their distances.

    Args:
        of: the vectors; in the cosine space, with the inverse of their norms.
        codes: of all rows.
        sketch: of all rows, or none.
        point: float32, shape (dim,); of unit length in the cosine space.
        k: rows wanted, >= 1.
        which: the rows to look at.
        within: a distance; rows that are surely farther may be left out, too.
        is_proven: False to leave one of the k out by chance, see UNLIKELY.

    Returns:
        what is in reach; or None, when the query cannot be coded or nothing would be saved.
    """
    if which.n <= k or k > MOST_WANTED:
        return None
    inverse = of.norms.inverse if of.space == "cosine" and of.norms is not None else NO_FLOATS
    measured = MeasuredRows(of.vectors, inverse, SPACE_CODES[of.space])
    coded = CodedRows(
        codes.values,
        codes.scales,
        codes.offsets,
        codes.residuals,
        codes.centre,
        codes.dither,
        codes.longest,
        codes.centre_length,
    )
    sketched = SketchedRows(sketch.values, sketch.signs, sketch.axes, sketch.dither, sketch.skew)
    unlikely = 0.0 if is_proven else UNLIKELY
    return in_reach(measured, coded, sketched, point, which.rows, which.bits, k, within, unlikely)
