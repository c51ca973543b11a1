"""WriteQueue: writes that wait for their collection, so that one transaction can hold many of them.

A sync of the disk takes as long for one record as for a thousand. So whoever gets the lock of a collection also carries
out what others wait to write; each of them is acknowledged after the sync that holds it, and gets an error that is its
own. Writes that wait at the same time have no order among each other. In the log each is an entry of its own; applied
they are as one, for each new segment of the tail costs time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
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
        entries: what to write, all of it or nothing.
        is_done: whether it is on the disk and applied, or refused.
        error: why it was refused.
    """

    entries: tuple[LogEntry, ...]
    is_done: bool = False
    error: ChromaSearchError | None = None

    @property
    def ids(self) -> list[str]:
        """The records that it is about."""
        return [each for entry in self.entries for each in entry.ids]


class WriteQueue:
    """The writes of one collection that nobody carries out yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[WaitingWrite] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, *entries: LogEntry) -> WaitingWrite:
        """Let a write wait."""
        write = WaitingWrite(entries)
        with self._lock:
            self._waiting.append(write)
        return write

    def take_with(self, own: WaitingWrite) -> list[WaitingWrite]:
        """Return a waiting write, and after it those that go with it: of other records, and not too many."""
        ids = set(own.ids)
        taken = [own]
        with self._lock:
            self._waiting.remove(own)
            while self._waiting:
                next_ids = self._waiting[0].ids
                if len(ids) + len(next_ids) > MOST_ROWS or not ids.isdisjoint(next_ids):
                    break
                taken.append(self._waiting.popleft())
                ids.update(next_ids)
        return taken

    def withdraw(self, write: WaitingWrite) -> None:
        """Let a write wait no longer, if it does."""
        with self._lock, suppress(ValueError):
            self._waiting.remove(write)

    def put_back(self, writes: Sequence[WaitingWrite]) -> None:
        """Let writes wait again, before all others."""
        with self._lock:
            self._waiting.extendleft(reversed(writes))


def merged(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """Return entries that do what the given ones do one after the other: neighbours become one where that can be.

    Args:
        entries: of different records.
    """
    found: list[list[LogEntry]] = []
    for entry in entries:
        if found and found[-1][0].op == entry.op != "update":  # some updates have no vectors
            found[-1].append(entry)
        else:
            found.append([entry])
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
