"""MappedFile: the bytes of an immutable file in memory, checked block by block against checksums known from elsewhere.

Not for: where an array stands and what its checksums are (`array_file.py`), which blocks were checked before
(`kernels/checked_rows.py`).
Invariant: a file that was cut short is an error and no signal, for its length is asked before it is touched.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from chroma_search.errors import ClosedError, CorruptionError

BLOCK_BYTES = 1 << 15
"""Bytes that have a checksum of their own: damage costs the 20 vectors of 384 floats around it. The header then has 12
bytes per 32 kB; with 16 kB it would take 4 ms to read for 200,000 such records."""

LET_GO_BYTES = 1 << 20
"""Bytes checked after which the file leaves this process's memory again (not the system's cache): a page that is read
to be checked need not stay. Linux 6.18 maps up to 2 MB around a page (ext4), so that a few blocks keep a whole file:
the first query of 200,000 x 384 left 299 MB resident, and leaves 58 (2026-11, benchmarks/ingest/open.py)."""

_NO_BYTES: NDArray[np.uint8] = np.frombuffer(b"", np.uint8)


class MappedFile:
    """A mapped file; threads may share it.

    Args:
        path: its name.
        content: the map, of the whole file, to be read.
    """

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path = path
        self.n_bytes = len(content)
        self._content: mmap.mmap | None = content
        self._n_checked_bytes = 0  # since it was let go of; threads may miscount, which does no harm

    def content(self) -> mmap.mmap:
        """Return the map.

        Raises:
            ClosedError: the file was closed.
            CorruptionError: it is shorter or longer than when it was opened.
        """
        content = self._content
        if content is None:
            raise ClosedError(f"{self.path} was closed; open it again to read more of it")
        n_bytes = content.size()
        if n_bytes != self.n_bytes:  # touching what is gone would end the process
            raise damaged(self.path, n_bytes, f"{self.n_bytes} bytes, as when it was opened, not {n_bytes}")
        return content

    def bytes_at(self, start: int, n_bytes: int) -> NDArray[np.uint8]:
        """Return bytes as they are, not copied; they stay valid when the file is closed. Errors as `content`."""
        return np.frombuffer(self.content(), np.uint8, n_bytes, start) if n_bytes else _NO_BYTES

    def damaged_block(self, start: int, n_bytes: int, sums: Sequence[int], blocks: Sequence[int]) -> int | None:
        """Return the first of the blocks that is not what its checksum says, or None; errors as `content`.

        Args:
            start, n_bytes: where the array stands whose blocks they are.
            sums: checksums of all its blocks.
            blocks: numbers of blocks of the array.
        """
        content = memoryview(self.content())[start : start + n_bytes]
        found = None
        for at in blocks:
            if block_sum(content, at) != sums[at]:
                found = at
                break
        self._n_checked_bytes += len(blocks) * BLOCK_BYTES
        if self._n_checked_bytes >= LET_GO_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._n_checked_bytes = 0
            self.content().madvise(mmap.MADV_DONTNEED)
        return found

    def close(self) -> None:
        """Let go of the file. Its memory is unmapped when the last array taken from it is gone."""
        self._content = None


def block_sums(content: memoryview) -> list[int]:
    """Return the checksum of each block of an array's bytes."""
    return [block_sum(content, at) for at in range(-(-len(content) // BLOCK_BYTES))]


def block_sum(content: memoryview, block: int) -> int:
    """Return the checksum of a block. XXH3 is four times as fast as CRC-32, and queries wait for it."""
    return xxh3_64_intdigest(content[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]) & 0xFFFFFFFF


def damaged(path: Path, offset: int, expected: str) -> CorruptionError:
    """Return the error that says where a file is not what it should be."""
    return CorruptionError(
        f"{path} is damaged at byte {offset}: expected {expected}; repair() the folder, or restore it from a backup",
        path=str(path),
        offset=offset,
        expected=expected,
    )
