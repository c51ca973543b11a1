"""WriteAhead: is the write-ahead file of an SQLite database whole, and what a database is together with a damaged one.

SQLite reads such a file up to the first frame whose checksum is wrong, and says nothing: after a crash that is the rest
of a commit that was never acknowledged. But it does the same where a sector went bad in the middle, and what was
acknowledged behind it is gone. The two can be told apart: a commit is on the disk before the next one begins, so a
wrong frame with a whole frame of a *later* commit behind it is damage. In the last commit of the file they look the
same, and so do a file that is missing and one that was cut; of these the note beside the database tells
(`last_commit.py`).

Form of the file: https://www.sqlite.org/fileformat2.html, section 4. The checksum of a frame goes on from that of the
frame before, as that one is stored: so each frame can be checked alone.

Not for: the index beside it (`-shm`), which SQLite makes anew.
"""

from __future__ import annotations

import os
import struct
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chroma_search.record import record

SUFFIX = "-wal"

_HEADER = struct.Struct(">IIIIIIII")
"""Magic, version, size of a page, number, two salts, two checksums."""
_FRAME = struct.Struct(">IIIIII")
"""Page, pages of the database after a commit (0 within one), two salts, two checksums."""
_MAGICS = {0x377F0682: "<u4", 0x377F0683: ">u4"}
"""How the words are read that the checksums are of."""
_PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))

_LOOKS, _BETWEEN_S = 3, 0.02
"""Another process may be writing what is being read: damage is what is there each time one looks."""


@record()
class _Frames:
    """The frames of a file.

    Attributes:
        content: the file.
        page_bytes: size of a page.
        is_sound: bool, shape (n,): those that belong to the file and are what was written.
        is_ours: bool, shape (n,): those with the salts of the file, whatever else they hold.
        pages, commits: int64, shape (n,): number of the page, from 1; pages of the database after a commit, else 0.
        has_header: whether the header of the file is what was written.
    """

    content: bytes
    page_bytes: int
    is_sound: NDArray[np.bool_]
    is_ours: NDArray[np.bool_]
    pages: NDArray[np.int64]
    commits: NDArray[np.int64]
    has_header: bool

    def at(self, frame: int) -> int:
        """Return the first byte of a frame."""
        return _HEADER.size + frame * (_FRAME.size + self.page_bytes)

    def page(self, frame: int) -> bytes:
        """Return the page in a frame."""
        start = self.at(frame) + _FRAME.size
        return self.content[start : start + self.page_bytes]


def damage_at(database: Path) -> int | None:
    """Return where the write-ahead file of a database is damaged so that acknowledged commits would be lost.

    Args:
        database: the database; its write-ahead file may be missing, and other processes may write it meanwhile.

    Returns:
        the first byte of a wrong frame (0: the header) with a later commit behind it; None where there is none.
    """
    path = database.with_name(database.name + SUFFIX)
    seen: list[tuple[int, bytes]] = []
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_S)
        frames = _read(path)
        wrong = None if frames is None else _wrong_frame(frames)
        if frames is None or wrong is None:
            return None
        start, end = (0, _HEADER.size) if wrong < 0 else (frames.at(wrong), frames.at(wrong + 1))
        seen.append((start, frames.content[start:end]))
    return seen[0][0] if all(each == seen[0] for each in seen) else None


def copy_with_log(database: Path, target: Path) -> bool:
    """Write a copy of a database with all that its write-ahead file has for it, past wrong frames too.

    Pages of wrong frames stay as they were before; so the copy may be no sound database, but each row of it is some
    that was written, and its owner checks them. Where nothing is damaged it is what SQLite reads.

    Args:
        database: the database; it or its write-ahead file may be missing.
        target: a new file.

    Returns:
        False when the write-ahead file is damaged and its last commit may be missing from the copy.

    Raises:
        OSError: a file cannot be read or written.
    """
    if database.exists():
        import shutil  # 2 ms, and damage is rare

        shutil.copyfile(database, target)
    else:
        target.touch()
    frames = _read(database.with_name(database.name + SUFFIX))
    if frames is None:
        return True
    wrong = _wrong_frame(frames)
    sound = np.flatnonzero(frames.is_sound)
    if wrong is None:  # as SQLite reads it: up to the first frame that is not sound
        first = np.flatnonzero(~frames.is_sound)
        sound = sound[: first[0]] if len(first) else sound
    commits = sound[frames.commits[sound] > 0]
    if not len(commits):
        return True
    last = int(commits[-1])
    with target.open("r+b") as file:
        for frame in sound[sound <= last].tolist():
            file.seek((int(frames.pages[frame]) - 1) * frames.page_bytes)
            file.write(frames.page(frame))
    os.truncate(target, int(frames.commits[last]) * frames.page_bytes)
    before_last = int(commits[-2]) if len(commits) > 1 else -1
    return wrong is None or bool(frames.is_sound[before_last + 1 :].all())


