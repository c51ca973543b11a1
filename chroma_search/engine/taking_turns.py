"""TakingTurns: how long a writer waits where processes write under one lock, and when it lets others write first.

SQLite's lock goes to whoever asks at the right moment, and those who wait ask every few milliseconds. So the clock of a
writer stands still while other threads of its process write: what it waits for is not stuck. And a process that writes
for long, again and again, leaves the others a moment: they would else wait until it has no more to write.
"""

from __future__ import annotations

import time

from chroma_search.errors import LockedError
from chroma_search.storage.sqlite_file import BUSY_S, RETRY_S

ALONE_S = 1.0
"""How long a process writes without a moment for others, when it knows of none."""

TOGETHER_S = 0.1
"""The same when it has met another one not long ago."""

MOMENT_S = 2 * RETRY_S
"""Long enough for everybody who waits to ask."""


class TakingTurns:
    """The turns that this process takes at one lock. Thread-safe."""

    def __init__(self) -> None:
        self._began_at = self._ended_at = self._met_at = float("-inf")
        self._n_turns = 0

    def begin(self) -> None:
        """Leave others a moment first, if this process has been writing for a while."""
        now = time.monotonic()
        if now - self._ended_at < MOMENT_S:
            so_far_s = now - self._began_at
            if so_far_s < (TOGETHER_S if now - self._met_at < ALONE_S else ALONE_S):
                return
            if so_far_s > self._n_turns * RETRY_S:  # there are moments enough between short turns
                time.sleep(MOMENT_S)
                now += MOMENT_S
        self._began_at = now
        self._n_turns = 0

    def wait(self, arrived_at: float, error: LockedError) -> None:
        """Wait before the next try, where another process held the lock.

        Args:
            arrived_at: when the writer came, by `time.monotonic()`.
            error: what says so.

        Raises:
            LockedError: no thread of this process could write for `BUSY_S`: the error that was given.
        """
        self._met_at = now = time.monotonic()
        waited_s = now - max(arrived_at, self._ended_at)
        if waited_s >= BUSY_S:
            raise error
        time.sleep(RETRY_S * max(1.0 - waited_s / BUSY_S, 0.1))  # who has waited for long asks more often

    def end(self) -> None:
        """Note that the lock was held, and is free again."""
        self._ended_at = time.monotonic()
        self._n_turns += 1
