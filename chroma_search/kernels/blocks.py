"""Blocks of rows: how loops over a big matrix keep their temporaries small."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK_ELEMENTS = 2**21
"""Elements of one temporary: 8 MB of float32, 16 MB of float64. Larger blocks were not faster."""


def row_blocks(n: int, width: int, elements: int = BLOCK_ELEMENTS) -> Iterator[slice]:
    """Yield slices that cover 0..n-1 in order, each of at most `elements` / `width` rows, and of one row at least."""
    step = max(1, elements // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
