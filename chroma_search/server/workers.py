"""Workers: the processes of a server, each with a socket of its own, and their end.

Processes that take connections from one socket take them as they come to it: of eight that come at once one process may
get all. Where the system deals them out among sockets (Linux: `SO_REUSEPORT`), each process listens on its own.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from chroma_search.errors import StorageError

LOOK_S = 0.2
"""How often a worker looks whether the process that has started it still lives."""
BACKLOG = 2048
HASTE_S, MOST_REPLACED = 60.0, 3
"""How often each process is replaced within that time before the server gives up."""


class Workers(Multiprocess):
    """Worker processes, watched and replaced by uvicorn.

    Args:
        config: of each.
        sockets: one for all, or one for each. Who takes the place of a process that has ended listens on all.
    """

    def __init__(self, config: uvicorn.Config, sockets: Sequence[socket.socket]) -> None:
        super().__init__(config, list(sockets))
        self._replaced_at: list[float] = []
        self.has_failed = False
        """Whether all was given up, because processes ended as soon as they were started."""

    def init_processes(self) -> None:
        """Start them."""
        for at in range(self.processes_num):
            process = Process(self.config, [self.sockets[at % len(self.sockets)]])
            process.start()
            self.processes.append(process)

    def keep_subprocess_alive(self) -> None:
        """Replace processes that have ended, unless those that take their places end at once, again and again."""
        if self.should_exit.is_set():
            return
        before = list(self.processes)
        super().keep_subprocess_alive()
        self.has_failed = self.should_exit.is_set()  # one could not even begin
        now = time.monotonic()
        n_new = sum(new is not old for new, old in zip(self.processes, before, strict=True))
        self._replaced_at = [at for at in self._replaced_at if now - at < HASTE_S] + [now] * n_new
        if len(self._replaced_at) > MOST_REPLACED * self.processes_num:
            self.has_failed = True
            self.should_exit.set()


def listeners(listener: socket.socket, count: int) -> list[socket.socket]:
    """Return sockets for this many processes on the address of `listener`; itself where connections are not dealt out.

    That one is closed, with which nobody could share the address: so a second server is refused.

    Raises:
        StorageError: another program has taken the address between.
    """
    if sys.platform != "linux":
        return [listener]
    family, address = listener.family, listener.getsockname()
    listener.close()
    made = [socket.socket(family, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in made:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind(address)
            each.listen(BACKLOG)
            each.set_inheritable(True)
    except OSError as error:
        for each in made:
            each.close()
        raise StorageError(f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}") from error
    return made


def end_after(supervisor: int) -> None:
    """See that this process ends when the one that has started it was killed: nobody else would end it."""
    if sys.platform == "win32":  # there a process does not learn that its parent has ended
        return

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="chroma_search supervisor watch").start()
