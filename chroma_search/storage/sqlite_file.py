"""SqliteFile: one SQLite database file, as the log and the catalog use it - durable commits, bounded waits, our errors.

WAL mode with `synchronous=FULL`: a commit that returned is on the disk. One connection serves all threads of a process
behind a lock; a child of `fork` opens its own, for a connection must not be used on both sides. Every error of SQLite
leaves here as one of ours.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chroma_search.errors import CorruptionError, LockedError, StorageError

BUSY_S = 10.0
"""How long a writer waits for another one. A write of 10,000 rows holds the lock for well under a second."""

WAL_BYTES = 4_000_000
"""What is left of the write-ahead file once it was moved into the database; it grows beyond that while in use."""

_left_behind: list[sqlite3.Connection] = []
"""Connections of the parent of a fork: closing them here could take the parent's locks away."""


class SqliteFile:
    """A database file and the connection of this process to it.

    Args:
        path: the file; made when it is missing. `None` is a database in memory.
        schema: statements that make the tables, each with IF NOT EXISTS.
        busy_s: seconds that a transaction waits for another process.
    """

    def __init__(self, path: Path | None, schema: Sequence[str], *, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._schema = schema
        self._busy_s = busy_s
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = self._opened()

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed; microseconds."""
        return 0 if self.path is None else int(self.execute("PRAGMA data_version")[0][0])

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with self._lock, self._our_errors():
            return self._own().execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row of values."""
        with self._lock, self._our_errors():
            self._own().executemany(statement, rows)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Hold the writer's lock of the file: all or nothing of what runs inside is committed, on disk, at the end.

        Raises:
            LockedError: another process held the lock for longer than `busy_s`.
            StorageError: the disk is full, or another error of the system; nothing is changed then.
        """
        with self._lock:
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def reading(self) -> Generator[None]:
        """Let all that is read inside see one state of the file."""
        with self._lock:
            if self._own().in_transaction:  # inside `writing`
                yield
                return
            self.execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    def shrink(self) -> None:
        """Give the pages of deleted rows back to the file system."""
        with self.writing():
            ((n_free,),) = self.execute("PRAGMA freelist_count")
            with self._our_errors():  # one step of the statement frees one page, and `execute` makes only one
                for _ in range(n_free):
                    self._own().execute("PRAGMA incremental_vacuum(1)")
        with self._lock:  # what readers still need of the write-ahead file stays in it, without waiting for them
            self.execute("PRAGMA busy_timeout = 0")
            try:
                self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self.execute(f"PRAGMA busy_timeout = {round(self._busy_s * 1000)}")

    def close(self) -> None:
        """Close the connection of this process; a later call fails."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is not None and connection.in_transaction:
            with self._our_errors():
                connection.execute("ROLLBACK")

    def _own(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageError(f"{self._name} is closed")
        if self._pid != os.getpid():
            _left_behind.append(self._connection)
            self._pid, self._connection = os.getpid(), self._opened()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        with self._our_errors():
            connection = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=self._busy_s,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of use before the first table is made
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            for statement in self._schema:
                connection.execute(statement)
        return connection

    @property
    def _name(self) -> str:
        return ":memory:" if self.path is None else str(self.path)

    @contextmanager
    def _our_errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            words = str(error)
            if "locked" in words or "busy" in words:
                raise LockedError(
                    f"another process has been writing {self._name} for {self._busy_s:g} s: try again", path=self._name
                ) from error
            raise StorageError(f"cannot read or write {self._name}: {words}") from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.IntegrityError):
                raise
            raise CorruptionError(
                f"{self._name} is no sound database: {error}", path=self._name, expected="an SQLite database"
            ) from error
