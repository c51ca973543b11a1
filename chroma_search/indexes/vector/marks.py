"""Scratch arrays that mark the rows one search has seen, lent to one search at a time.

A mark is one byte that changes from search to search, so that the array need not be cleared each time: 255 searches
share one clearing. Any number of threads may borrow; each gets an array of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAST_MARK = 255


class MarkPool:
    """Arrays of one byte per row.

    Args:
        n_rows: length of the arrays.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._free: list[tuple[NDArray[np.uint8], int]] = []  # append and pop are atomic

    def borrow(self) -> Loan:
        """Lend an array and a mark that no element of it equals, for as long as the block it is entered by runs."""
        try:
            marks, mark = self._free.pop()
        except IndexError:
            marks, mark = np.zeros(self._n_rows, np.uint8), 0
        if mark == LAST_MARK:
            marks[:] = 0
            mark = 0
        return Loan(self._free, marks, mark + 1)


class Loan:
    """A borrowed array and its mark: a context manager, for a generator would take a microsecond more per search."""

    __slots__ = ("_free", "_lent")

    def __init__(self, free: list[tuple[NDArray[np.uint8], int]], marks: NDArray[np.uint8], mark: int) -> None:
        self._free = free
        self._lent = marks, mark

    def __enter__(self) -> tuple[NDArray[np.uint8], int]:
        return self._lent

    def __exit__(self, *_: object) -> None:
        self._free.append(self._lent)
