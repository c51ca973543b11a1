"""OpenFiles: which database files this process has open, for the locks that SQLite holds on them are the process's.

Two things would take these locks away; another process would then take itself for the last one that has the file open,
and remove the write-ahead file that this one goes on writing to, with all that was acknowledged (sections 2.2 and 2.6
of https://sqlite.org/howtocorrupt.html):

* The end of *any* descriptor of a file. So bytes of a database are looked at only where this process has it not open.
* A fork: the child inherits connections, and SQLite believes there that it holds what the parent has locked. So all
  connections are closed before a fork, and each side opens its own when it needs one.

Not for: locks between processes (`sqlite_file.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from chroma_search.errors import StorageError

FORK_S = 10.0
"""How long a fork waits for what other threads do with files: as long as these wait for other processes."""

_EACH_S = 0.01
"""How long for each file, while those before it are held: another thread may hold it, and wait for one of these."""

_ASIDE_S = 0.05
"""How long a transaction waits at its beginning for a fork that is waiting; it may be inside one of another file."""


class OpenFile(Protocol):
    """A file that this process may have a connection to.

    Attributes:
        lock: held by whoever uses the connection.
        is_long: whether transactions last for minutes: no fork waits for their end.
    """

    lock: threading.RLock
    is_long: bool

    def let_go(self) -> None:
        """Close the connection until it is needed again, and leave; do nothing while a transaction is running."""
        ...

    def lose(self) -> None:
        """Use neither connection nor lock any more: in a child, they are as another thread of the parent left them."""
        ...


class OpenFiles:
    """The files of this process, and by their paths those that are open."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._files: WeakSet[OpenFile] = WeakSet()
        self._open: dict[str, WeakSet[OpenFile]] = {}
        self._lost: set[str] = set()
        self._held: dict[OpenFile, threading.RLock] = {}  # during a fork
        self._no_fork = threading.Event()
        self._no_fork.set()

    def add(self, file: OpenFile) -> None:
        """Note a file: its lock is held during a fork, also while it is not open or in memory only."""
        with self._lock:
            self._files.add(file)

    def enter(self, path: str, file: OpenFile, look: Callable[[], None]) -> None:
        """Note that a file will be opened; `look` at it before, whose errors refuse that, unless it is open already.

        Raises:
            StorageError: another thread was using it when this process was forked.
        """
        with self._lock:
            if path in self._lost:
                raise StorageError(
                    f"another thread was using {path} when this process was forked: "
                    "fork while nothing is written, or start processes by spawn"
                )
            if not self._open.get(path):  # or all were let go of without being closed
                look()
            self._open.setdefault(path, WeakSet()).add(file)

    def leave(self, path: str, file: OpenFile) -> None:
        """Note that the connection is closed."""
        with self._lock:
            files = self._open.get(path)
            if files is not None:
                files.discard(file)
                if not files:
                    del self._open[path]

    def step_aside(self) -> None:
        """Let a fork go first that waits for all transactions to end, or else might wait forever."""
        if not self._no_fork.is_set():
            self._no_fork.wait(_ASIDE_S)

    def before_fork(self) -> None:
        """Close all connections and let nobody open one; what other threads do not let go of in time stays open."""
        until = time.monotonic() + FORK_S
        self._no_fork.clear()
        while not self._hold(all_or_none=time.monotonic() < until):
            time.sleep(0)
        for file in self._held:
            file.let_go()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._release()
        self._no_fork.set()

    def after_fork_in_child(self) -> None:
        """Go on without the files that were in use."""
        self._lost.update(self._open)  # all others have left
        for file in {file for files in self._open.values() for file in files} | (set(self._files) - self._held.keys()):
            file.lose()
        self._no_fork = threading.Event()  # of the old one, a thread of the parent may have been the keeper
        self.after_fork_in_parent()

    def _hold(self, *, all_or_none: bool) -> bool:
        """Take the locks of the files; those of some alone could be waited for by who holds the others."""
        self._lock.acquire()
        for file in list(self._files):
            if file.lock.acquire(timeout=0.0 if file.is_long else _EACH_S):
                self._held[file] = file.lock
            elif all_or_none and not file.is_long:
                self._release()
                return False
        return True

    def _release(self) -> None:
        for lock in self._held.values():
            lock.release()
        self._held = {}
        self._lock.release()


OPEN_FILES = OpenFiles()

if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(
        before=OPEN_FILES.before_fork,
        after_in_parent=OPEN_FILES.after_fork_in_parent,
        after_in_child=OPEN_FILES.after_fork_in_child,
    )
