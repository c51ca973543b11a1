"""WriteQueue: writes that wait for their collection, so that one transaction can hold many of them.

A sync of the disk takes as long for one record as for a thousand. So whoever gets the lock of a collection also carries
out what others wait to write; each of them is acknowledged after the sync that holds it, and gets an error that is its
own. Writes that wait at the same time have no order among each other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chroma_search.errors import ChromaSearchError
from chroma_search.storage.log_entry import LogEntry

MOST_ROWS = 4_000
"""Rows of one group: then the first that was waiting is not kept for long by the last."""


@dataclass(slots=True, eq=False)
class WaitingWrite:
    """A write, and what has become of it.

    Attributes:
        entry: what to write.
        is_done: whether it is on the disk and applied, or refused.
        error: why it was refused.
    """

    entry: LogEntry
    is_done: bool = False
    error: ChromaSearchError | None = None


class WriteQueue:
    """The writes of one collection that nobody carries out yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[WaitingWrite] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, entry: LogEntry) -> WaitingWrite:
        """Let a write wait."""
        write = WaitingWrite(entry)
        with self._lock:
            self._waiting.append(write)
        return write

    def take_with(self, own: WaitingWrite) -> list[WaitingWrite]:
        """Return a waiting write, and after it those that can go with it; they wait no longer."""
        with self._lock:
            self._waiting.remove(own)
            taken = [own]
            n_rows = len(own.entry.ids)
            while self._waiting and n_rows + len(self._waiting[0].entry.ids) <= MOST_ROWS:
                taken.append(self._waiting.popleft())
                n_rows += len(taken[-1].entry.ids)
        return taken

    def put_back(self, writes: Sequence[WaitingWrite]) -> None:
        """Let writes wait again, before all others."""
        with self._lock:
            self._waiting.extendleft(reversed(writes))


def merged(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Return entries that do what the given ones do one after the other: neighbours become one where that can be."""
    found: list[list[LogEntry]] = []
    ids: set[str] = set()
    for entry in entries:
        fits = bool(found) and found[-1][0].op == entry.op != "update" and ids.isdisjoint(entry.ids)
        if fits:
            found[-1].append(entry)
            ids.update(entry.ids)
        else:
            found.append([entry])
            ids = set(entry.ids)
    return [_as_one(each) for each in found]


def _as_one(entries: Sequence[LogEntry]) -> LogEntry:
    first = entries[0]
    if len(entries) == 1:
        return first
    return LogEntry(
        first.op,
        [each for entry in entries for each in entry.ids],
        np.concatenate([entry.vectors for entry in entries if entry.vectors is not None]),
        _column(entries, "documents"),
        _column(entries, "metadatas"),
        _column(entries, "uris"),
    )


def _column(entries: Sequence[LogEntry], name: str) -> list[Any] | None:
    columns = [getattr(entry, name) for entry in entries]
    if all(each is None for each in columns):
        return None
    return [
        value
        for entry, column in zip(entries, columns, strict=True)
        for value in (column if column is not None else [None] * len(entry.ids))
    ]
