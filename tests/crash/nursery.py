"""Child processes by the thousand: one warm parent forks them, so that a child costs milliseconds, not an interpreter.

The warm parent is a process of its own. It imports what its children run and opens nothing: no thread, no SQLite
connection, no file of a collection, for none of these survives a fork well. A child runs one function of a module with
arguments that are JSON values. It says what it did through `say`, line by line, into a pipe of its own; a line that
was said is in the pipe also when the process is killed right after. A failpoint is armed in the child alone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroma_search.storage import failpoint

ROOT = Path(__file__).parents[2]
MODULES = ("tests.crash.history", "tests.crash.catalog_kill", "tests.crash.import_kill", "tests.crash.many_roles")
"""Modules whose functions children run."""

WHY_NOT = None if hasattr(os, "fork") and hasattr(socket, "send_fds") else "children are forked: not on Windows"
"""Why there can be no nursery here, or None."""

WARM = ("chroma_search.exchange.parquet", "chroma_search.exchange.jsonl", "numpy.random", "snowballstemmer")
LATE = ("pyarrow.parquet", "pandas")
"""What children would load late; pyarrow loads pandas where there is one."""

_pipe = -1


def say(line: object) -> None:
    """Tell the parent something, as one line."""
    os.write(_pipe, f"{line}\n".encode())


def counting(function: str, *arguments: Any) -> None:
    """Run a function in a child; say `at NAME` at each failpoint that is passed, instead of dying there."""
    for module in list(sys.modules.values()):
        if getattr(getattr(module, "reach", None), "__module__", None) == failpoint.__name__:
            module.reach = lambda name: say(f"at {name}")  # type: ignore[attr-defined] it has it
    _called(function, arguments)


def _called(function: str, arguments: Sequence[Any]) -> None:
    module, _, name = function.partition(":")
    getattr(importlib.import_module(module), name)(*arguments)


@dataclass(slots=True)
class Child:
    """A running child.

    Attributes:
        pid: its process.
        lines: what it says, until it ends.
    """

    pid: int
    lines: Iterator[str]

    def kill(self) -> None:
        """Send SIGKILL; one that has ended stays as it is."""
        os.kill(self.pid, signal.SIGKILL)  # nobody else can have the number: its parent has not waited for it


class Nursery:
    """The warm parent; `with` it, or `close` it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHROMA_SEARCH_FAILPOINT": ""}
        command = [sys.executable, "-m", "tests.crash.nursery", str(theirs.fileno())]
        self._process = subprocess.Popen(command, env=environment, cwd=ROOT, pass_fds=[theirs.fileno()])
        theirs.close()
        self._socket = ours
        if not ours.recv(100):
            raise RuntimeError("the warm parent could not start; it has written why")
        self.statuses: list[int] = []
        """Of the children that have ended."""

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the warm parent."""
        self._socket.close()
        self._process.wait()

    @contextlib.contextmanager
    def child(self, function: str, *arguments: Any, point: str | None = None) -> Iterator[Child]:
        """Run a function, `module:name`, in a new process; it has ended, or is killed, when the block has ended.

        Args:
            function: of one of `MODULES`.
            arguments: JSON values.
            point: failpoint, `name` or `name:n`, where the child kills itself.
        """
        reading, writing = os.pipe()
        request = {"function": function, "arguments": arguments, "failpoint": point or ""}
        socket.send_fds(self._socket, [json.dumps(request).encode()], [writing])
        os.close(writing)
        child = Child(int(self._socket.recv(100)), iter(()))
        with open(reading, encoding="utf-8") as lines:
            child.lines = iter(lines.readline, "")
            try:
                yield child
            except BaseException:
                child.kill()
                raise
            finally:
                self.status(child)

    def status(self, child: Child) -> int:
        """Wait for the end of a child and return its status: as `subprocess`, -9 for one that was killed."""
        self._socket.send(json.dumps({"pid": child.pid}).encode())
        status = int(self._socket.recv(100))
        self.statuses.append(status)
        return status


def main() -> None:
    """Be the warm parent."""
    for each in (*MODULES, *WARM):
        importlib.import_module(each)
    for each in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(each)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the program that asks
    requests = socket.socket(fileno=int(sys.argv[1]))
    requests.send(b"warm")
    ended: dict[int, int] = {}
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 1)
        if not message:
            return
        request = json.loads(message)
        if "pid" in request:
            pid = request["pid"]
            if pid not in ended:
                ended[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            requests.send(str(ended[pid]).encode())
            continue
        pid = os.fork()
        if not pid:
            requests.close()
            _live(request, descriptors[0])
        os.close(descriptors[0])
        requests.send(str(pid).encode())


def _live(request: dict[str, Any], pipe: int) -> None:
    """Be a child: run the function, wait for its threads, and end without what an interpreter does at its end."""
    global _pipe
    status = 1
    try:
        _pipe = pipe
        os.environ["CHROMA_SEARCH_FAILPOINT"] = request["failpoint"]
        importlib.reload(failpoint)  # in place: those who have imported `reach` see what is armed
        _called(request["function"], request["arguments"])
        for thread in threading.enumerate():  # flushes in the background
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    from tests.crash import nursery  # not this module a second time: children reach it by its name

    nursery.main()
