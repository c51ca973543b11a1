"""Cutting an approximate answer to k so that rounding cannot change what the first k are.

Candidates are scored again exactly; rows whose estimates lie within rounding of the k-th must therefore stay, or the
first 5 of a search for 5 could differ from the first 5 of a search for 50.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.exact_scan import error_factor
from chroma_search.indexes.vector.norms import norms_of
from chroma_search.model.distance import Space, Vectors
from chroma_search.record import record


@record()
class Slack:
    """How far two float32 estimates may lie apart and still be equal: `relative` * the larger + `absolute`."""

    relative: float
    absolute: float


def rounding_slack(query: Vectors, dim: int, space: Space, longest: float) -> Slack:
    """Return the slack of estimates for one query against vectors of norm up to `longest`."""
    factor = 2.0 * error_factor(dim)
    match space:
        case "l2":
            return Slack(factor, 0.0)
        case "cosine":
            return Slack(0.0, factor)
        case "ip":
            return Slack(0.0, factor * (1.0 + longest * float(norms_of(query[None])[0])))


def with_near_ties(distances: NDArray[np.float64], k: int, slack: Slack) -> NDArray[np.int64]:
    """Return the positions of the k smallest distances and of those within `slack` of the k-th (NaN last)."""
    if len(distances) <= k:
        return np.arange(len(distances))
    kth = float(np.partition(distances, k - 1)[k - 1])
    limit = kth * (1.0 + slack.relative) + slack.absolute
    return np.flatnonzero((distances <= limit) | (not np.isfinite(limit)))


def first_with_near_ties(distances: NDArray[np.float64], k: int, slack: Slack) -> int:
    """Return how many of ascending distances (NaN last) `with_near_ties` keeps: they come first."""
    if len(distances) <= k:
        return len(distances)
    limit = float(distances[k - 1]) * (1.0 + slack.relative) + slack.absolute
    return int(distances.searchsorted(limit, side="right")) if math.isfinite(limit) else len(distances)
