"""Where a call that takes long looks whether it should go on.

Whoever starts a call (the server: it knows the deadline, and whether the client is still there) sets a check around it;
operators ask `checkpoint()` at their boundaries and between chunks of long loops. A check that says no raises, and the
exception ends the call: nothing of it is visible then, for a search only reads and a write checks before it appends.

Without a check, `checkpoint()` costs 40 ns. A check belongs to a thread or task (a context variable), not the process.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]
"""Raises when the call should end."""

_check: ContextVar[Check | None] = ContextVar("check", default=None)


def checkpoint() -> None:
    """Return if the call may go on.

    Raises:
        Exception: whatever the check raises.
    """
    check = _check.get()
    if check is not None:
        check()


@contextmanager
def cancellable(check: Check) -> Generator[None]:
    """Let `check` decide at each checkpoint of what runs inside."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)
