"""IdIndex: the rows of an id in one segment, without a dict of all ids in memory.

The ids' hashes stand in ascending order, each with its row; an id is looked up by binary search and compared with the
ids of the rows found, so a collision costs a comparison and gives no wrong row.
Not for: ranges or prefixes of ids (`indexes/scalar/`), which rows live (`snapshot.py`).
Invariant: `rows` gives every row that holds the id, dead ones included, ascending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.checked_rows import RowsOf, whole
from chroma_search.record import record

if TYPE_CHECKING:
    import hashlib

HASH_BYTES = 8
"""With 64 bits, ten million ids have one pair of equal hashes in 370,000 segments."""


class SoughtIds(list[str]):
    """Ids to look up in several segments, hashed once."""

    @cached_property
    def ascending(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Where each id stands in ascending order of the hashes, and the hashes in that order."""
        hashes = _hashes(self)
        # searched in ascending order, one search finds in the cache what the one before has read
        order = np.argsort(hashes)
        return order, hashes[order]

    @cached_property
    def first(self) -> np.uint64:
        """The hash of the first id."""
        return _hashes(self[:1])[0]


@record(eq=False)
class IdIndex:
    """Hashes of the ids of a segment.

    Attributes:
        hashes: uint64, shape (n,), ascending: the first 8 bytes of BLAKE2b of the id in UTF-8, little-endian.
        at: int32 or int64, shape (n,): the row of each hash; equal hashes by ascending row.
    """

    hashes: NDArray[np.uint64]
    at: NDArray[np.int32] | NDArray[np.int64]

    @staticmethod
    def of(ids: Sequence[str]) -> IdIndex:
        """Return the index of ids, one per row; an id may stand in several rows."""
        hashes = _hashes(ids)
        order = np.argsort(hashes, kind="stable")
        return IdIndex(hashes[order], order.astype(np.int32) if len(ids) <= np.iinfo(np.int32).max else order)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store; `from_arrays` opens them again."""
        return {"id_hashes": self.hashes, "id_rows": self.at}

    @staticmethod
    def from_arrays(arrays: Mapping[str, RowsOf[Any]]) -> IdIndex:
        """Open stored arrays."""
        return IdIndex(whole(arrays["id_hashes"]), whole(arrays["id_rows"]))

    def rows(self, wanted: Sequence[str], ids: Sequence[str]) -> list[list[int]]:
        """Return the rows of each wanted id.

        Args:
            wanted: ids, in any order, repeated or unknown ones too.
            ids: the ids that the index was made of; only those of rows with a wanted hash are looked at.

        Returns:
            One list per wanted id, in their order: its rows, ascending; empty for an unknown id.
        """
        found: list[list[int]] = [[] for _ in wanted]
        if not len(self.hashes):
            return found
        sought = wanted if isinstance(wanted, SoughtIds) else SoughtIds(wanted)
        if len(sought) == 1:  # a single write: a third of the time
            return [self._rows_of(sought, ids)]
        order, ascending = sought.ascending
        firsts = np.searchsorted(self.hashes, ascending)
        is_found = self.hashes[np.minimum(firsts, len(self.hashes) - 1)] == ascending
        if not is_found.any():  # new ids, as in most writes
            return found
        firsts, lasts = firsts[is_found], np.searchsorted(self.hashes, ascending[is_found], "right")
        for position, first, last in zip(order[is_found].tolist(), firsts.tolist(), lasts.tolist(), strict=True):
            each = wanted[position]
            found[position] = [row for row in self.at[first:last].tolist() if ids[row] == each]
        return found

    def _rows_of(self, sought: SoughtIds, ids: Sequence[str]) -> list[int]:
        """Return the rows of the only id."""
        wanted = sought.first
        first = int(self.hashes.searchsorted(wanted))
        found: list[int] = []
        while first < len(self.hashes) and self.hashes[first] == wanted:
            row = int(self.at[first])
            if ids[row] == sought[0]:
                found.append(row)
            first += 1
        return found


def _hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join([_digest(each) for each in ids]), "<u8").astype(np.uint64, copy=False)


def _digest(id_: str) -> bytes:
    return _blake2b()(id_.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


@cache
def _blake2b() -> Callable[..., hashlib.blake2b]:
    import hashlib  # loads OpenSSL, 4 ms: not before the first look-up by id

    return hashlib.blake2b
