"""SqliteFile: one SQLite database file, as the log and the catalog use it - durable commits, bounded waits, our errors.

WAL mode with `synchronous=FULL`: a commit that returned is on the disk. One connection serves all threads of a process
behind a lock; it is closed for a fork, for it must not be used on both sides (`open_files.py`). Every error of SQLite
leaves here as one of ours.

SQLite leaves out what comes after a damaged frame of its write-ahead file, and says nothing; so that file is checked
first (`write_ahead.py`).

A file opened to be read is never written: where the file system allows no writing, what still is in its write-ahead
file is read from a copy.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from chroma_search.errors import CorruptionError, FormatVersionError, LockedError, StorageError
from chroma_search.storage import write_ahead
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.open_files import OPEN_FILES
from chroma_search.storage.sqlite_header import check_versions

if TYPE_CHECKING:
    import tempfile

BUSY_S = 10.0
"""How long a writer waits for another one. A write of 10,000 rows holds the lock for well under a second."""

WAL_BYTES = 4_000_000
"""What is left of the write-ahead file once it was moved into the database; it grows beyond that while in use."""

RETRY_S = 0.005
"""Between two tries of what SQLite does not wait for."""

PAGES_FREED = 2_000
"""Pages given back to the file system in one transaction: 8 MB, for which writers wait 20 ms."""

FORMAT_VERSION = 1
"""`user_version` of a new file."""

Mode = Literal["create", "open", "read"]
"""Make the file when it is missing; expect it to be there; expect it, and write nothing."""

_NOT_WRITABLE = ("unable to open database file", "readonly", "disk I/O error")
"""What SQLite says of a database with a write-ahead file where it cannot write."""

READING_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What comes of a damaged file; the second one where a message of SQLite quotes a name that is damaged."""

_DAMAGED = ("no such", "malformed", "decode")
"""What SQLite says of a damaged file under a heading of its own."""