def _wrong_frame(frames: _Frames) -> int | None:
    """Return the first wrong frame (-1: the header) that has a sound frame of a later commit behind it."""
    first = np.flatnonzero(~frames.is_sound)
    wrong = -1 if not frames.has_header else int(first[0]) if len(first) else None
    if wrong is None:
        return None
    behind = frames.is_sound.copy()
    behind[: max(wrong, 0)] = False
    is_commit = behind & (frames.commits > 0)
    if wrong >= 0:  # a wrong frame ends a commit, too, if at least its salts are right
        is_commit[wrong] = frames.is_ours[wrong] and frames.commits[wrong] > 0
    commits = np.flatnonzero(is_commit)
    return wrong if len(commits) and behind[commits[0] + 1 :].any() else None


def _read(path: Path) -> _Frames | None:
    """Return the frames of a file, None when there are none."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if len(content) < _HEADER.size + _FRAME.size:
        return None
    magic, _, page_bytes, _, *salts, sum_0, sum_1 = _HEADER.unpack_from(content)
    words = _MAGICS.get(magic)
    has_header = words is not None and _sums_of(content[:24], words, 0, 0) == (sum_0, sum_1)
    if has_header and page_bytes in _PAGE_SIZES:
        return _framed(content, page_bytes, words or "<u4", (sum_0, sum_1), (salts[0], salts[1]))
    # Of a damaged header nothing is believed: the frames must fit each other.
    for size in _PAGE_SIZES:
        for kind in _MAGICS.values():
            found = _framed(content, size, kind, None, None)
            if found is not None and found.is_sound.any():
                return found
    return None


def _framed(
    content: bytes, page_bytes: int, words: str, sums: tuple[int, int] | None, salts: tuple[int, int] | None
) -> _Frames | None:
    size = _FRAME.size + page_bytes
    n = (len(content) - _HEADER.size) // size
    if not n:
        return None
    raw = np.frombuffer(content, np.uint8, n * size, _HEADER.size).reshape(n, size)
    heads = np.ascontiguousarray(raw[:, : _FRAME.size]).view(">u4").astype(np.int64)
    stored = heads[:, 4:6]
    before = np.vstack([np.array([sums or (-1, -1)], np.int64), stored[:-1]])
    summed = np.concatenate([raw[:, :8], raw[:, _FRAME.size :]], axis=1)
    fits = (_sums(np.ascontiguousarray(summed).view(words), before) == stored).all(axis=1) & (heads[:, 0] > 0)
    own = salts or _commonest_salts(heads[fits, 2:4])
    is_ours = (heads[:, 2:4] == np.array(own, np.int64)).all(axis=1)
    return _Frames(content, page_bytes, fits & is_ours, is_ours, heads[:, 0], heads[:, 1], sums is not None)


def _commonest_salts(salts: NDArray[np.int64]) -> tuple[int, int]:
    """Return the salts that most frames have; frames of an earlier use of the file have others."""
    if not len(salts):
        return -1, -1
    found, counts = np.unique(salts, axis=0, return_counts=True)
    first, second = found[int(counts.argmax())].tolist()
    return first, second


def _sums_of(content: bytes, words: str, sum_0: int, sum_1: int) -> tuple[int, int]:
    found = _sums(np.frombuffer(content, words)[None], np.array([[sum_0, sum_1]], np.int64))
    return int(found[0, 0]), int(found[0, 1])


def _sums(words: NDArray[np.uint32], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the checksums of rows of words, each begun with `before`: int64, shape (n, 2).

    For each pair of words (x, y), s += x + t and then t += y + s: linear, so the sums are products with constants.
    """
    n_pairs = words.shape[1] // 2
    factors, start = _factors(n_pairs)
    sums = np.einsum("ij,jk->ik", words.astype(np.uint32), factors) + before.astype(np.uint32) @ start
    return sums.astype(np.int64)


@lru_cache(maxsize=4)
def _factors(n_pairs: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return what each word, and what the checksum before, adds to both sums, modulo 2^32."""
    step = [[1, 1], [1, 2]]
    power = [[1, 0], [0, 1]]
    rows: list[list[int]] = []
    for _ in range(n_pairs):
        # x adds to both sums, y to the second; later pairs multiply that by the step
        by_x = [power[0][0] + power[0][1], power[1][0] + power[1][1]]
        by_y = [power[0][1], power[1][1]]
        rows += [by_y, by_x]  # from the last pair to the first
        power = [[(power[i][0] * step[0][j] + power[i][1] * step[1][j]) % 2**32 for j in range(2)] for i in range(2)]
    factors = np.array([[value % 2**32 for value in row] for row in reversed(rows)], np.uint32)
    return factors, np.array(power, np.uint32).T.copy()
