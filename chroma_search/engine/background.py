"""Background: work of a thread of its own, one at a time, that is asked for while it is done, or when nothing runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

PATIENCE = 5
"""Niceness of patient work: a third of the processor time of others where there is not enough, and not none, so that it
comes to its end also on a machine that is always busy."""


class Background:
    """A thread that does some work when it is asked to, and ends.

    Args:
        name: of the thread.
        work: what to do; it is done again when `start` was called since it began.
        is_patient: whether all other threads of the machine go first (on Linux, where a thread has a priority).
    """

    def __init__(self, name: str, work: Callable[[], None], *, is_patient: bool = False) -> None:
        self._name = name
        self._work = work
        self._is_patient = is_patient
        self._lock = threading.Lock()
        self._is_wanted = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the work is being done."""
        thread = self._thread
        return thread is not None and thread.is_alive()  # not so in a child of fork

    def start(self) -> None:
        """See that the work is done from now on, after what is being done."""
        with self._lock:
            self._is_wanted = True
            if not self.is_running:
                # Not a daemon: at the end of the program the interpreter waits for it, instead of stopping native code.
                self._thread = threading.Thread(target=self._run, name=self._name)
                self._thread.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until nothing runs, or for some time."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _run(self) -> None:
        if self._is_patient:
            _let_others_go_first()
        try:
            while self._goes_on():
                self._work()
        except BaseException:
            self._thread = None
            raise

    def _goes_on(self) -> bool:
        with self._lock:
            is_wanted, self._is_wanted = self._is_wanted, False
            if not is_wanted:
                self._thread = None
            return is_wanted


def _let_others_go_first() -> None:
    if sys.platform == "linux":  # elsewhere it would be the priority of the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENCE)