class SqliteFile:
    """A database file and the connection of this process to it.

    Args:
        path: the file. `None` is a database in memory.
        schema: statements that make the tables of a new file.
        additions: statements `CREATE TABLE IF NOT EXISTS` of tables that files of earlier programs lack; they are made
            by whoever opens the file to write.
        busy_s: seconds that a transaction waits for another process.
        mode: how to open it.
        is_long: whether transactions last for minutes: a fork does not wait for their end, and the child cannot use it.
        newest: the newest format version that is understood.

    Raises:
        CorruptionError: the file is missing where it is expected, or no database of ours.
        FormatVersionError: a newer program has written it.
    """

    def __init__(
        self,
        path: Path | None,
        schema: Sequence[str],
        *,
        additions: Sequence[str] = (),
        busy_s: float = BUSY_S,
        mode: Mode = "create",
        is_long: bool = False,
        newest: int = FORMAT_VERSION,
    ) -> None:
        self.path = path
        self._schema = schema
        self._additions = additions
        self._busy_s = busy_s
        self._mode: Mode = mode
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._real_path = "" if path is None else os.path.realpath(path)
        self.lock = threading.RLock()
        self.is_long = is_long
        self._newest = newest
        self._waits = True
        self._n_opened = 0
        self._is_folder_synced = False
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None
        OPEN_FILES.add(self)
        self._own()

    def __del__(self) -> None:
        # A client in memory is seldom closed. Python closes the connection too, but from 3.13 on it warns of that.
        connection = getattr(self, "_connection", None)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed; microseconds."""
        if self.path is None:
            return 0
        with self.lock:
            version = int(self.execute("PRAGMA data_version")[0][0])
            return (self._n_opened << 32) + version  # of a new connection it begins anew

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        try:  # what `_our_errors` does: two calls of every read come here, and the generator takes as long as they do
            with self.lock:
                return self._patient().execute(statement, values).fetchall()
        except sqlite3.IntegrityError:
            raise
        except READING_ERRORS as error:
            raise self._our_error(error) from error

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row of values."""
        with self.lock, self._our_errors():
            self._own().executemany(statement, rows)

    def has_table(self, name: str) -> bool:
        """Tell whether a table is there; one of the additions may be missing from a file that is opened to be read."""
        return bool(self.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    @contextmanager
    def writing(self, *, waits: bool = True) -> Generator[None]:
        """Hold the writer's lock of the file: all or nothing of what runs inside is committed, on disk, at the end.

        Args:
            waits: whether to wait for another process. Other threads of this one wait as well then, also to read.

        Raises:
            LockedError: another process holds the lock, or held it for longer than `busy_s`.
            StorageError: the disk is full, or another error of the system; nothing is changed then.
        """
        OPEN_FILES.step_aside()
        with self.lock:
            if waits:
                self.execute("BEGIN IMMEDIATE")
            else:
                self._begin_at_once()
            try:
                yield
                self._sync_folder()  # not before: the file may be one that was deleted, and who looks inside is told so
                self.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def reading(self) -> Generator[None]:
        """Let all that is read inside see one state of the file."""
        with self.lock:
            if self._own().in_transaction:  # inside `writing`
                yield
                return
            self.execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    def check_pages(self) -> None:
        """Check that the file is a sound database, page by page; what is in its rows is for its owner to check.

        Raises:
            CorruptionError: it is not.
        """
        faults = [str(fault) for (fault,) in self.execute("PRAGMA integrity_check(3)")]
        if faults != ["ok"]:
            raise self._damaged(f"{self._name} is damaged ({'; '.join(faults)})", "an SQLite database")
        tables = {sql for (sql,) in self.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(self._schema):
            raise self._damaged(f"{self._name} has other tables than ours", "the tables of its version")

    def copy_to(self, path: Path) -> None:
        """Write a copy of the database as it is at this moment, as one file; beside readers and writers.

        Raises:
            StorageError: the disk is full, or fails.
        """
        with self.lock, self._our_errors(), closing(sqlite3.connect(path)) as copy:
            self._patient().backup(copy)

    def n_free_bytes(self) -> int:
        """Return the bytes of the file, or of what is to go into it, that hold nothing."""
        return int(self.execute("PRAGMA freelist_count")[0][0]) * int(self.execute("PRAGMA page_size")[0][0])

    def shrink(self, *, wait_s: float = 0.0) -> bool:
        """Give the pages of deleted rows back to the file system, and empty the write-ahead file.

        Args:
            wait_s: how long to wait for readers of other processes that still need it.

        Returns:
            whether it is empty.
        """
        with self.lock:
            self._own()
            self._sync_folder()  # without its write-ahead file, a file into which half of it was moved is damaged
        while self.execute("PRAGMA freelist_count") != [(0,)]:
            with self.lock, self._our_errors():  # a script, for `execute` would stop after one page
                self._own().executescript(f"PRAGMA incremental_vacuum({PAGES_FREED})")
        with self.lock:  # what readers still need of the write-ahead file stays in it, without waiting for them
            with self._our_errors():
                connection = self._own()
                self._let_wait(connection, wait_s)
                try:
                    ((is_busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    self._let_wait(connection, self._busy_s)
            return not is_busy

    def close(self) -> None:
        """Close the connection of this process; a later call fails."""
        with self.lock:
            self._is_closed = True
            self._close()

    def let_go(self) -> None:
        """Close the connection until it is needed again, before a fork; do nothing while a transaction is running."""
        if self.path is not None and self._connection is not None and not self._connection.in_transaction:
            with suppress(sqlite3.Error, OSError):
                self._close()

    def lose(self) -> None:
        """Use neither connection nor lock any more, in a child: they are as a thread of the parent had left them."""
        if self._connection is not None:
            import ctypes  # no child of a careful parent comes here

            # For good, also at the end of the program: to close it would undo a transaction that the parent is in.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
            self._connection = None
        self.lock = threading.RLock()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            OPEN_FILES.leave(self._real_path, self)
        if self._copy is not None:
            self._copy.cleanup()
        self._connection = self._copy = None

    def _begin_at_once(self) -> None:
        with self._our_errors():
            connection = self._own()
            if self._waits:
                self._let_wait(connection, 0.0)
            connection.execute("BEGIN IMMEDIATE")

    def _patient(self) -> sqlite3.Connection:
        connection = self._own()
        if not self._waits and not connection.in_transaction:
            self._let_wait(connection, self._busy_s)
        return connection

    def _let_wait(self, connection: sqlite3.Connection, wait_s: float) -> None:
        """Let statements wait for other processes, or not; that stays so, for one write often follows another."""
        connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        self._waits = wait_s > 0

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is not None and connection.in_transaction:
            with self._our_errors():
                connection.execute("ROLLBACK")

    def _own(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._is_closed:
                raise StorageError(f"{self._name} is closed")
            self._connection = self._opened()
            self._n_opened += 1
            self._waits = True
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        if self.path is None:
            return self._added(self._made(self._connected(":memory:")))
        is_new = self._mode == "create" and not self._n_opened
        if not is_new and not self.path.exists():
            raise self._damaged(f"{self.path} is missing", "a file")
        OPEN_FILES.enter(self._real_path, self, partial(check_versions, self.path))
        try:
            self._check_write_ahead(self.path)
            if self._mode == "read":
                return self._opened_to_read(self.path)
            return self._opened_to_write(self._connected(_uri(self.path, f"mode={'rwc' if is_new else 'rw'}")), is_new)
        except BaseException:
            OPEN_FILES.leave(self._real_path, self)
            if self._copy is not None:
                self._copy.cleanup()
            raise

    def _opened_to_write(self, connection: sqlite3.Connection, is_new: bool) -> sqlite3.Connection:
        assert self.path is not None
        try:
            with self._our_errors():
                if connection.execute("PRAGMA page_count").fetchone() == (0,):  # later it is of no use, and a write
                    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                mode = self._with_write_ahead_file(connection)
                if mode != ("wal",):  # SQLite goes on with a rollback journal, whose name it need not sync
                    raise StorageError(f"{self._name} cannot have a write-ahead file ({mode}): the disk may be failing")
                connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
                connection.execute("PRAGMA synchronous=FULL")
                # FAST: what is deleted stays in pages that are free as a whole, which `shrink` takes out of the file.
                connection.execute("PRAGMA secure_delete=FAST")
                connection.execute("SELECT count(*) FROM sqlite_master")  # makes the write-ahead file
            self._is_folder_synced = False
            if not is_new:
                return self._added(self._checked(connection))
            self._sync_folder()  # a file with tables has a name that lasts
            return self._added(self._made(connection))
        except BaseException:
            connection.close()
            raise

    def _sync_folder(self) -> None:
        """Make the names of the file and of its write-ahead file last, before anything is committed.

        SQLite does so too, but goes on when it fails: then a loss of power takes the file with what is in it.
        """
        if self.path is not None and not self._is_folder_synced:
            DiskFiles().sync_folder(self.path.parent)
            self._is_folder_synced = True

    def _with_write_ahead_file(self, connection: sqlite3.Connection) -> tuple[Any, ...] | None:
        """Switch to WAL mode; while other processes are opening a new file SQLite refuses that without waiting."""
        until = time.monotonic() + self._busy_s
        while True:
            try:
                return connection.execute("PRAGMA journal_mode=WAL").fetchone()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(RETRY_S)

    @staticmethod
    def _check_write_ahead(path: Path) -> None:
        at = write_ahead.damage_at(path)
        if at is not None:
            name = f"{path}{write_ahead.SUFFIX}"
            raise CorruptionError(
                f"{name} is damaged at byte {at}, before writes that were acknowledged: repair() the folder, "
                "or restore it from a backup",
                path=name,
                offset=at,
                expected="a frame as its checksum says",
            )

    def _opened_to_read(self, path: Path) -> sqlite3.Connection:
        connection = self._connected(_uri(path, "mode=ro"))
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
            return self._checked(connection)
        except READING_ERRORS as error:
            connection.close()
            if os.access(path.parent, os.W_OK) or not any(words in str(error) for words in _NOT_WRITABLE):
                raise self._our_error(error) from error
        except BaseException:
            connection.close()
            raise
        return self._checked(self._opened_where_nobody_writes(path))

    def _opened_where_nobody_writes(self, path: Path) -> sqlite3.Connection:
        # SQLite needs to write beside the file to follow a write-ahead file. Here nobody can: so nothing changes.
        log = path.with_name(f"{path.name}-wal")
        if not log.exists() or not log.stat().st_size:
            return self._connected(_uri(path, "mode=ro&immutable=1"))
        import shutil  # these two take 10 ms, and few folders cannot be written
        import tempfile

        self._copy = tempfile.TemporaryDirectory(prefix="chroma_search_")
        for each in (path, log):
            shutil.copyfile(each, Path(self._copy.name) / each.name)
        return self._connected(_uri(Path(self._copy.name) / path.name, "mode=rw"))

    def _connected(self, address: str) -> sqlite3.Connection:
        with self._our_errors():
            return sqlite3.connect(
                address, timeout=self._busy_s, isolation_level=None, check_same_thread=False, uri=address != ":memory:"
            )

    def _made(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Make the tables in one step, unless another process did; a file without a table has no version yet."""
        with self._our_errors():
            if self._version(connection) == 0 and self._schema:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    if self._version(connection) == 0:
                        for statement in self._schema:
                            connection.execute(statement)
                        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        return self._checked(connection)

    def _added(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Make the tables that a file of an earlier program lacks."""
        with self._our_errors():
            held = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
            for statement in self._additions:
                if statement.replace("IF NOT EXISTS ", "", 1) not in held:
                    self._sync_folder()
                    connection.execute(statement)
        return connection

    def _checked(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        with self._our_errors():
            version = self._version(connection)
        if version > self._newest:
            raise FormatVersionError(
                f"{self._name} is of format version {version}, this program reads up to version {self._newest}: "
                "use a newer program, or repair() the folder if no newer one has written it",
                found=version,
                supported=(FORMAT_VERSION, self._newest),
            )
        if (version == 0 and self._schema) or version < -1:  # -1 is the log's
            raise self._damaged(f"{self._name} holds nothing of ours", f"format version {FORMAT_VERSION}")
        return connection

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _damaged(self, what: str, expected: str) -> CorruptionError:
        return CorruptionError(
            f"{what}: restore it from a backup, or repair() the folder", path=self._name, expected=expected
        )

    @property
    def _name(self) -> str:
        return ":memory:" if self.path is None else str(self.path)

    @contextmanager
    def _our_errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except READING_ERRORS as error:
            raise self._our_error(error) from error

    def _our_error(self, error: Exception) -> StorageError:
        words = str(error)
        if not isinstance(error, sqlite3.OperationalError) or any(each in words for each in _DAMAGED):
            return self._damaged(f"{self._name} is no sound database ({words})", "an SQLite database")
        if "locked" in words or "busy" in words:
            waited = f"another process has been writing {self._name} for {self._busy_s:g} s: try again"
            return LockedError(waited, path=self._name)
        return StorageError(f"cannot read or write {self._name}: {words}")


def _uri(path: Path, query: str) -> str:
    return f"file:{quote(str(path))}?{query}"
