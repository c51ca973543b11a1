"""Stored columns: strings and metadata of all rows as a few arrays, decoded row by row when asked for.

A column of strings is its UTF-8 bytes one after the other, the end of each string, and which rows have none. Metadata
are such a column of JSON texts, one per row; in them, an object as a value is a sparse vector in its wire form.
Not for: filters (`indexes/` builds its own columns from these), checksums (`array_file.py`).
Invariant: what comes back equals what was given, type by type (1, 1.0 and True stay apart, NaN and -0.0 stay what they
are, a lone surrogate stays one). Arrays are fetched at the first touch of a row, not before; nothing decoded is kept.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InternalError
from chroma_search.model.sparse_vector import SPARSE_VECTOR_TYPE_VALUE, SparseVector

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

BLOCK_ROWS = 2_048
"""Rows decoded at once when a column is walked: enough to spread the cost, little enough to hold in memory."""
_ENCODING = "utf-8"
_SURROGATES = "surrogatepass"
_ARRAYS = ("bytes", "ends", "missing")


def encode_strings(values: Sequence[str | None]) -> dict[str, NDArray[Any]]:
    """Return a column of strings as arrays.

    Args:
        values: one string or None per row.

    Returns:
        `bytes`: uint8, the strings in UTF-8 one after the other. `ends`: int64, shape (n,), where each string ends
        there; None takes no bytes. `missing`: bool, shape (n,), or (0,) when no row is None.
    """
    n = len(values)
    missing = np.fromiter((value is None for value in values), np.bool_, n)
    joined = "".join(value for value in values if value)
    if joined.isascii():
        content = joined.encode("ascii")
        lengths = np.fromiter((len(value) if value else 0 for value in values), np.int64, n)
    else:
        encoded = [value.encode(_ENCODING, _SURROGATES) if value else b"" for value in values]
        content = b"".join(encoded)
        lengths = np.fromiter(map(len, encoded), np.int64, n)
    return {
        "bytes": np.frombuffer(content, np.uint8),
        "ends": np.cumsum(lengths),
        "missing": missing if missing.any() else missing[:0],
    }


def encode_metadatas(values: Sequence[Mapping[str, Any] | None]) -> dict[str, NDArray[Any]]:
    """Return a column of metadata as arrays: those of `encode_strings` over one JSON text per row.

    Args:
        values: metadata or None per row; values are str, int, float, bool, lists of those, `SparseVector`.

    Raises:
        InternalError: a value of another type.
    """
    # texts stay as they are, not escaped: an escaped pair of lone surrogates would come back as one character
    encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), default=_wire_form)
    return encode_strings([None if value is None else encoder.encode(value) for value in values])


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
        self._taken: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]] | None = None

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
        begin = ends[row - 1] if row else 0
        return content[begin : ends[row]].tobytes().decode(_ENCODING, _SURROGATES)

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
        stops = ends[rows].tolist()
        starts = np.where(rows > 0, ends[rows - 1], 0).tolist()
        raw = content.data
        strings: list[str | None] = [
            str(raw[start:stop], _ENCODING, _SURROGATES) for start, stop in zip(starts, stops, strict=True)
        ]
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

    def _take(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
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

    __slots__ = ("_texts",)

    def __init__(self, arrays: Arrays, n_rows: int | None = None) -> None:
        self._texts = StoredStrings(arrays, n_rows)

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any] | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any] | None]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | list[dict[str, Any] | None] | None:
        """Return the metadata of one row, or a list of those of several."""
        found = self._texts[index]
        return parse_metadatas(found) if isinstance(found, list) else parse_metadatas([found])[0]

    def picked(self, rows: NDArray[np.int64]) -> list[dict[str, Any] | None]:
        """Return the metadata of some rows, in the order of `rows`."""
        return parse_metadatas(self._texts.picked(rows))

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        for block in self._texts.blocks(0, len(self)):
            yield from parse_metadatas(block)


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
