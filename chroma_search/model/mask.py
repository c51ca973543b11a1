"""Mask: a set of rows of one segment, the answer of every filter.

A mask is either *dense* (one bool per row) or *sparse* (ascending row numbers), and it says whether it is *exact* or
only a *superset* of the true answer (a trigram index gives supersets; each such row must be rechecked). The sparse form
carries a polarity: `exclude=True` means "all rows but these", so that `$ne` on a rare value needs no universe.

Invariant: a superset is never complemented. `invert` refuses it, because the complement of a superset would lose rows.
Not for: ordering, scores. Rows are positions 0..n-1 of one segment, never offset ids.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError
from chroma_search.record import record

Rows = NDArray[np.int64]
Bits = NDArray[np.bool_]


@record(eq=False)
class Mask:
    """A set of rows out of `n`.

    Attributes:
        n: number of rows of the segment.
        bits: bool, shape (n,), or None when the mask is sparse.
        rows: int64, ascending and unique, or None when the mask is dense.
        exclude: with `rows`: the mask is every row except these.
        exact: False when some rows of the mask may not belong to the answer.
    """

    n: int
    bits: Bits | None = None
    rows: Rows | None = None
    exclude: bool = False
    exact: bool = True
    _counted: int = field(default=-1, init=False)

    @staticmethod
    def all(n: int) -> Mask:
        """Return the mask of every row."""
        return Mask(n, rows=np.empty(0, np.int64), exclude=True)

    @staticmethod
    def none(n: int) -> Mask:
        """Return the empty mask."""
        return Mask(n, rows=np.empty(0, np.int64))

    @staticmethod
    def of_bits(bits: Bits, *, exact: bool = True) -> Mask:
        """Return the mask of the rows whose bit is set; `bits` is not copied."""
        return Mask(len(bits), bits=bits, exact=exact)

    @staticmethod
    def of_rows(n: int, rows: Rows, *, exact: bool = True) -> Mask:
        """Return the mask of `rows` (ascending, unique, each below n)."""
        return Mask(n, rows=rows, exact=exact)

    @property
    def is_all(self) -> bool:
        """True when every row is in the mask, as far as can be told without counting bits."""
        return self.rows is not None and self.exclude and not len(self.rows)

    @property
    def is_none(self) -> bool:
        """True when no row is in the mask, as far as can be told without counting bits."""
        return self.rows is not None and not self.exclude and not len(self.rows)

    def count(self) -> int:
        """Return the number of rows in the mask."""
        if self.rows is not None:
            return self.n - len(self.rows) if self.exclude else len(self.rows)
        assert self.bits is not None
        if self._counted < 0:  # masks are kept per filter, and each search asks how many rows pass
            object.__setattr__(self, "_counted", int(np.count_nonzero(self.bits)))
        return self._counted

    def to_bits(self) -> Bits:
        """Return bool, shape (n,). A dense mask gives its own array: do not write to it."""
        if self.bits is not None:
            return self.bits
        bits = np.full(self.n, self.exclude, np.bool_)
        bits[self.rows] = not self.exclude
        return bits

    def to_rows(self) -> Rows:
        """Return the rows of the mask, int64, ascending."""
        if self.rows is not None and not self.exclude:
            return self.rows
        return np.flatnonzero(self.to_bits())

    def test(self, rows: Rows) -> Bits:
        """Return, for each of `rows`, whether it is in the mask: bool, shape (len(rows),)."""
        if self.bits is not None:
            return self.bits[rows]
        assert self.rows is not None
        if not len(self.rows):
            return np.full(len(rows), self.exclude, np.bool_)
        at = np.searchsorted(self.rows, rows)
        found = self.rows[np.minimum(at, len(self.rows) - 1)] == rows
        return ~found if self.exclude else found

    def invert(self) -> Mask:
        """Return the complement.

        Raises:
            InternalError: the mask is a superset, whose complement would lose rows.
        """
        if not self.exact:
            raise InternalError("a superset mask was complemented", invariant="recheck before complement")
        if self.rows is not None:
            return Mask(self.n, rows=self.rows, exclude=not self.exclude)
        assert self.bits is not None
        return Mask(self.n, bits=~self.bits)

    def __and__(self, other: Mask) -> Mask:
        exact = self.exact and other.exact
        if self.is_all or other.is_none:
            return Mask(self.n, other.bits, other.rows, other.exclude, exact or other.is_none)
        if other.is_all or self.is_none:
            return Mask(self.n, self.bits, self.rows, self.exclude, exact or self.is_none)
        for left, right in ((self, other), (other, self)):
            if left.rows is not None and not left.exclude:
                return Mask(self.n, rows=left.rows[right.test(left.rows)], exact=exact)
        if self.rows is not None and other.rows is not None:
            return Mask(self.n, rows=np.union1d(self.rows, other.rows), exclude=True, exact=exact)
        return Mask(self.n, bits=self.to_bits() & other.to_bits(), exact=exact)

    def __or__(self, other: Mask) -> Mask:
        exact = self.exact and other.exact
        if self.is_none or other.is_all:
            return Mask(self.n, other.bits, other.rows, other.exclude, other.exact)
        if other.is_none or self.is_all:
            return Mask(self.n, self.bits, self.rows, self.exclude, self.exact)
        if self.rows is not None and other.rows is not None:
            if not self.exclude and not other.exclude:
                return Mask(self.n, rows=np.union1d(self.rows, other.rows), exact=exact)
            if self.exclude and other.exclude:
                return Mask(self.n, rows=np.intersect1d(self.rows, other.rows), exclude=True, exact=exact)
        return Mask(self.n, bits=self.to_bits() | other.to_bits(), exact=exact)
