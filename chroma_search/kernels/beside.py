"""Beside: a part of some work that another core does meanwhile, when it lets go of the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """A call that begins at once, in a thread of its own where one can be started.

    At the end of a program none can be (Python 3.12 on): then `result` makes the call. The answer is the same.

    Args:
        work: what to call; it must not wait for the thread that makes this object.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._made: list[T] = []
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="chroma_search beside")
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None

    def result(self) -> T:
        """Wait for the end of the call and return what it returned, or raise what it raised."""
        if self._thread is None:
            return self._work()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made[0]

    def _run(self) -> None:
        try:
            self._made.append(self._work())
        except BaseException as error:  # whoever asks for the result is told
            self._error = error
