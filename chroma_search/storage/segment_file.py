"""SegmentFile: one segment as one immutable file of arrays (`array_file.py`).

| array                                | dtype, shape         | what                                               |
| ------------------------------------ | -------------------- | -------------------------------------------------- |
| `ids.bytes` `ids.ends` `ids.missing` | as `stored_columns`  | ids, none missing                                  |
| `id_hashes` `id_rows`                | as `id_index`        | rows by id                                         |
| `offset_ids`                         | int64, (n,)          | offset ids                                         |
| `documents.*` `uris.*`               | as `ids.*`           | texts, or none                                     |
| `metadatas.*`                        | as `ids.*`           | JSON texts, or none                                |
| `vectors`                            | float32, (n, dim)    | vectors, as given                                  |
| `graph.<name>`                       | as the index has it  | arrays of the approximate index, where there is one |

The facts of the file are `n_rows`, `dim`, `has_graph`, the `name` it was written under (so that two files that changed
places show; files of earlier programs lack it) and, under `given`, those of the caller.

Not for: which rows live, names of segments, the manifest.
Invariant: what is read was checked, block by block; what is not touched is not read, so opening costs the same for any
size, and a query what it touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError
from chroma_search.kernels.checked_rows import CheckedRows, RowsOf, whole
from chroma_search.storage.array_file import ArrayFile, write_arrays
from chroma_search.storage.files import Files
from chroma_search.storage.id_index import IdIndex
from chroma_search.storage.rows import Rows
from chroma_search.storage.stored_columns import StoredMetadatas, StoredStrings, encode_metadatas, encode_strings

GRAPH = "graph."
TEXT_COLUMNS = ("ids", "documents", "metadatas", "uris")


def write_segment(
    files: Files,
    path: Path,
    rows: Rows,
    *,
    facts: Mapping[str, Any],
    graph: Mapping[str, RowsOf[Any]] | None,
) -> None:
    """Write a segment, durably.

    Args:
        files: the disk.
        path: name of the file.
        rows: the records; vectors float32, shape (n, dim).
        facts: values of JSON to keep with it, such as the parameters of the index.
        graph: arrays of the approximate index (`VectorIndex.to_arrays`), or None where there is none.

    Raises:
        StorageError: the disk is full or fails; there is no such file then.
        InternalError: a metadata value or an array of a type that files do not hold.
    """
    arrays: dict[str, NDArray[Any]] = {}
    arrays.update(_prefixed("ids.", encode_strings(rows.ids)))
    arrays.update(IdIndex.of(rows.ids).to_arrays())
    arrays["offset_ids"] = rows.offset_ids
    arrays.update(_prefixed("documents.", encode_strings(rows.documents)))
    arrays.update(_prefixed("uris.", encode_strings(rows.uris)))
    arrays.update(_prefixed("metadatas.", encode_metadatas(rows.metadatas)))
    arrays["vectors"] = whole(rows.vectors)
    arrays.update(_prefixed(GRAPH, {name: whole(each) for name, each in (graph or {}).items()}))
    n_rows, dim = rows.vectors.shape
    own = {"name": path.name, "n_rows": n_rows, "dim": dim, "has_graph": graph is not None, "given": dict(facts)}
    write_arrays(files, path, arrays, own)


class SegmentFile:
    """An open segment; threads may share it.

    Args:
        file: the arrays.
        n_rows: number of rows.
        dim: dimension of the vectors.
    """

    def __init__(self, file: ArrayFile, n_rows: int, dim: int) -> None:
        self._file = file
        self._rows = StoredRows(file, n_rows)
        self._id_index: IdIndex | None = None
        self.n_rows = n_rows
        self.dim = dim

    @staticmethod
    def open(path: Path) -> SegmentFile:
        """Open a segment: check its header and that all arrays are there; none of them is read.

        Raises:
            CorruptionError: the file is damaged, holds no segment, or another one than its name says.
            FormatVersionError: it is of a version that this program cannot read.
            StorageError: it cannot be opened.
        """
        file = ArrayFile.open(path)
        n_rows, dim = file.facts.get("n_rows"), file.facts.get("dim")
        if not (isinstance(n_rows, int) and isinstance(dim, int) and isinstance(file.facts.get("given"), dict)):
            raise _no_segment(path, "facts n_rows, dim and given")
        if file.facts.get("name", path.name) != path.name:
            raise CorruptionError(
                f"{path} holds the segment {file.facts['name']}: repair() the folder, or restore the file from a copy",
                path=str(path),
                expected=f"the segment {path.name}, not {file.facts['name']}",
            )
        _check_shapes(file, n_rows, dim)
        return SegmentFile(file, n_rows, dim)

    @property
    def facts(self) -> dict[str, Any]:
        """The facts as they were given, with `n_rows` and `dim`."""
        return {**self._file.facts["given"], "n_rows": self.n_rows, "dim": self.dim}

    @property
    def rows(self) -> Rows:
        """The records. A block of a column is checked when it is first read; that may raise CorruptionError."""
        return self._rows

    @property
    def id_index(self) -> IdIndex:
        """The rows by id, for `rows(wanted, self.rows.ids)`.

        Raises:
            CorruptionError: its arrays are damaged; `IdIndex.of(self.rows.ids)` makes it again.
        """
        if self._id_index is None:
            self._id_index = IdIndex.from_arrays(_Prefixed(self._file, ""))
        return self._id_index

    def graph_arrays(self) -> dict[str, CheckedRows[Any]] | None:
        """Return the arrays of the approximate index, or None where there is none.

        What is read of them is checked then; a CorruptionError says that the index must be built again.
        """
        if not self._file.facts.get("has_graph"):
            return None
        return dict(_Prefixed(self._file, GRAPH))

    @property
    def path(self) -> Path:
        """Name of the file."""
        return self._file.path

    @property
    def n_bytes(self) -> int:
        """Length of the file."""
        return self._file.n_bytes

    def verify(self) -> None:
        """Check every byte of the file.

        Raises:
            CorruptionError: a byte differs from what was written.
            ClosedError: the file was closed.
        """
        self._file.verify()

    def damage(self) -> Iterator[CorruptionError]:
        """Give an error for each damaged part of the file."""
        return self._file.damage()

    def close(self) -> None:
        """Let go of the file. What was read of it stays valid; the rest raises ClosedError."""
        self._file.close()


class StoredRows(Rows):
    """Rows of a file. It is one with `Rows`, except that all columns are read when they are asked for.

    Args:
        file: arrays of a segment.
        n_rows: number of rows.
    """

    __slots__ = ("_file",)

    _file: ArrayFile

    def __init__(self, file: ArrayFile, n_rows: int) -> None:
        strings = {name: StoredStrings(_Prefixed(file, f"{name}."), n_rows) for name in ("ids", "documents", "uris")}
        fields = {**strings, "metadatas": StoredMetadatas(_Prefixed(file, "metadatas."), n_rows), "_file": file}
        for name, value in fields.items():
            object.__setattr__(self, name, value)  # a frozen dataclass is set so

    @property
    def offset_ids(self) -> NDArray[np.int64]:  # type: ignore[reportIncompatibleVariableOverride]  # both are only read
        """Offset ids: int64, shape (n,), read-only."""
        return self._file.array("offset_ids")

    @property
    def vectors(self) -> CheckedRows[np.float32]:  # type: ignore[reportIncompatibleVariableOverride]  # only read
        """Vectors: float32, shape (n, dim), read-only, mapped."""
        return self._file.rows("vectors")


class _Prefixed(Mapping[str, CheckedRows[Any]]):
    """The arrays whose names begin with a prefix, by the rest of their names, each fetched when asked for."""

    __slots__ = ("_file", "_prefix")

    def __init__(self, file: ArrayFile, prefix: str) -> None:
        self._file = file
        self._prefix = prefix

    def __getitem__(self, name: str) -> CheckedRows[Any]:
        return self._file.rows(self._prefix + name)

    def __iter__(self) -> Iterator[str]:
        return (name[len(self._prefix) :] for name in self._file.names if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {prefix + name: array for name, array in arrays.items()}


def _check_shapes(file: ArrayFile, n_rows: int, dim: int) -> None:
    """Refuse a file whose columns differ in length: the kernels trust the rows they are given."""
    one_each: tuple[tuple[int, ...], ...] = ((n_rows,),)
    columns: list[tuple[str, tuple[str, ...], tuple[tuple[int, ...], ...]]] = [
        ("offset_ids", ("int64",), one_each),
        ("id_hashes", ("uint64",), one_each),
        ("id_rows", ("int32", "int64"), one_each),
        ("vectors", ("float32",), ((n_rows, dim),)),
    ]
    for name in TEXT_COLUMNS:
        columns.append((f"{name}.bytes", ("uint8",), (file.shape(f"{name}.bytes"),)))
        columns.append((f"{name}.ends", ("int64",), one_each))
        columns.append((f"{name}.missing", ("bool",), ((0,), *one_each)))
    for name, dtypes, shapes in columns:
        if file.dtype(name).name not in dtypes or file.shape(name) not in shapes:
            raise _no_segment(file.path, f"{' or '.join(dtypes)} of shape {shapes[-1]} as {name!r}")


def _no_segment(path: Path, expected: str) -> CorruptionError:
    return CorruptionError(
        f"{path} holds no segment: expected {expected}; restore the file from a copy",
        path=str(path),
        expected=expected,
    )
