"""CheckedRows: an array mapped from a file, each block of which is checked before it is first read.

It is no numpy array, on purpose: what reads it takes rows (`rows[...]`, checked block by block) or all of it
(`whole()`, checked once from end to end). Compiled kernels look at the mark of a block before they read in it
(`kernels/cpp/rows.h`). So the first queries of a process read and check the blocks they touch, not the file.

Not for: what a block is checked against, and what its damage is called (`storage/array_file.py`).
Invariant: no element leaves this object before the blocks it lies in were checked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

FEW = 64
"""Rows that are looked at one by one: 16 take 7 us so, and 14 us by numpy (2026-11)."""

Scalar = TypeVar("Scalar", bound=np.generic)
Picked: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.bool_]


class CheckedRows(Generic[Scalar]):
    """Rows of a mapped array. Threads may share it; each block is checked once.

    Args:
        array: what is mapped, unchecked; read-only, C-contiguous.
        block_bytes: bytes per block, counted from the start of the array; the last block is shorter.
        check: is given ascending numbers of blocks and raises when one of them is damaged.
    """

    def __init__(self, array: NDArray[Scalar], block_bytes: int, check: Callable[[list[int]], None]) -> None:
        self._array = array
        self._block_bytes = block_bytes
        self._check = check
        self._row_bytes = array.nbytes // len(array) if array.ndim and len(array) else 0
        self._flags = bytearray(-(-array.nbytes // block_bytes))  # 1: checked
        self._is_checked = np.frombuffer(self._flags, np.bool_)  # the same memory, for many blocks at once
        self._n_missing = len(self._flags)
        self._is_whole = not array.nbytes
        self._lock = threading.Lock()
        self.shape: tuple[int, ...] = array.shape

    def __len__(self) -> int:
        return len(self._array)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Scalar]:
        """Type of the elements."""
        return self._array.dtype

    @property
    def n_checked(self) -> int:
        """Number of blocks that were checked so far."""
        return sum(self._flags)

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice | Picked) -> NDArray[Scalar]: ...
    def __getitem__(self, at: int | slice | Picked) -> Any:
        """Return rows as numpy does, checked: one, a slice of them, or those picked by an array of numbers or bits."""
        if not self._is_whole:
            if isinstance(at, np.ndarray):
                self._check_rows(at)
            else:
                rows = range(self.shape[0])[at]
                if isinstance(rows, int):
                    self._check_between(rows, rows)
                elif rows:
                    first, last = rows[0], rows[-1]
                    self._check_between(first, last) if first <= last else self._check_between(last, first)
        return self._array[at]

    def parts(self, starts: Sequence[int], stops: Sequence[int]) -> list[memoryview]:
        """Return the rows from each start to its stop, checked, for less than slicing one after the other."""
        view, row_bytes, block_bytes, flags = self._array.data, self._row_bytes, self._block_bytes, self._flags
        if not self._is_whole:
            for start, stop in zip(starts, stops, strict=True):
                begin, end = start * row_bytes // block_bytes, (stop * row_bytes - 1) // block_bytes + 1
                if start < stop and flags.find(0, begin, end) >= 0:
                    self._check_missing(range(begin, end))
        return [view[start:stop] for start, stop in zip(starts, stops, strict=True)]

    def unchecked(self) -> tuple[NDArray[Scalar], bytearray | None, int]:
        """Return what a compiled kernel reads: the array, a byte per block (0: not checked), and the bytes of a block.

        Where the byte is 0 it has `check_blocks` called first. None for the bytes: all blocks were checked.
        """
        return self._array, None if self._is_whole else self._flags, self._block_bytes

    def check_blocks(self, begin: int, end: int) -> None:
        """Check the blocks from `begin` to `end` - 1."""
        self._check_missing(range(begin, end))

    def whole(self) -> NDArray[Scalar]:
        """Return all of it, checked: read-only, mapped."""
        if not self._is_whole:
            self._check_missing(range(len(self._flags)))
        return self._array

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Give numpy the whole array, checked: no function of numpy gets at it otherwise."""
        whole = self.whole()
        return whole.astype(dtype or whole.dtype) if copy else np.asarray(whole, dtype)

    def _check_between(self, first: int, last: int) -> None:
        """Check rows `first` to `last`."""
        begin = first * self._row_bytes // self._block_bytes
        end = ((last + 1) * self._row_bytes - 1) // self._block_bytes + 1
        if self._flags.find(0, begin, end) >= 0:
            self._check_missing(range(begin, end))

    def _check_rows(self, picked: Picked) -> None:
        """Check the rows of an array of numbers or bits."""
        if len(picked) <= FEW and self._are_few_checked(picked.tolist()):
            return
        rows = np.flatnonzero(picked) if picked.dtype == np.bool_ else picked.reshape(-1)
        rows = rows.astype(np.int64)  # an int32 row times its bytes would leave int32
        begins = np.where(rows < 0, rows + len(self._array), rows) * self._row_bytes
        firsts, lasts = begins // self._block_bytes, (begins + (self._row_bytes - 1)) // self._block_bytes
        if self._row_bytes <= self._block_bytes and (self._is_checked[firsts] & self._is_checked[lasts]).all():
            return
        pairs = zip(firsts.tolist(), lasts.tolist(), strict=True)
        self._check_missing({block for first, last in pairs for block in range(first, last + 1)})

    def _are_few_checked(self, rows: list[Any]) -> bool:
        """Tell whether a few rows were checked before; False when in doubt. The commonest case of a walk."""
        flags, row_bytes, block_bytes, n = self._flags, self._row_bytes, self._block_bytes, len(self._array)
        if row_bytes > block_bytes:
            return False
        for row in rows:
            if type(row) is not int:
                return False
            begin = (row if row >= 0 else row + n) * row_bytes
            if not (flags[begin // block_bytes] and flags[(begin + row_bytes - 1) // block_bytes]):
                return False
        return True

    def _check_missing(self, blocks: Iterable[int]) -> None:
        with self._lock:  # threads that ask together need not all check the same
            flags = self._flags
            missing = sorted([block for block in blocks if not flags[block]])
            if missing:
                self._check(missing)
                for block in missing:  # mostly one, for which numpy would take longer than its checksum
                    flags[block] = 1
                self._n_missing -= len(missing)
                self._is_whole = not self._n_missing


RowsOf: TypeAlias = NDArray[Scalar] | CheckedRows[Scalar]
"""An array in memory, or one of a file."""
VectorRows: TypeAlias = RowsOf[np.float32]
"""Vectors in memory, or those of a file, which are checked when they are read."""


def parts_of(rows: RowsOf[Scalar], starts: Sequence[int], stops: Sequence[int]) -> list[memoryview]:
    """Return the rows from each start (0 or more) to its stop.

    Raises:
        CorruptionError: a block of the file that they lie in is damaged.
    """
    if isinstance(rows, np.ndarray):
        view = rows.data
        return [view[start:stop] for start, stop in zip(starts, stops, strict=True)]
    return rows.parts(starts, stops)


def whole(rows: RowsOf[Scalar]) -> NDArray[Scalar]:
    """Return all rows as an array, checked.

    Raises:
        CorruptionError: a block of the file is damaged.
    """
    return rows if isinstance(rows, np.ndarray) else rows.whole()
