"""How often: one token bucket per key (a user, an address), of which only the busy ones are kept. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chroma_search.errors import RateLimitError

MAX_KEYS = 10_000
"""Buckets kept at most; beyond it the full ones go, which changes nothing for their keys."""

Bucket = tuple[float, float]
"""When it was last looked at, and how many tokens it held then."""


class Rates:
    """Token buckets.

    Args:
        per_second: tokens a bucket gains per second.
        burst: tokens it holds at most, and in the beginning.
        clock: seconds, monotonic.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: str) -> None:
        """Take a token.

        Raises:
            RateLimitError: there is none; `retry_after_s` says when there will be.
        """
        self._change(key, -1)

    def give_back(self, key: str) -> None:
        """Give back a token that was taken."""
        self._change(key, 1)

    def _change(self, key: str, by: int) -> int:
        """Put tokens into a bucket, or take as many as there are; return how many were taken."""
        with self._lock:
            now = self._clock()
            after, n_taken = self._after(self._buckets.get(key), now, by)
            if len(self._buckets) >= MAX_KEYS and key not in self._buckets:
                self._drop_full(now)
            self._buckets[key] = after
            return n_taken

    def _after(self, held: Bucket | None, now: float, by: int) -> tuple[Bucket, int]:
        """Return what a bucket is after a change, and how many tokens were taken; None is a full one.

        Raises:
            RateLimitError: tokens are to be taken where there is none.
        """
        level = self._level(held, now)
        if by >= 0:
            return (now, min(self._burst, level + by)), 0
        self._refuse_below_one(level)
        n_taken = min(-by, int(level))
        return (now, level - n_taken), n_taken

    def _level(self, held: Bucket | None, now: float) -> float:
        then, level = held or (now, self._burst)
        return min(self._burst, level + (now - then) * self._per_second)

    def _refuse_below_one(self, level: float) -> None:
        if level < 1.0:
            wait_s = (1.0 - level) / self._per_second
            raise RateLimitError(f"too many requests: try again in {wait_s:.1f} s", retry_after_s=wait_s)

    def _drop_full(self, now: float) -> None:
        self._buckets = {key: held for key, held in self._buckets.items() if self._level(held, now) < self._burst}
        if len(self._buckets) >= MAX_KEYS:  # all are busy: many addresses at once
            self._buckets.clear()
