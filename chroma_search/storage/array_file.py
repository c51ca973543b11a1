"""ArrayFile: named arrays and a few facts in one immutable file, mapped into memory and checked before use.

All numbers are little-endian:

| offset | length       | what                                                                                     |
| ------ | ------------ | ---------------------------------------------------------------------------------------- |
| 0      | 8            | `CHROSRCH`                                                                               |
| 8      | 4, unsigned  | version of the format, 1                                                                 |
| 12     | 4, unsigned  | length h of the header in bytes                                                          |
| 16     | 4, unsigned  | CRC-32 of the header                                                                     |
| 20     | 8, unsigned  | length of the whole file in bytes                                                        |
| 28     | h            | header: JSON in UTF-8, `{"facts": {...}, "arrays": [{...}, ...]}`                        |
| d      |              | the arrays; d is the first multiple of 64 from 28 + h on                                 |
| e      | h            | the header once more, behind the last array                                              |
| e + h  | 28           | the first 28 bytes once more                                                             |

Each entry of `arrays` has `name`, `dtype` (a name of `DTYPES`), `shape`, `offset` (in bytes, from d), `nbytes` and
`sums`: of each 32 KiB of its bytes (the last one shorter) the low 32 bits of XXH3-64. Elements stand in C order.
Each array begins at the first multiple of 64 behind the one before, in the order of the header; the bytes between are
zero. `repair` reads the header at the end when the one at the start is damaged.

Not for: what the arrays mean (`segment_file.py`).
Invariant: `rows` and `array` give what was written, or raise; no damage of the file gives a wrong array, another
exception or a signal (a mapped file that was cut short kills the process that touches it: lengths are checked first).
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError, FormatVersionError, InternalError, StorageError
from chroma_search.kernels.checked_rows import CheckedRows
from chroma_search.record import record
from chroma_search.storage.files import Files
from chroma_search.storage.mapped_file import BLOCK_BYTES, MappedFile, block_sums, damaged

MAGIC = b"CHROSRCH"
FORMAT_VERSION = 1
PREAMBLE = struct.Struct("<8sIIIQ")
"""Magic, version, length of the header, its checksum, length of the file."""
ALIGNMENT_BYTES = 64
"""A cache line; the widest vector instructions read so much at once."""
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in "bool int8 uint8 int16 int32 int64 uint32 uint64 float32 float64".split()
}
"""The types of elements that a file may hold."""


@record()
class _Entry:
    """Where an array stands.

    Attributes:
        start: first byte, from the start of the file.
        sums: checksums of its blocks.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    nbytes: int
    sums: tuple[int, ...]


