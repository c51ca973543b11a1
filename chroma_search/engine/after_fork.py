"""What a child of a fork begins anew: locks that another thread of its parent may have held, and what they kept true.

That thread is not there in the child: the lock would stay taken, and what it was changing half changed. So where the
parent had other threads, a child reads a collection of a folder again when it next uses it. Connections are closed
before every fork (`storage/open_files.py`).
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet

# Its part of a fork comes first: it keeps what could be let go of here.
import chroma_search.storage.open_files  # noqa: F401  # pyright: ignore[reportUnusedImport]


class Renewable(Protocol):
    """Something with a lock."""

    def begin_anew(self) -> None:
        """Take a new lock, and forget what can be read again."""
        ...


class _AfterFork:
    def __init__(self) -> None:
        self._parts: WeakSet[Renewable] = WeakSet()
        self._had_threads = False

    def renew(self, part: Renewable) -> None:
        self._parts.add(part)

    def before_fork(self) -> None:
        self._had_threads = threading.active_count() > 1

    def after_fork_in_child(self) -> None:
        if self._had_threads:
            for part in list(self._parts):
                part.begin_anew()


_AFTER_FORK = _AfterFork()
renew_after_fork = _AFTER_FORK.renew
"""Let a part begin anew in a child whose parent had other threads."""

if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_AFTER_FORK.before_fork, after_in_child=_AFTER_FORK.after_fork_in_child)
