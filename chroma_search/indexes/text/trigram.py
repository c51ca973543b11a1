"""TrigramIndex: which rows may contain a string, by the three-byte sequences (trigrams) of its UTF-8 form.

A row that contains a literal contains all of its trigrams; the converse does not hold, so the answer is a superset that
must be rechecked. Literals under three bytes say nothing. Built from chunks of text, so the memory beyond the index
itself does not grow with the text. Source: Russ Cox, "Regular Expression Matching with a Trigram Index" (2012).
Not for: the recheck (`string_column.py`), which literals a pattern needs (`regex_literals.py`).
Invariant: a row that contains every literal is in the mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.scalar.compact_mask import mask_of_sorted_rows, without_repeats
from chroma_search.model.mask import Mask

GRAM_BYTES = 3
CHUNK_BYTES = 2**21
"""Text indexed at a time; sorting its trigrams takes about 30 bytes of memory per byte."""
ENOUGH_ROWS = 32
"""A recheck of so few candidates is cheaper than reading another posting list."""
MAX_LISTS = 8
"""Posting lists read per question at most, rarest first: later ones seldom rule out anything."""

Postings = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32]]


class TrigramIndex:
    """Posting lists of the trigrams of one column; make it with `build`."""

    __slots__ = ("_grams", "_rows", "_starts", "n_rows")

    def __init__(self, n_rows: int, grams: NDArray[np.uint32], starts: NDArray[np.int64], rows: NDArray[np.int32]):
        """Keep posting lists: `grams` ascending, list i is `rows[starts[i]:starts[i + 1]]`, ascending."""
        self.n_rows = n_rows
        self._grams = grams
        self._starts = starts
        self._rows = rows

    @classmethod
    def build(cls, texts: Sequence[str | None]) -> TrigramIndex:
        """Index one text per row, None where the row has none."""
        chunks = [_postings_of(*chunk) for chunk in _chunks(texts)]
        return cls(len(texts), *_merged(chunks))

    @property
    def n_bytes(self) -> int:
        """Memory taken, in bytes."""
        return self._grams.nbytes + self._starts.nbytes + self._rows.nbytes

    def candidates(self, literals: Sequence[str]) -> Mask | None:
        """Return the rows that may contain all literals, as a superset, or None when the index cannot tell.

        None when no literal has three bytes. The empty mask is exact: a trigram that no row has rules out all.
        """
        wanted = sorted({gram for literal in literals for gram in _grams_of(literal)})
        if not wanted:
            return None
        at = np.searchsorted(self._grams, np.array(wanted, np.uint32))
        if not len(self._grams) or bool(np.any(self._grams[np.minimum(at, len(self._grams) - 1)] != wanted)):
            return Mask.none(self.n_rows)
        starts, ends = self._starts[at], self._starts[at + 1]
        rarest_first = np.argsort(ends - starts)[:MAX_LISTS].tolist()
        found: NDArray[np.int32] | None = None
        for each in rarest_first:
            rows = self._rows[starts[each] : ends[each]]
            found = rows if found is None else _in_both(found, rows)
            if len(found) <= ENOUGH_ROWS:
                break
        assert found is not None
        return mask_of_sorted_rows(self.n_rows, without_repeats(found.astype(np.int64)), exact=not len(found))


def _grams_of(literal: str) -> Iterator[int]:
    data = literal.encode("utf-8", "surrogatepass")
    for at in range(len(data) - GRAM_BYTES + 1):
        yield data[at] << 16 | data[at + 1] << 8 | data[at + 2]


def _in_both(few: NDArray[np.int32], many: NDArray[np.int32]) -> NDArray[np.int32]:
    at = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return few[many[at] == few]


def _chunks(texts: Sequence[str | None]) -> Iterator[tuple[bytes, list[int], list[int]]]:
    """Yield (bytes, length of each piece, row of each piece); texts longer than a chunk are cut with an overlap."""
    pieces: list[bytes] = []
    rows: list[int] = []
    n_bytes = 0
    for row, text in enumerate(texts):
        if not text:
            continue
        data = text.encode("utf-8", "surrogatepass")
        for start in range(0, max(1, len(data) - GRAM_BYTES + 1), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES + GRAM_BYTES - 1]
            pieces.append(piece)
            rows.append(row)
            n_bytes += len(piece)
            if n_bytes >= CHUNK_BYTES:
                yield b"".join(pieces), list(map(len, pieces)), rows
                pieces, rows, n_bytes = [], [], 0
    if pieces:
        yield b"".join(pieces), list(map(len, pieces)), rows


def _postings_of(data: bytes, lengths: list[int], rows: list[int]) -> Postings:
    """Return the posting lists of one chunk: trigrams ascending, bounds, rows ascending within each."""
    text = np.frombuffer(data, np.uint8)
    n_grams = max(0, len(text) - GRAM_BYTES + 1)
    keys = text[:n_grams].astype(np.uint64)
    for offset in range(1, GRAM_BYTES):
        keys <<= np.uint64(8)
        keys |= text[offset : offset + n_grams]
    piece_ends = np.cumsum(lengths)
    keys <<= np.uint64(32)
    keys |= np.repeat(np.array(rows, np.uint64), lengths)[:n_grams]
    is_inside = np.ones(n_grams, np.bool_)
    for offset in range(1, GRAM_BYTES):  # the last two bytes of a piece start no trigram of their own
        last = piece_ends - offset
        is_inside[last[(last >= 0) & (last < n_grams)]] = False
    keys = np.sort(keys[is_inside])
    if not len(keys):
        return np.empty(0, np.uint32), np.zeros(1, np.int64), np.empty(0, np.int32)
    is_new = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
    keys = keys[is_new]
    grams = (keys >> np.uint64(32)).astype(np.uint32)
    is_first = np.ones(len(grams), np.bool_)
    np.not_equal(grams[1:], grams[:-1], out=is_first[1:])
    starts = np.append(np.flatnonzero(is_first), len(grams))
    return grams[is_first], starts, keys.astype(np.uint32).view(np.int32)  # the cast keeps the low half: the row


def _merged(chunks: list[Postings]) -> Postings:
    """Join the posting lists of chunks whose rows ascend from chunk to chunk; the chunks are consumed."""
    grams = np.empty(0, np.uint32)
    if chunks:
        grams = np.sort(np.concatenate([each[0] for each in chunks]))
        grams = grams[np.append(True, grams[1:] != grams[:-1])] if len(grams) else grams
    counts = np.zeros(len(grams), np.int64)
    for chunk_grams, chunk_starts, _ in chunks:
        counts[np.searchsorted(grams, chunk_grams)] += np.diff(chunk_starts)
    starts = np.zeros(len(grams) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    rows = np.empty(int(starts[-1]), np.int32)
    filled = starts[:-1].copy()
    while chunks:
        chunk_grams, chunk_starts, chunk_rows = chunks.pop(0)
        at = np.searchsorted(grams, chunk_grams)
        sizes = np.diff(chunk_starts)
        rows[np.repeat(filled[at] - chunk_starts[:-1], sizes) + np.arange(len(chunk_rows))] = chunk_rows
        filled[at] += sizes
    return grams, starts, rows
