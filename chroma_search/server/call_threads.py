"""CallThreads: a fixed number of threads that run calls for the event loop.

What `ThreadPoolExecutor` and `asyncio.wait` do, in less than half of the processor time: a call costs one entry of a
queue, one future of the loop and one wake-up. Threads start with the first calls. Made for one event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Late = Callable[[BaseException | None], None]


class CallThreads:
    """Threads, and the queue of calls before them.

    Args:
        n_threads: calls that run at once; further ones wait in order.
        name: of the threads.
    """

    def __init__(self, n_threads: int, name: str) -> None:
        self._n_threads = n_threads
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._n_open = 0
        self._is_closed = False

    def run(self, work: Callable[[], T], *, late: Late | None = None) -> asyncio.Future[T]:
        """Run a function in a thread; called by the event loop.

        Args:
            work: what to run.
            late: called by the loop with the exception, or None, when the function ends and nobody waits any more.

        Returns:
            its outcome. Whoever ends the future early does not end the function.
        """
        if self._is_closed:
            raise RuntimeError(f"the {self._name} threads are closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            self._n_open -= 1
            if future.done():
                if late is not None:
                    late(error)
            elif error is None:
                future.set_result(result)  # type: ignore[arg-type]  # a result where there is no error
            else:
                future.set_exception(error)

        def call() -> None:
            try:
                result = work()
            except BaseException as error:  # all of it belongs to whoever waits
                _tell(loop, settle, None, error)
            else:
                _tell(loop, settle, result, None)

        self._n_open += 1
        self._calls.put(call)
        if len(self._threads) < min(self._n_open, self._n_threads):
            self._start()
        return future

    def close(self) -> None:
        """Wait for the calls that are at work or wait."""
        self._is_closed = True
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        # A daemon: a server that is told to end at once does not wait for a long call; what it wrote is durable or not.
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # what it holds, a body and an answer, may be large


def _tell(loop: asyncio.AbstractEventLoop, settle: Callable[..., None], *outcome: object) -> None:
    try:
        loop.call_soon_threadsafe(settle, *outcome)
    except RuntimeError:  # the loop is closed: nobody waits
        if not loop.is_closed():
            raise
