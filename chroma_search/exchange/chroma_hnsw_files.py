"""Reads the folder of one vector index of Chroma: which id has which vector, as far as its files are still good.

Chroma keeps a graph of hnswlib (a fork of it) in five files. Wanted here are only the vectors: `header.bin` gives the
layout, `data_level0.bin` one row per vector (links, vector, label), `length.bin` the length that each vector had before
it was normalised for cosine, `index_metadata.pickle` the ids of the labels. The links are not read.

The files carry no checksum. What can be seen of damage is seen: sizes and offsets that do not fit together, labels that
are missing or twice, numbers that are not finite, a normalised vector whose length is not one. Each vector is then
unreadable by itself; the others are not. A flipped bit inside a plausible number cannot be seen.

Files are read in pieces, never mapped: one that is cut short while it is read is an error and no signal. Read-only.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import CorruptionError
from chroma_search.exchange.chroma_pickle import read_pickled_fields

HEADER = struct.Struct("<i6QiIQQQdQ")
"""Version, offset of level 0, capacity, rows, bytes per row, offset of the label, offset of the vector, top level,
entry point, M, M of level 0, M, level multiplier, ef_construction."""

DATA, HEADER_FILE, LENGTHS, IDS = "data_level0.bin", "header.bin", "length.bin", "index_metadata.pickle"
LABEL_BYTES = 8
LENGTH_TOLERANCE = 1e-3
"""How far from one the length of a normalised vector may be. Rounding alone stays below 1e-5 up to dimension 10,000."""
SCAN_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in a row of level 0.

    Attributes:
        n_rows: rows in use, from the first; None when only the file's length tells.
        row_bytes, vector_at, label_at: bytes.
    """

    n_rows: int | None
    row_bytes: int
    vector_at: int
    label_at: int

    @property
    def dimension(self) -> int:
        """Number of float32 between the start of the vector and the label."""
        return (self.label_at - self.vector_at) // 4


