"""SharedRates: token buckets from which all processes of a server draw, in a file that they share.

A draw is a transaction of SQLite: 0.05 ms, for which other processes wait. Who draws often draws several at a time
(`LeasedRates`). Nothing of it needs to outlive the server, so nothing waits for a disk.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chroma_search.server.rate import MAX_KEYS, Rates

PATIENCE_S = 0.5
"""How long a process waits for the others; it holds up its own calls meanwhile."""
SWEEP_EVERY = 256
"""Changes after which a process looks whether there are too many buckets."""
LEASE_S = 0.05
"""For how long the tokens last that a busy process draws at a time."""
_TABLE = "CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, at REAL, level REAL) WITHOUT ROWID"


class SharedRates(Rates):
    """Token buckets of several processes.

    When the file cannot be used (someone has cleaned the folder of temporary files), each process counts alone.

    Args:
        file: where they are; made when it is missing.
        per_second, burst: as in `Rates`, over all processes together.
        clock: seconds, monotonic and the same in all processes, as that of the system is on Linux and macOS.
    """

    def __init__(self, file: Path, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(per_second, burst, clock)
        self._n_changes = 0
        self._connection: sqlite3.Connection | None = None
        with suppress(sqlite3.Error):
            self._connection = _opened(file)

    def close(self) -> None:
        """Let go of the file; this process counts alone from now on."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _change(self, key: str, by: int) -> int:
        with self._lock:
            if self._connection is not None:
                try:
                    return self._change_in(self._connection, key, by)
                except sqlite3.Error:
                    with suppress(sqlite3.Error):
                        self._connection.rollback()
        return super()._change(key, by)

    def _change_in(self, connection: sqlite3.Connection, key: str, by: int) -> int:
        connection.execute("BEGIN IMMEDIATE")
        try:
            now = self._clock()  # asked when it is this process's turn
            held = connection.execute("SELECT at, level FROM buckets WHERE key = ?", (key,)).fetchone()
            (at, level), n_taken = self._after(held, now, by)
            connection.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (key, at, level))
            self._n_changes += 1
            if self._n_changes % SWEEP_EVERY == 0:
                self._sweep(connection, now)
            return n_taken
        finally:
            connection.execute("COMMIT")  # a refusal has changed nothing

    def _sweep(self, connection: sqlite3.Connection, now: float) -> None:
        full = "level + (? - at) * ? >= ?"
        connection.execute(f"DELETE FROM buckets WHERE {full}", (now, self._per_second, self._burst))
        if connection.execute("SELECT count(*) FROM buckets").fetchone()[0] > MAX_KEYS:
            connection.execute("DELETE FROM buckets")  # all are busy: many addresses at once


class LeasedRates(SharedRates):
    """Token buckets of several processes, for what is common: a process draws what it needs for a moment at once.

    All together never have more than the rate allows. A process may still hold tokens while another is refused: as many
    as last for `LEASE_S`, and an eighth of a burst at most.
    """

    def __init__(self, file: Path, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(file, per_second, burst, clock)
        self._lease = max(1, min(int(per_second * LEASE_S), burst // 8))
        self._taking = threading.Lock()
        self._drawn: dict[str, int] = {}

    def take(self, key: str) -> None:
        """Take a token.

        Raises:
            RateLimitError: there is none; `retry_after_s` says when there will be.
        """
        with self._taking:
            left = self._drawn.pop(key, 0) or self._change(key, -self._lease)
            if left > 1:
                if len(self._drawn) >= MAX_KEYS:
                    self._drawn.clear()
                self._drawn[key] = left - 1


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
