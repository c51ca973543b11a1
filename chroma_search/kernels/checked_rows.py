"""CheckedRows: an array mapped from a file, each block of which is checked before it is first read.

It is no numpy array, on purpose: what reads it takes rows (`rows[...]`, checked block by block) or all of it
(`whole()`, checked once from end to end), and compiled kernels, which would read unchecked bytes, are only ever given
`whole()` (see `frozen`). So the first queries of a process read and check the blocks they touch, not the file.

Not for: what a block is checked against, and what its damage is called (`storage/array_file.py`).
Invariant: no element leaves this object before the blocks it lies in were checked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Blocks: TypeAlias = NDArray[np.int64]
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
        self._is_checked = np.zeros(-(-array.nbytes // block_bytes), np.bool_)
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
        return int(np.count_nonzero(self._is_checked))

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice | Picked) -> NDArray[Scalar]: ...
    def __getitem__(self, at: int | slice | Picked) -> Any:
        """Return rows as numpy does, checked: one, a slice of them, or those picked by an array of numbers or bits."""
        if not self._is_whole:
            self._check_once(self._blocks_of(at))
        return self._array[at]

    def whole(self) -> NDArray[Scalar]:
        """Return all of it, checked: read-only, mapped."""
        if not self._is_whole:
            self._check_once(np.arange(len(self._is_checked)))
        return self._array

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Give numpy the whole array, checked: no function of numpy gets at it otherwise."""
        whole = self.whole()
        return whole.astype(dtype or whole.dtype) if copy else np.asarray(whole, dtype)

    def _check_once(self, blocks: Blocks) -> None:
        if self._is_checked[blocks].all():
            return
        with self._lock:  # threads that ask together need not all check the same
            missing = sorted({*blocks[~self._is_checked[blocks]].tolist()})  # np.unique imports 20 ms of numpy.ma
            if missing:
                self._check(missing)
                self._is_checked[missing] = True
                self._is_whole = bool(self._is_checked.all())

    def _blocks_of(self, at: int | slice | Picked) -> Blocks:
        """Return the blocks that rows lie in, repeated or not, in any order."""
        if isinstance(at, slice):
            rows = range(len(self._array))[at]
            if not rows:
                return np.empty(0, np.int64)
            return self._between(min(rows[0], rows[-1]), max(rows[0], rows[-1]))
        if isinstance(at, np.ndarray):
            rows = np.flatnonzero(at) if at.dtype == np.bool_ else at.reshape(-1)
            return self._of_rows(rows.astype(np.int64))  # an int32 row times its bytes would leave int32
        row = range(len(self._array))[at]
        return self._between(row, row)

    def _between(self, first: int, last: int) -> Blocks:
        begin, end = first * self._row_bytes, (last + 1) * self._row_bytes - 1
        return np.arange(begin // self._block_bytes, end // self._block_bytes + 1)

    def _of_rows(self, rows: Blocks) -> Blocks:
        if len(rows) and rows.min() < 0:
            rows = np.where(rows < 0, rows + len(self._array), rows)
        begins = rows * self._row_bytes
        firsts = begins // self._block_bytes
        lasts = (begins + (self._row_bytes - 1)) // self._block_bytes
        if self._row_bytes <= self._block_bytes:
            return np.concatenate([firsts, lasts])
        spans = [np.arange(first, last + 1) for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)]
        return np.concatenate(spans) if spans else firsts


RowsOf: TypeAlias = NDArray[Scalar] | CheckedRows[Scalar]
"""An array in memory, or one of a file."""


def whole(rows: RowsOf[Scalar]) -> NDArray[Scalar]:
    """Return all rows as an array, checked.

    Raises:
        CorruptionError: a block of the file is damaged.
    """
    return rows if isinstance(rows, np.ndarray) else rows.whole()