def write_arrays(files: Files, path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays and facts as one file, durably.

    Args:
        files: the disk.
        path: name of the file.
        arrays: by name, in the order in which they are to stand; any shape, dtypes of `DTYPES` in any byte order.
        facts: values of JSON by name; they are read back as JSON does (tuples become lists).

    Raises:
        StorageError: the disk is full or fails; there is no such file then.
        InternalError: an array of another dtype.
    """
    entries: list[dict[str, Any]] = []
    plain: list[memoryview] = []
    at = 0
    for name, array in arrays.items():
        kind = array.dtype.name
        if kind not in DTYPES:
            raise InternalError(
                f"array {name!r} has dtype {array.dtype}", invariant=f"stored arrays are of {', '.join(DTYPES)}"
            )
        content = _bytes_of(np.asarray(array, DTYPES[kind], order="C"))
        at = _aligned(at)
        entries.append(
            {
                "name": name,
                "dtype": kind,
                "shape": array.shape,
                "offset": at,
                "nbytes": content.nbytes,
                "sums": block_sums(content),
            }
        )
        plain.append(content)
        at += content.nbytes
    header = json.dumps({"facts": dict(facts), "arrays": entries}, separators=(",", ":")).encode("ascii")
    end = PREAMBLE.size + len(header)
    n_bytes = (_aligned(end) + at if entries else end) + PREAMBLE.size + len(header)
    preamble = PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(header), zlib.crc32(header), n_bytes)
    parts: list[bytes | memoryview] = [preamble, header]
    for content in plain:
        parts += [bytes(_aligned(end) - end), content]
        end = _aligned(end) + content.nbytes
    files.write_file(path, [*parts, header, preamble])


class ArrayFile:
    """An open file of arrays; threads may share it.

    Args:
        file: the mapped file.
        facts: the facts of the header.
        entries: where the arrays stand, in the order of the file.
        header_end: first byte behind the header.
    """

    def __init__(self, file: MappedFile, facts: dict[str, Any], entries: list[_Entry], header_end: int) -> None:
        self._file = file
        self._facts = facts
        self._entries = {each.name: each for each in entries}
        self._header_end = header_end
        self._rows: dict[str, CheckedRows[Any]] = {}

    @staticmethod
    def open(path: Path, *, from_end: bool = False) -> ArrayFile:
        """Open a file: check all but the arrays, and map it.

        Args:
            path: name of the file.
            from_end: whether to go by the header at the end.

        Raises:
            CorruptionError: the file is no file of arrays, cut short or lengthened, or its header is damaged.
            FormatVersionError: it is of a version that this program cannot read.
            StorageError: it cannot be opened.
        """
        try:
            with path.open("rb") as file:
                n_bytes = file.seek(0, 2)
                file.seek(max(n_bytes - PREAMBLE.size, 0) if from_end else 0)
                start = file.read(PREAMBLE.size)
                n_header_bytes, crc32 = _checked_preamble(path, start, n_bytes)
                at = n_bytes - PREAMBLE.size - n_header_bytes if from_end else PREAMBLE.size
                file.seek(at)
                header = file.read(n_header_bytes)
                if zlib.crc32(header) != crc32:
                    raise damaged(path, at, f"a header with checksum {crc32:08x}")
                header_end = PREAMBLE.size + n_header_bytes
                facts, entries = _parsed_header(path, header, header_end, n_bytes)
                # the map keeps a descriptor of its own
                content = mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: cut short just now, so that there is less to map
            raise StorageError(f"Cannot open {path}: {error}") from error
        return ArrayFile(MappedFile(path, content), facts, entries, header_end)

    @property
    def path(self) -> Path:
        """Name of the file."""
        return self._file.path

    @property
    def n_bytes(self) -> int:
        """Length of the file."""
        return self._file.n_bytes

    @property
    def facts(self) -> dict[str, Any]:
        """The facts, as they were written."""
        return self._facts

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays, in the order of the file."""
        return tuple(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array, which reads nothing of it.

        Raises:
            CorruptionError: there is no array of that name.
        """
        return self._entry(name).shape

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype of an array, which reads nothing of it.

        Raises:
            CorruptionError: there is no array of that name.
        """
        return self._entry(name).dtype

    def rows(self, name: str) -> CheckedRows[Any]:
        """Return an array whose blocks are checked when they are first read; this reads nothing.

        What was checked stays valid when the file is closed or removed.

        Raises:
            CorruptionError: there is no array of that name; later, from a read: its bytes are not those written.
            ClosedError: the file was closed before; later, from a read: before these rows were read.
        """
        found = self._rows.get(name)
        if found is None:
            entry = self._entry(name)
            made = CheckedRows(self.unchecked(name), BLOCK_BYTES, partial(_check, self._file, entry))
            found = self._rows.setdefault(name, made)  # one for all threads: they share what was checked
        return found

    def array(self, name: str) -> NDArray[Any]:
        """Return an array: read-only, mapped, all of it checked.

        It stays valid when the file is closed or removed.

        Raises:
            CorruptionError: there is no array of that name, or its bytes are not those that were written.
            ClosedError: the file was closed before the array was first asked for.
        """
        return self.rows(name).whole()

    def verify(self) -> None:
        """Check every byte of the file, also of arrays that were checked before.

        Raises:
            CorruptionError: a byte differs from what was written.
            ClosedError: the file was closed.
        """
        for error in self.damage():
            raise error

    def damage(self) -> Iterator[CorruptionError]:
        """Give an error for each damaged block and gap of the file, in their order."""
        content = self._file.content()
        end = self._header_end
        for entry in self._entries.values():
            if content[end : entry.start].strip(b"\0"):
                yield damaged(self.path, end, f"zeros up to byte {entry.start}")
            for first, _ in self.damaged_blocks(entry.name):
                yield _damaged_block(self.path, entry, first)
            end = entry.start + entry.nbytes
        start = content[: self._header_end]
        if content[end:] != start[PREAMBLE.size :] + start[: PREAMBLE.size]:
            yield damaged(self.path, end, "the header once more")

    def damaged_blocks(self, name: str) -> list[tuple[int, int]]:
        """Return first byte and end of each block of an array that is not what was written, from the array's start.

        Raises:
            CorruptionError: there is no array of that name.
            ClosedError: the file was closed.
        """
        entry = self._entry(name)
        found = block_sums(self._file.bytes_at(entry.start, entry.nbytes).data)
        return [
            (at * BLOCK_BYTES, min((at + 1) * BLOCK_BYTES, entry.nbytes))
            for at, written in enumerate(entry.sums)
            if found[at] != written
        ]

    def unchecked(self, name: str) -> NDArray[Any]:
        """Return an array as it is, damaged or not: for those who look at `damaged_blocks`; errors as `array`."""
        entry = self._entry(name)
        return self._file.bytes_at(entry.start, entry.nbytes).view(entry.dtype).reshape(entry.shape)

    def close(self) -> None:
        """Let go of the file. Its memory is unmapped when the last array taken from it is gone."""
        self._file.close()
        self._rows = {}

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise damaged(self.path, PREAMBLE.size, f"an array {name!r} beside {', '.join(self.names)}") from None


def _check(file: MappedFile, entry: _Entry, blocks: list[int]) -> None:
    """Raise when one of the blocks is not what was written."""
    # No method: rows that hold an ArrayFile, which holds them, would keep both until the garbage collector comes.
    found = file.damaged_block(entry.start, entry.nbytes, entry.sums, blocks)
    if found is not None:
        raise _damaged_block(file.path, entry, found * BLOCK_BYTES)


def _damaged_block(path: Path, entry: _Entry, first: int) -> CorruptionError:
    wanted = entry.sums[first // BLOCK_BYTES]
    return damaged(path, entry.start + first, f"array {entry.name!r} with checksum {wanted:08x} there")


def _checked_preamble(path: Path, start: bytes, n_bytes: int) -> tuple[int, int]:
    """Return length and checksum of the header."""
    if start[: len(MAGIC)] != MAGIC:
        raise damaged(path, 0, f"{MAGIC.decode()} at the start")
    if len(start) < PREAMBLE.size:
        raise damaged(path, len(start), f"at least {PREAMBLE.size} bytes")
    _, version, n_header_bytes, crc32, n_expected_bytes = PREAMBLE.unpack(start)
    if version != FORMAT_VERSION:
        raise FormatVersionError(
            f"{path} is of format version {version}, this program reads version {FORMAT_VERSION}: "
            "use a newer program, or restore the file if no newer one has written it",
            found=version,
            supported=(FORMAT_VERSION, FORMAT_VERSION),
        )
    if n_bytes != n_expected_bytes:
        raise damaged(path, min(n_bytes, n_expected_bytes), f"{n_expected_bytes} bytes, not {n_bytes}")
    if 2 * n_header_bytes > n_bytes - 2 * PREAMBLE.size:
        raise damaged(path, n_bytes, f"a header of {n_header_bytes} bytes")
    return n_header_bytes, crc32


def _parsed_header(path: Path, header: bytes, header_end: int, n_bytes: int) -> tuple[dict[str, Any], list[_Entry]]:
    """Return facts and entries; a header that no writer of ours has written is refused, for the map trusts it."""
    first = _aligned(header_end)
    try:
        parsed = json.loads(header)
        facts, raw = dict(parsed["facts"]), list(parsed["arrays"])
        entries = [_parsed_entry(each, first) for each in raw]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(path, PREAMBLE.size, f"a header of facts and arrays ({error!r})") from error
    end = header_end
    for entry in entries:
        if entry.start != _aligned(end):
            raise damaged(path, PREAMBLE.size, f"array {entry.name!r} at byte {_aligned(end)}, not {entry.start}")
        end = entry.start + entry.nbytes
    if end != n_bytes - len(header) - PREAMBLE.size:
        raise damaged(path, PREAMBLE.size, f"arrays up to byte {n_bytes - len(header) - PREAMBLE.size}, not {end}")
    if len({entry.name for entry in entries}) < len(entries):
        raise damaged(path, PREAMBLE.size, "arrays of different names")
    return facts, entries


def _parsed_entry(raw: Mapping[str, Any], first: int) -> _Entry:
    dtype = DTYPES[raw["dtype"]]
    shape, nbytes, sums = tuple(raw["shape"]), raw["nbytes"], tuple(raw["sums"])
    numbers = (*shape, raw["offset"], nbytes, *sums)  # of a large file 20,000: one by one they would take 2 ms
    if {*map(type, numbers)} != {int} or min(numbers) < 0:
        raise ValueError("numbers of bytes and elements, and checksums, are integers from 0")
    if nbytes != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{nbytes} bytes for {dtype.name} of shape {shape}")
    if len(sums) != -(-nbytes // BLOCK_BYTES):
        raise ValueError(f"{len(sums)} checksums for {nbytes} bytes")
    return _Entry(str(raw["name"]), dtype, shape, first + raw["offset"], nbytes, sums)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array in C order, not copied."""
    return array.reshape(-1).view(np.uint8).data


def _aligned(n_bytes: int, to: int = ALIGNMENT_BYTES) -> int:
    return -(-n_bytes // to) * to
