"""Salvage: the records of a damaged segment file that are still what was written.

Checksums are kept per block of 32 KiB, so damage costs the rows whose values lie in the damaged block, nothing else. A
row whose id or vector is damaged is lost; an id is also sound when its hash is that of the id index. Damaged texts and
metadata are missing afterwards; a damaged offset id is -1, and the record gets a new one. Indexes are not looked at:
they are made again from the rows.

Not for: reading a sound file (`segment_file.py`). Memory: all rows of the file.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError, FormatVersionError, StorageError
from chroma_search.storage.array_file import PREAMBLE, ArrayFile
from chroma_search.storage.id_index import IdIndex
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment_file import TEXT_COLUMNS
from chroma_search.storage.stored_columns import StoredStrings, parse_metadatas

Value = TypeVar("Value")

LOST_OFFSET = -1
"""Offset id of a record whose own is damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Salvaged:
    """What is left of a segment.

    Attributes:
        rows: the records that are left, without deleted ones.
        at: int64, where each of them stood in the file.
        n_rows: rows of the file, dead ones too.
        losses: what is missing, in words.
    """

    rows: Rows
    at: NDArray[np.int64]
    n_rows: int
    losses: tuple[str, ...] = field(default=())


def salvage_segment(path: Path, dead: bytes | None = None) -> Salvaged:
    """Return what is left of a segment file.

    Args:
        path: the file.
        dead: packed bits of rows that were deleted or replaced, as the manifest has them: these are not among what is
            left, nor among what is lost. Of another number of rows they say nothing.

    Raises:
        CorruptionError: both its headers are damaged, or it was cut short: nothing can be told.
        StorageError: it cannot be opened.
    """
    file = _opened(path)
    n_rows, dim = file.facts.get("n_rows"), file.facts.get("dim")
    if not (isinstance(n_rows, int) and isinstance(dim, int)):
        raise CorruptionError(f"{path} holds no segment", path=str(path), expected="facts n_rows and dim")
    is_live = _live(dead, n_rows)
    has_vector = ~_rows_in_blocks(file, "vectors", n_rows)
    vectors, offset_ids = file.unchecked("vectors"), file.unchecked("offset_ids").astype(np.int64)
    offset_ids[_rows_in_blocks(file, "offset_ids", n_rows)] = LOST_OFFSET
    texts = {name: _texts(file, name, n_rows) for name in TEXT_COLUMNS}
    ids, has_id = texts["ids"]
    _recover_ids(file, ids, has_id)
    kept = np.flatnonzero(has_vector & has_id & is_live)
    losses = _losses(path, int(np.count_nonzero(is_live)), len(kept), texts, kept, offset_ids)
    columns = {name: _picked(values, kept) for name, (values, _) in texts.items()}
    rows = Rows(
        ids=[each or "" for each in _picked(ids, kept)],
        offset_ids=offset_ids[kept],
        vectors=np.ascontiguousarray(vectors[kept]),
        documents=columns["documents"],
        metadatas=parse_metadatas(columns["metadatas"]),
        uris=columns["uris"],
    )
    return Salvaged(rows, kept, n_rows, losses)


def name_of_segment(path: Path) -> str:
    """Return the name that a segment file was written under, also of a damaged one; where it does not say, its own."""
    with suppress(StorageError, FormatVersionError, OSError):
        found = _opened(path).facts.get("name")
        if isinstance(found, str):
            return found
    return path.name


