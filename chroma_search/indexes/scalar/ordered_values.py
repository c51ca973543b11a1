"""OrderedValues: numbers of one dtype and the rows that hold them, answering ranges and memberships.

A vectorised scan of a million values takes a millisecond and sorting them takes forty, so the order is bought only when
the scans made so far have cost as much (the rent-or-buy rule: never more than twice the cost of the best choice). Dense
integers (years, codes of a string dictionary) are counted instead, which gives exact counts without any sort.
Values are compared in their own dtype and never with another: callers turn operands into it (`model/numeric_range.py`).
Lazily made parts are assigned once and whole, so threads may share an object: at worst two make the same part.
Not for: None, strings, bools as such (the column hands in codes and bytes).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.base import Estimate
from chroma_search.indexes.scalar.compact_mask import DENSE_SHARE, mask_of_hits, mask_of_sorted_rows, without_repeats
from chroma_search.model.mask import Mask

SCAN_NS, MEMBERSHIP_NS, SORT_NS, RADIX_SORT_NS = 1.0, 4.0, 45.0, 14.0
"""Nanoseconds per value: one comparison, one step of a binary search, argsort, and argsort of 16-bit integers.

Measured on a million values with numpy 2.4 (AVX-512); only their ratios matter.
"""
SORT_AT_ONCE = 16_384
"""Up to so many values the order is made on first use: it takes under a millisecond."""
SAMPLE_SIZE = 1_024
RADIX_SPAN = 2**16
SMALL_SPAN, SPAN_PER_VALUE = 1_024, 4
"""Integers are counted when they span at most this many values: the counts take eight bytes each."""
FEW_OPERANDS = 4


class OrderedValues:
    """Values of one dtype with their rows.

    Args:
        values: int64, int32, uint8 or float64, shape (m,). The array is kept.
        rows: int64, shape (m,), ascending, repeats allowed (elements of arrays); None when value i belongs to row i.
        n_rows: rows of the segment.
    """

    __slots__ = (
        "_counts",
        "_least",
        "_order",
        "_sample",
        "_scanned_ns",
        "_sorted",
        "_span",
        "n_rows",
        "rows",
        "values",
    )

    def __init__(self, values: NDArray[Any], rows: NDArray[np.int64] | None, n_rows: int) -> None:
        self.values = values
        self.rows = rows
        self.n_rows = n_rows
        self._scanned_ns = 0.0
        self._order: NDArray[np.int32] | None = None
        self._sorted: NDArray[Any] | None = None
        self._counts: NDArray[np.int64] | None = None
        self._sample: NDArray[Any] | None = None
        self._least, self._span = _dense_span(values)

    def __len__(self) -> int:
        return len(self.values)

    def between(self, lo: float, hi: float) -> Mask:
        """Return the rows with a value v, `lo <= v <= hi`. The bounds are exact in the values' dtype; no NaN."""
        if not len(self.values) or lo > hi:
            return Mask.none(self.n_rows)
        if self._buys_order(SCAN_NS):
            first, last = self._positions(lo, hi)
            if (last - first) * DENSE_SHARE <= len(self.values) or lo == hi:
                return self._mask_at([slice(first, last)], is_one_value=lo == hi)
        return mask_of_hits(self.n_rows, self._hits_between(lo, hi), self.rows)

    def among(self, operands: NDArray[Any]) -> Mask:
        """Return the rows whose value is one of `operands`: the values' dtype, ascending, unique, no NaN."""
        if not len(self.values) or not len(operands):
            return Mask.none(self.n_rows)
        if len(operands) == 1:
            return self.between(operands[0], operands[0])
        if self._buys_order(MEMBERSHIP_NS * math.log2(len(operands) + 1)):
            firsts, lasts = self._positions_of(operands)
            if int((lasts - firsts).sum()) * DENSE_SHARE <= len(self.values):
                found = [slice(first, last) for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)]
                return self._mask_at([each for each in found if each.start < each.stop], is_one_value=False)
        return mask_of_hits(self.n_rows, self._hits_among(operands), self.rows)

    def count_between(self, lo: float, hi: float) -> Estimate:
        """Return how many values lie in `lo..hi`: exact for dense integers and once sorted, else from a sample."""
        if not len(self.values) or lo > hi:
            return Estimate.exactly(0)
        if self._has_ranks():
            first, last = self._positions(lo, hi)
            return Estimate.exactly(last - first)
        sample = self._sorted_sample()
        found = int(np.searchsorted(sample, hi, "right") - np.searchsorted(sample, lo, "left"))
        return self._from_sample(found)

    def count_among(self, operands: NDArray[Any]) -> Estimate:
        """Return how many values are one of `operands` (ascending, unique), as `count_between`."""
        if not len(self.values) or not len(operands):
            return Estimate.exactly(0)
        if self._has_ranks():
            firsts, lasts = self._positions_of(operands)
            return Estimate.exactly(int((lasts - firsts).sum()))
        sample = self._sorted_sample()
        found = np.searchsorted(sample, operands, "right") - np.searchsorted(sample, operands, "left")
        return self._from_sample(int(found.sum()))

    # --- scans ------------------------------------------------------------------------------------------------------

    def _hits_between(self, lo: float, hi: float) -> NDArray[np.bool_]:
        values = self.values
        if lo == hi:
            return values == lo
        # A bound that excludes nothing is not compared: it would cost as much as one that does.
        is_float = values.dtype.kind == "f"
        least, most = (-math.inf, math.inf) if is_float else (np.iinfo(values.dtype).min, np.iinfo(values.dtype).max)
        if lo <= least and hi >= most:
            return values == values if is_float else np.ones(len(values), np.bool_)  # NaN is in no range
        if lo <= least:
            return values <= hi
        if hi >= most:
            return values >= lo
        hits = values >= lo
        hits &= values <= hi
        return hits

    def _hits_among(self, operands: NDArray[Any]) -> NDArray[np.bool_]:
        if len(operands) <= FEW_OPERANDS:
            hits = self.values == operands[0]
            for each in operands[1:]:
                hits |= self.values == each
            return hits
        if self._span:
            inside = operands[(operands >= self._least) & (operands < self._least + self._span)]
            is_wanted = np.zeros(self._span, np.bool_)
            is_wanted[inside - self._least] = True
            return is_wanted[self.values - self._least]
        at = np.minimum(np.searchsorted(operands, self.values), len(operands) - 1)
        return operands[at] == self.values

    # --- order ------------------------------------------------------------------------------------------------------

    def _buys_order(self, scan_ns: float) -> bool:
        """Make the order when that is worth it; tell whether it is there."""
        if self._order is not None:
            return True
        m = len(self.values)
        sort_ns = RADIX_SORT_NS if 0 < self._span <= RADIX_SPAN else SORT_NS
        if m > SORT_AT_ONCE and self._scanned_ns < m * sort_ns:
            self._scanned_ns += m * scan_ns
            return False
        self._sort()
        return True

    def _sort(self) -> None:
        values = self.values
        if 0 < self._span <= RADIX_SPAN:
            values = (values - self._least).astype(np.uint16)  # numpy sorts 16-bit integers by radix, in linear time
        order = np.argsort(values, kind="stable" if values.dtype == np.uint16 else None).astype(np.int32)
        if not self._span:
            self._sorted = self.values[order]
        self._order = order  # last: it says that the rest is there

    def _has_ranks(self) -> bool:
        if self._span or self._order is not None:
            return True
        if len(self.values) > SORT_AT_ONCE:
            return False
        self._sort()
        return True

    def _positions(self, lo: float, hi: float) -> tuple[int, int]:
        """Return where the values in `lo..hi` begin and end in ascending order."""
        if self._span:
            bounds = self._running_counts()
            first = min(max(int(lo) - self._least, 0), self._span)
            last = min(max(int(hi) + 1 - self._least, first), self._span)
            return int(bounds[first]), int(bounds[last])
        assert self._sorted is not None
        return int(np.searchsorted(self._sorted, lo, "left")), int(np.searchsorted(self._sorted, hi, "right"))

    def _positions_of(self, operands: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._span:
            inside = operands[(operands >= self._least) & (operands < self._least + self._span)].astype(np.int64)
            bounds = self._running_counts()
            return bounds[inside - self._least], bounds[inside - self._least + 1]
        assert self._sorted is not None
        return np.searchsorted(self._sorted, operands, "left"), np.searchsorted(self._sorted, operands, "right")

    def _running_counts(self) -> NDArray[np.int64]:
        """Return how many values lie below least + i: int64, shape (span + 1,)."""
        if self._counts is None:
            counts = np.zeros(self._span + 1, np.int64)
            np.cumsum(np.bincount(self.values - self._least, minlength=self._span), out=counts[1:])
            self._counts = counts
        return self._counts

    def _mask_at(self, positions: list[slice], *, is_one_value: bool) -> Mask:
        """Return the mask of the rows at `positions` of the ascending order."""
        assert self._order is not None
        parts = [self._order[each] for each in positions]
        if not parts:
            return Mask.none(self.n_rows)
        found = (parts[0] if len(parts) == 1 else np.concatenate(parts)).astype(np.int64)
        if not (is_one_value and 0 < self._span <= RADIX_SPAN):  # the radix sort is stable: equal values stay in order
            found.sort()
        return mask_of_sorted_rows(self.n_rows, found if self.rows is None else without_repeats(self.rows[found]))

    # --- estimates --------------------------------------------------------------------------------------------------

    def _sorted_sample(self) -> NDArray[Any]:
        if self._sample is None:
            places = np.linspace(0, len(self.values) - 1, SAMPLE_SIZE).astype(np.int64)
            self._sample = np.sort(self.values[places])
        return self._sample

    def _from_sample(self, n_found: int) -> Estimate:
        m = len(self.values)
        share = max(n_found, 0.5) / SAMPLE_SIZE  # nothing found in the sample: half a hit, not zero
        return Estimate(0, min(m, round(m * share)), m)


def _dense_span(values: NDArray[Any]) -> tuple[int, int]:
    """Return (least value, number of values from least to greatest) of integers worth counting, else (0, 0)."""
    if not len(values) or values.dtype.kind not in "iu":
        return 0, 0
    least, most = int(values.min()), int(values.max())
    span = most - least + 1
    return (least, span) if span <= max(SMALL_SPAN, SPAN_PER_VALUE * len(values)) else (0, 0)