@dataclass(frozen=True, slots=True)
class HnswFiles:
    """What the files of one vector index give.

    Attributes:
        folder: where they are.
        layout: of the rows, None when no row can be read.
        is_normalised: whether the rows hold normalised vectors (cosine).
        ids: every id that the index holds, whether its vector is readable or not; None when that is not known.
        rows: the row of each id that has one.
        lengths: float32, per row the length that a normalised vector had; shorter, or empty, when that is not known.
        applied: per id, the position in the queue of the write that its vector comes from (not in files of 1.x).
        last_applied: position in the queue up to which the index has everything, if the files say so (before 0.6).
        problems: what is wrong with the files, in words.
    """

    folder: Path
    layout: Layout | None
    is_normalised: bool
    ids: frozenset[str] | None
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    lengths: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    applied: Mapping[str, int] = field(default_factory=dict[str, int])
    last_applied: int | None = None
    problems: tuple[str, ...] = ()

    def vectors(self, rows: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Read vectors.

        Args:
            rows: values of `self.rows`.

        Returns:
            Vectors, float32, shape (n, dimension), in the order of `rows` and with their original length where that is
            known; which of them are good; and which of those have length one because the original one is not known.
        """
        assert self.layout is not None, "an index without a layout has no rows"
        raw = _read_rows(self.folder / DATA, self.layout, rows)
        vectors = raw[:, self.layout.vector_at : self.layout.label_at].copy().view("<f4").astype(np.float32)
        with np.errstate(all="ignore"):  # damaged numbers may be anything
            good = np.isfinite(vectors).all(axis=1) & (raw[:, self.layout.label_at :] != 0xFF).any(axis=1)
            if not self.is_normalised:
                return vectors, good, np.zeros(len(rows), np.bool_)
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
            good &= (np.abs(norms - 1) <= LENGTH_TOLERANCE) | (norms == 0)
            at = np.asarray(rows, np.int64)
            lengths = np.full(len(at), np.nan, np.float32)
            lengths[at < len(self.lengths)] = self.lengths[at[at < len(self.lengths)]]
            has_length = np.isfinite(lengths) & (lengths > 0)
            scaled = np.where(has_length[:, None], vectors * lengths[:, None], vectors)
            good &= np.isfinite(scaled).all(axis=1)
        return scaled, good, good & ~has_length & (norms > 0)


def read_hnsw_files(folder: Path, *, is_normalised: bool, dimension: int | None, max_neighbors: int) -> HnswFiles:
    """Read the layout, the ids and the labels of an index; vectors are read later, a batch at a time.

    Args:
        folder: named as the vector segment; it may be missing.
        is_normalised: whether the space is cosine.
        dimension, max_neighbors: of the collection: they give the layout when the header does not.
    """
    try:
        fields = read_pickled_fields((folder / IDS).read_bytes(), str(folder / IDS))
        labels, problems = _labels_of(fields)
    except (OSError, CorruptionError) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        return HnswFiles(folder, None, is_normalised, None, problems=(f"{IDS} {why}",))
    layout, trouble = _layout_of(folder, dimension, max_neighbors)
    problems += trouble
    rows: dict[str, int] = {}
    if layout is not None and labels:
        rows, trouble = _rows_of(folder / DATA, layout, labels, _seq_no(fields.get("total_elements_added")) or 0)
        problems += trouble
    lengths = _read_lengths(folder / LENGTHS) if is_normalised else np.empty(0, np.float32)
    if is_normalised and len(lengths) <= max(rows.values(), default=-1):
        problems.append(f"{LENGTHS} is missing or cut short: some vectors have lost their length")
    return HnswFiles(
        folder,
        layout,
        is_normalised,
        frozenset(labels),
        rows,
        lengths,
        applied=_numbers(fields.get("id_to_seq_id")),
        last_applied=_seq_no(fields.get("max_seq_id")),
        problems=tuple(problems) if labels else (),
    )


def is_written(folder: Path) -> bool:
    """Tell whether Chroma has ever saved this index; before that, the folder holds an empty one or does not exist."""
    return (folder / IDS).exists()


def _labels_of(fields: Mapping[str, Any]) -> tuple[dict[str, int], list[str]]:
    """Return the label of each id on which both directions of the file agree, and that has one label."""
    labels, ids = fields.get("id_to_label"), fields.get("label_to_id")
    if not isinstance(labels, dict) or not isinstance(ids, dict):
        raise CorruptionError("it has no ids", path=IDS, expected="id_to_label and label_to_id")
    known = cast("dict[Any, Any]", ids)
    n_labels = Counter(id_ for id_ in known.values() if isinstance(id_, str))
    agreed = {
        id_: label
        for id_, label in cast("dict[Any, Any]", labels).items()
        if isinstance(id_, str) and isinstance(label, int) and known.get(label) == id_ and n_labels[id_] == 1
    }
    n_odd = max(len(labels), len(ids)) - len(agreed)
    return agreed, [f"{IDS} contradicts itself on {n_odd} ids"] if n_odd else []


def _layout_of(folder: Path, dimension: int | None, max_neighbors: int) -> tuple[Layout | None, list[str]]:
    """Return the layout that the header says, or the one that follows from the configuration."""
    try:
        header = HEADER.unpack((folder / HEADER_FILE).read_bytes()[: HEADER.size])
        _, _, _, n_rows, row_bytes, label_at, vector_at, *_ = header
        layout = Layout(n_rows, row_bytes, vector_at, label_at)
        is_sound = (
            0 < vector_at < label_at
            and row_bytes == label_at + LABEL_BYTES
            and (label_at - vector_at) % 4 == 0
            and (dimension is None or layout.dimension == dimension)
        )
        if is_sound:
            return layout, []
        why = "does not fit the collection"
    except (OSError, struct.error) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
    if dimension is None:
        return None, [f"{HEADER_FILE} {why}, and the collection has no dimension"]
    vector_at = 2 * max_neighbors * 4 + 4
    label_at = vector_at + 4 * dimension
    return Layout(None, label_at + LABEL_BYTES, vector_at, label_at), [f"{HEADER_FILE} {why}"]


def _rows_of(path: Path, layout: Layout, labels: Mapping[str, int], n_added: int) -> tuple[dict[str, int], list[str]]:
    """Find the row of each label; a label that stands in two rows counts as in none.

    Args:
        path: the rows.
        layout: where the label is in a row.
        labels: the label of each id.
        n_added: how many labels were ever given, each of which has a row, says the other file.
    """
    ids = {label: id_ for id_, label in labels.items()}
    rows: dict[str, int] = {}
    twice: set[str] = set()
    try:
        # Behind the rows in use is whatever was in memory: it must not be looked at without need.
        n_rows = min(path.stat().st_size // layout.row_bytes, max(layout.n_rows or 0, n_added))
        for first in range(0, n_rows, SCAN_ROWS):
            some = range(first, min(first + SCAN_ROWS, n_rows))
            column = _read_rows(path, layout, some)[:, layout.label_at :].copy().view("<u8").ravel()
            for row, label in zip(some, cast("list[int]", column.tolist()), strict=True):
                id_ = ids.get(label)
                if id_ is not None and rows.setdefault(id_, row) != row:
                    twice.add(id_)
    except OSError as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        return {}, [f"{DATA} {why}"]
    for id_ in twice:
        del rows[id_]
    missing = len(labels) - len(rows)
    return rows, [f"{DATA} lacks the vectors of {missing} of {len(labels)} ids"] if missing else []


def _read_rows(path: Path, layout: Layout, rows: Sequence[int]) -> NDArray[np.uint8]:
    """Return the bytes of rows, uint8, shape (n, row_bytes); what the file no longer has is 0xff."""
    wanted = np.full((len(rows), layout.row_bytes), 0xFF, np.uint8)
    if not len(rows):
        return wanted
    with path.open("rb") as file:
        if isinstance(rows, range):  # neighbours: one read
            file.seek(rows[0] * layout.row_bytes)
            held = np.frombuffer(file.read(len(rows) * layout.row_bytes), np.uint8)
            n_whole = len(held) // layout.row_bytes
            wanted[:n_whole] = held[: n_whole * layout.row_bytes].reshape(n_whole, layout.row_bytes)
            return wanted
        for at in np.argsort(np.asarray(rows, np.int64), kind="stable").tolist():
            file.seek(rows[at] * layout.row_bytes)
            held = file.read(layout.row_bytes)
            if len(held) == layout.row_bytes:
                wanted[at] = np.frombuffer(held, np.uint8)
    return wanted


def _read_lengths(path: Path) -> NDArray[np.float32]:
    try:
        return np.fromfile(path, "<f4").astype(np.float32, copy=False)
    except OSError:
        return np.empty(0, np.float32)


def _numbers(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    items = cast("dict[Any, Any]", value).items()
    return {id_: seq_no for id_, seq_no in items if isinstance(id_, str) and isinstance(seq_no, int)}


def _seq_no(value: Any) -> int | None:
    return value if isinstance(value, int) else None