def _live(dead: bytes | None, n_rows: int) -> NDArray[np.bool_]:
    if dead is None or len(dead) != -(-n_rows // 8):
        return np.ones(n_rows, np.bool_)
    return ~np.unpackbits(np.frombuffer(dead, np.uint8), count=n_rows).astype(np.bool_)


def _opened(path: Path) -> ArrayFile:
    """Open a file by either header; where it was cut short or lengthened, a copy of the length it should have."""
    try:
        return ArrayFile.open(path)
    except (CorruptionError, FormatVersionError) as error:
        try:
            return ArrayFile.open(path, from_end=True)
        except StorageError:
            try:
                return _opened_at_length(path)
            except (StorageError, OSError, OverflowError, struct.error):
                raise error from None


def _opened_at_length(path: Path) -> ArrayFile:
    with path.open("rb") as file:
        *_, n_bytes = PREAMBLE.unpack(file.read(PREAMBLE.size))
    with tempfile.TemporaryDirectory(prefix="chroma_search_") as folder:  # the map outlives the file
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        os.truncate(copy, n_bytes)
        return ArrayFile.open(copy)


def _rows_in_blocks(file: ArrayFile, name: str, n_rows: int) -> NDArray[np.bool_]:
    """Return which rows of an array lie in a damaged block, wholly or in part; bool, shape (n_rows,)."""
    shape, size = file.shape(name), file.dtype(name).itemsize
    width = size * int(np.prod(shape[1:]))
    hit = np.zeros(n_rows, np.bool_)
    for first, end in file.damaged_blocks(name):
        hit[first // max(width, 1) : -(-end // max(width, 1))] = True
    return hit


def _texts(file: ArrayFile, name: str, n_rows: int) -> tuple[list[str | None], NDArray[np.bool_]]:
    """Return the texts of a column, None where damaged, and which rows are sound."""
    content, ends = file.unchecked(f"{name}.bytes"), file.unchecked(f"{name}.ends").astype(np.int64)
    hit = _rows_in_blocks(file, f"{name}.ends", n_rows)
    hit[1:] |= hit[:-1].copy()  # a text begins where the one before ends
    starts = np.concatenate([np.zeros(min(1, n_rows), np.int64), ends[:-1]])
    hit |= (starts < 0) | (ends < starts) | (ends > len(content))
    for first, end in file.damaged_blocks(f"{name}.bytes"):
        hit |= (ends > first) & (starts < end)
    missing = file.unchecked(f"{name}.missing")
    if len(missing):
        hit |= _rows_in_blocks(file, f"{name}.missing", n_rows)
    sound = ~hit
    if sound.all():
        arrays = {"bytes": content, "ends": ends, "missing": missing}
        return list(StoredStrings(arrays, n_rows)), sound
    texts: list[str | None] = [None] * n_rows
    for row in np.flatnonzero(sound).tolist():
        if not (len(missing) and missing[row]):
            texts[row] = content[starts[row] : ends[row]].tobytes().decode("utf-8", "surrogatepass")
    return texts, sound


def _recover_ids(file: ArrayFile, ids: list[str | None], has_id: NDArray[np.bool_]) -> None:
    """Put back the ids of damaged blocks that their hashes prove sound."""
    wanted = np.flatnonzero(~has_id)
    if not len(wanted) or file.damaged_blocks("id_hashes") or file.damaged_blocks("id_rows"):
        return
    hash_of = dict(zip(file.unchecked("id_rows").tolist(), file.unchecked("id_hashes").tolist(), strict=True))
    content, ends = file.unchecked("ids.bytes"), file.unchecked("ids.ends").tolist()
    for row in wanted.tolist():
        start, end = ends[row - 1] if row else 0, ends[row]
        if 0 <= start <= end <= len(content):
            with suppress(UnicodeDecodeError):
                id_ = content[start:end].tobytes().decode("utf-8", "surrogatepass")
                if hash_of.get(row) == IdIndex.of([id_]).hashes[0]:
                    ids[row], has_id[row] = id_, True


def _losses(
    path: Path,
    n_rows: int,
    n_kept: int,
    texts: dict[str, tuple[list[str | None], NDArray[np.bool_]]],
    kept: NDArray[np.int64],
    offset_ids: NDArray[np.int64],
) -> tuple[str, ...]:
    losses: list[str] = []
    if n_kept < n_rows:
        losses.append(f"{path.name}: {n_rows - n_kept} of {n_rows} records, whose id or vector is damaged")
    for name in ("documents", "metadatas", "uris"):
        n_lost = int(np.count_nonzero(~texts[name][1][kept]))
        if n_lost:
            losses.append(f"{path.name}: the {name} of {n_lost} records")
    n_moved = int(np.count_nonzero(offset_ids[kept] == LOST_OFFSET))
    if n_moved:
        losses.append(f"{path.name}: the place in the order of {n_moved} records, which now come last")
    return tuple(losses)


def _picked(values: Sequence[Value], rows: NDArray[Any]) -> list[Value]:
    return [values[row] for row in rows.tolist()]
