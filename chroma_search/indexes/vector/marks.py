"""Scratch arrays that mark the rows one search has seen, lent to one search at a time.

A mark is one byte that changes from search to search, so that the array need not be cleared each time: 255 searches
share one clearing. Any number of threads may borrow; each gets an array of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

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

    @contextmanager
    def borrow(self) -> Generator[tuple[NDArray[np.uint8], int]]:
        """Lend an array and a mark that no element of it equals."""
        try:
            marks, mark = self._free.pop()
        except IndexError:
            marks, mark = np.zeros(self._n_rows, np.uint8), 0
        if mark == LAST_MARK:
            marks[:] = 0
            mark = 0
        try:
            yield marks, mark + 1
        finally:
            self._free.append((marks, mark + 1))
