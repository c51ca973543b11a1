"""Work in a worker thread, awaited. The threads are anyio's, which httpx brings: one of them can await in its loop.

A call that is cancelled lets go of its thread, which works to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from typing_extensions import ParamSpec

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the function gives; meanwhile the event loop goes on."""
    from anyio import to_thread  # 0.03 s, and only async programs need it

    return await to_thread.run_sync(partial(function, *args, **kwargs))


def from_thread(function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    """Await in the event loop what a worker thread of `in_thread` needs, and return it to the thread."""
    from anyio import from_thread as loop  # as above

    return loop.run(function, *args)
