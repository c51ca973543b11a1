"""Stored columns: strings and metadata of all rows as a few arrays, decoded row by row when asked for.

A column of strings is its UTF-8 bytes one after the other, the end of each string, and which rows have none. Metadata
are such a column of JSON texts, one per row; in them, an object as a value is a sparse vector in its wire form.
Not for: filters (`indexes/` builds its own columns from these), checksums (`array_file.py`).
Invariant: what comes back equals what was given, type by type (1, 1.0 and True stay apart, NaN and -0.0 stay what they
are, a lone surrogate stays one). Of the arrays, only what a row needs is read; nothing decoded is kept.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError
from chroma_search.kernels.checked_rows import RowsOf, parts_of, whole
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, SparseVector

Arrays: TypeAlias = Mapping[str, RowsOf[Any]]

BLOCK_ROWS = 2_048
"""Rows decoded at once when a column is walked: enough to spread the cost, little enough to hold in memory."""
_ENCODING = "utf-8"
_SURROGATES = "surrogatepass"
_ARRAYS = ("bytes", "ends", "missing")
_ITEM, _ROW = "\x1e", "\x1f"


def encode_strings(values: Sequence[str | None]) -> dict[str, NDArray[Any]]:
    """Return a column of strings as arrays.

    Args:
        values: one string or None per row.

    Returns:
        `bytes`: uint8, the strings in UTF-8 one after the other. `ends`: int64, shape (n,), where each string ends
        there; None takes no bytes. `missing`: bool, shape (n,), or (0,) when no row is None.
    """
    if isinstance(values, StoredStrings):
        return values.to_arrays()
    n = len(values)
    lengths, missing = np.empty(n, np.int64), np.zeros(n, np.bool_)
    contents: list[bytes] = []
    for first in range(0, n, BLOCK_ROWS):
        block, rows = values[first : first + BLOCK_ROWS], slice(first, first + BLOCK_ROWS)
        if None in block:
            missing[rows] = [value is None for value in block]
        content = "".join(filter(None, block)).encode(_ENCODING, _SURROGATES)
        lengths[rows] = [_byte_length(value) for value in block]
        contents.append(content)
    return {
        "bytes": np.frombuffer(b"".join(contents), np.uint8),
        "ends": np.cumsum(lengths),
        "missing": missing if missing.any() else missing[:0],
    }


def _byte_length(value: str | None) -> int:
    if not value:
        return 0
    return len(value) if value.isascii() else len(value.encode(_ENCODING, _SURROGATES))


def encode_metadatas(values: Sequence[Mapping[str, Any] | None]) -> dict[str, NDArray[Any]]:
    """Return a column of metadata as arrays: those of `encode_strings` over one JSON text per row.

    Args:
        values: metadata or None per row; values are str, int, float, bool, lists of those, `SparseVector`.

    Raises:
        InternalError: a value of another type.
    """
    if isinstance(values, StoredMetadatas):
        return values.texts.to_arrays()
    texts: list[str | None] = []
    for first in range(0, len(values), BLOCK_ROWS):
        texts += _metadata_texts(values[first : first + BLOCK_ROWS])
    return encode_strings(texts)


def _metadata_texts(values: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
    """Return each as JSON, made in one call, which takes half the time of one after the other.

    An empty list stands between two rows: metadata hold none that is an item of another list. Items are separated by a
    character that JSON escapes in strings.
    """
    known = [value for value in values if value is not None]
    row_or_gap: list[Any] = [[]] * (2 * len(known) - 1)
    row_or_gap[::2] = known
    # texts stay as they are, not escaped: an escaped pair of lone surrogates would come back as one character
    encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(_ITEM, ":"), default=_wire_form)
    joined = encoder.encode(row_or_gap)[1:-1].replace(f"{_ITEM}[]{_ITEM}", _ROW).replace(_ITEM, ",")
    texts = iter(joined.split(_ROW))
    return [None if value is None else next(texts) for value in values]


class StoredStrings(Sequence["str | None"]):
    """A column of strings.

    Args:
        arrays: what `encode_strings` gave; they are taken from it at the first touch of a row.
        n_rows: number of rows, when known without the arrays.
    """

    __slots__ = ("_arrays", "_n_rows", "_taken")

    def __init__(self, arrays: Arrays, n_rows: int | None = None) -> None:
        self._arrays = arrays
        self._n_rows = n_rows
        self._taken: tuple[RowsOf[np.uint8], RowsOf[np.int64], RowsOf[np.bool_]] | None = None

    def __len__(self) -> int:
        if self._n_rows is None:
            self._n_rows = len(self._take()[1])
        return self._n_rows

    @overload
    def __getitem__(self, index: SupportsIndex) -> str | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[str | None]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | list[str | None] | None:
        """Return one string or None, or a list of them."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if step == 1:
                return [each for block in self.blocks(first, last) for each in block]
            return [self[row] for row in range(first, last, step)]
        content, ends, missing = self._take()
        row = _checked_row(index, len(ends))
        if len(missing) and missing[row]:
            return None
        begin, end = ends[row - 1 : row + 1].tolist() if row else (0, int(ends[0]))
        return content[begin:end].tobytes().decode(_ENCODING, _SURROGATES)

    def __iter__(self) -> Iterator[str | None]:
        for block in self.blocks(0, len(self)):
            yield from block

    def blocks(self, first: int, last: int) -> Iterator[list[str | None]]:
        """Give the strings of rows first to last - 1, in lists of at most `BLOCK_ROWS`."""
        for begin in range(first, last, BLOCK_ROWS):
            yield self._block(begin, min(begin + BLOCK_ROWS, last))

    def picked(self, rows: NDArray[np.int64]) -> list[str | None]:
        """Return the strings of some rows, in the order of `rows`: a third of the time of one after the other."""
        content, ends, missing = self._take()
        bounds = ends[np.concatenate([np.maximum(rows - 1, 0), rows])]
        bounds[: len(rows)][rows == 0] = 0
        parts = parts_of(content, bounds[: len(rows)].tolist(), bounds[len(rows) :].tolist())
        strings: list[str | None] = [str(part, _ENCODING, _SURROGATES) for part in parts]
        if len(missing):
            for at in np.flatnonzero(missing[rows]).tolist():
                strings[at] = None
        return strings

    def _block(self, first: int, last: int) -> list[str | None]:
        content, ends, missing = self._take()
        start = int(ends[first - 1]) if first else 0
        stops = (ends[first:last] - start).tolist()
        raw = content[start : start + stops[-1]].tobytes()
        strings: list[str | None] = []
        begin = 0
        if raw.isascii():  # then bytes are characters, and one text can be cut
            text = raw.decode("ascii")
            for stop in stops:
                strings.append(text[begin:stop])
                begin = stop
        else:
            for stop in stops:
                strings.append(raw[begin:stop].decode(_ENCODING, _SURROGATES))
                begin = stop
        if len(missing):
            for row in np.flatnonzero(missing[first:last]).tolist():
                strings[row] = None
        return strings

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `encode_strings` gives, all of them checked."""
        content, ends, missing = self._take()
        return dict(zip(_ARRAYS, (whole(content), whole(ends), whole(missing)), strict=True))

    def _take(self) -> tuple[RowsOf[np.uint8], RowsOf[np.int64], RowsOf[np.bool_]]:
        if self._taken is None:  # two threads may both take them: they take the same
            content, ends, missing = (self._arrays[name] for name in _ARRAYS)
            self._taken = content, ends, missing
        return self._taken


class StoredMetadatas(Sequence["dict[str, Any] | None"]):
    """A column of metadata. Every access gives dicts of its own, which the caller may change.

    Args:
        arrays: what `encode_metadatas` gave; they are taken from it at the first touch of a row.
        n_rows: number of rows, when known without the arrays.
    """

    __slots__ = ("texts",)

    def __init__(self, arrays: Arrays, n_rows: int | None = None) -> None:
        self.texts = StoredStrings(arrays, n_rows)
        """The JSON of each row."""

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any] | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any] | None]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | list[dict[str, Any] | None] | None:
        """Return the metadata of one row, or a list of those of several."""
        found = self.texts[index]
        return parse_metadatas(found) if isinstance(found, list) else parse_metadatas([found])[0]

    def picked(self, rows: NDArray[np.int64]) -> list[dict[str, Any] | None]:
        """Return the metadata of some rows, in the order of `rows`."""
        return parse_metadatas(self.texts.picked(rows))

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        for block in self.texts.blocks(0, len(self)):
            yield from parse_metadatas(block)


def merged_strings(parts: Sequence[tuple[StoredStrings, NDArray[np.int64]]]) -> StoredStrings:
    """Return some rows of several columns as one column; no string is decoded.

    Args:
        parts: each with the rows to take: int64, ascending.
    """
    contents: list[NDArray[np.uint8]] = []
    lengths: list[NDArray[np.int64]] = []
    missing: list[NDArray[np.bool_]] = []
    for column, rows in parts:
        if not len(rows):
            continue
        arrays = column.to_arrays()
        content, ends, is_missing = (arrays[name] for name in _ARRAYS)
        begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        breaks = np.flatnonzero(np.diff(rows) != 1)  # between runs of rows, whose strings follow each other
        firsts, lasts = rows[np.append(0, breaks + 1)], rows[np.append(breaks, len(rows) - 1)]
        contents += [content[a:b] for a, b in zip(begins[firsts].tolist(), ends[lasts].tolist(), strict=True)]
        lengths.append(ends[rows] - begins[rows])
        missing.append(is_missing[rows] if len(is_missing) else np.zeros(len(rows), np.bool_))
    is_missing = np.concatenate([np.empty(0, np.bool_), *missing])
    arrays = {
        "bytes": np.concatenate([np.empty(0, np.uint8), *contents]),
        "ends": np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths])),
        "missing": is_missing if is_missing.any() else is_missing[:0],
    }
    return StoredStrings(arrays, len(is_missing))


def parse_metadatas(texts: Sequence[str | None]) -> list[dict[str, Any] | None]:
    """Parse the texts as one array, which takes half the time of one after the other."""
    joined = ",".join(["null" if each is None else each for each in texts])
    rows: list[dict[str, Any] | None] = json.loads(f"[{joined}]")
    if SPARSE_VECTOR_TYPE_VALUE in joined:
        for row in rows:
            for key, value in row.items() if row else ():
                if isinstance(value, dict):
                    row[key] = SparseVector.from_dict(value)  # type: ignore[index]  # replaces, adds no key
    return rows


def _wire_form(value: object) -> dict[str, Any]:
    if isinstance(value, SparseVector):
        return value.to_dict()
    raise InternalError(
        f"a metadata value of type {type(value).__name__} reached the disk",
        invariant="metadata values are str, int, float, bool, lists of those or SparseVector",
    )


def _checked_row(index: SupportsIndex, n: int) -> int:
    row = operator.index(index)
    if row < 0:
        row += n
    if not 0 <= row < n:
        raise IndexError(f"row {index} of {n}")
    return row
