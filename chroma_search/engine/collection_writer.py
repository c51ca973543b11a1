"""CollectionWriter: how a write of one collection becomes durable and visible - waiting, checking, appending, applying.

Writers of this process wait in a queue, so that one sync serves many (`write_queue.py`); those of other processes hold
the lock of the log. A write is checked completely before anything of it is appended, is visible only when it is on the
disk, and becomes visible as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from chroma_search.engine.after_fork import renew_after_fork
from chroma_search.engine.collection_home import CollectionHome
from chroma_search.engine.record_store import refusal_of
from chroma_search.engine.taking_turns import TakingTurns
from chroma_search.engine.write_queue import WaitingWrite, WriteQueue, merged
from chroma_search.errors import LockedError
from chroma_search.storage.failpoint import reach
from chroma_search.storage.log import Log
from chroma_search.storage.log_entry import LogEntry
from chroma_search.storage.snapshot import Snapshot

if TYPE_CHECKING:
    from chroma_search.requests import WriteBatch
    from chroma_search.storage.log_entry import Operation

T = TypeVar("T")


class CollectionWriter:
    """Writes to the parts of one collection.

    Args:
        home: the parts.
        on_growth: called after each write.
    """

    def __init__(self, home: CollectionHome, on_growth: Callable[[], None]) -> None:
        self._home = home
        self._on_growth = on_growth
        self.queue = WriteQueue()
        """What waits to be written by a thread of this process."""
        self._turns = TakingTurns()
        renew_after_fork(self)

    def begin_anew(self) -> None:
        """Leave, in a child of a fork, what waits to the threads of the parent."""
        self.queue = WriteQueue()

    def write(self, op: Operation, *batches: WriteBatch) -> None:
        """Let a write wait for the lock, and carry it out unless another writer has done so meanwhile."""
        if self._home.flusher is not None:
            self._home.flusher.pause()
        write = self.queue.put(
            *(LogEntry(op, batch.ids, batch.vectors, batch.documents, batch.metadatas, batch.uris) for batch in batches)
        )

        def carry_out(_: Log) -> None:
            if not write.is_done:
                self._carry_out_with(write)

        try:
            self._when_free(carry_out)
        except BaseException:
            with self._home.lock:  # nobody is carrying it out
                if not write.is_done:
                    self.queue.withdraw(write)
                    raise
        if write.error is not None:
            raise write.error
        reach("store.after_apply")

    def delete(self, choose: Callable[[Snapshot], list[str]]) -> list[str]:
        """Delete the records that `choose` names in the state that the delete is made on; return their ids."""

        def write(log: Log) -> LogEntry:
            with log.writing(waits=False):
                self._home.catch_up()
                entry = LogEntry("delete", choose(self._home.store.snapshot))
                if entry.ids:
                    log.append(entry)
            if entry.ids:
                self._applied(entry)
            return entry

        return list(self._when_free(write).ids)

    def _when_free(self, write: Callable[[Log], T]) -> T:
        """Write under the lock, as soon as no other process holds that of the log; readers go on meanwhile.

        Raises:
            LockedError: other processes have been writing for `BUSY_S`.
        """
        arrived_at = time.monotonic()
        self._turns.begin()
        while True:
            try:
                with self._home.lock:
                    written = write(self._home.opened_log())
            except LockedError as error:
                self._turns.wait(arrived_at, error)
            else:
                self._turns.end()
                return written

    def _carry_out_with(self, own: WaitingWrite) -> None:
        """Carry out a write and those that wait with it; when that fails, it alone, for the fault may be another's."""
        writes = self.queue.take_with(own)
        try:
            self._carry_out(writes)
        except BaseException as error:
            if own.is_done:
                raise
            is_busy = isinstance(error, LockedError)
            self.queue.put_back(writes if is_busy else writes[1:])
            if len(writes) == 1 or is_busy or not isinstance(error, Exception):
                raise
            self._carry_out([own])

    def _carry_out(self, writes: Sequence[WaitingWrite]) -> None:
        """Catch up, check, append, and only when that is durable, apply."""
        log = self._home.opened_log()
        with log.writing(waits=False):
            self._home.catch_up()
            entries = self._effective(writes)
            for entry in entries:
                log.append(entry)
        for each in writes:
            each.is_done = True
        for entry in merged(entries):
            self._applied(entry)  # as a whole, for readers see what is applied

    def _effective(self, writes: Sequence[WaitingWrite]) -> list[LogEntry]:
        """Return the entries that change anything; a write of which one cannot be applied is refused."""
        dimension = self._home.store.dimension
        entries: list[LogEntry] = []
        for each in writes:
            each.error = next(filter(None, (refusal_of(entry, dimension) for entry in each.entries)), None)
            if each.error is not None:
                continue
            for entry in each.entries:
                if self._home.store.has_effect(entry):
                    entries.append(entry)
                    dimension = dimension if entry.vectors is None else entry.vectors.shape[1]
        return entries

    def _applied(self, entry: LogEntry) -> None:
        self._home.store.apply(entry)
        if self._home.flusher is not None:
            self._home.flusher.flush_if_due()
        self._on_growth()
