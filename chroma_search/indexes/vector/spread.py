"""A few rows spread over a set of rows: where a search begins when it cannot count on the entry of the graph.

Deterministic, so that the same query gets the same answer; spread by the golden ratio, so that sets that are runs of
rows (a category inserted at once) are met as well as random ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chroma_search.model.mask import Mask

GOLDEN = 0x9E3779B9  # 2^32 / golden ratio: multiples of it cover 0..2^32-1 evenly, however many are taken
MOST_PROBES = 4096


def spread_rows(mask: Mask, bits: NDArray[np.bool_], n_allowed: int, count: int) -> NDArray[np.int64]:
    """Return up to `count` rows of the mask, not all near each other: int64, unique.

    Args:
        mask: the set; `bits` are its bits, cut to the rows of the index.
        n_allowed: number of set bits, >= 1.
        count: rows wanted.

    Looking at a sample of the bits costs microseconds, listing the rows of a large dense mask a millisecond.
    """
    n = len(bits)
    n_probes = math.ceil(2 * count * n / n_allowed)
    if (mask.rows is None or mask.exclude) and n_probes <= min(n, MOST_PROBES):
        scattered = (np.arange(n_probes, dtype=np.uint64) * GOLDEN) & 0xFFFFFFFF
        probes = ((scattered * n) >> 32).astype(np.int64)
        hits = np.unique(probes[bits[probes]])
        if len(hits) >= count:
            return hits[:: len(hits) // count][:count]
    rows = np.flatnonzero(bits) if mask.rows is None or mask.exclude else mask.rows[: np.searchsorted(mask.rows, n)]
    return rows[(np.arange(min(count, len(rows))) * len(rows)) // min(count, len(rows))]
