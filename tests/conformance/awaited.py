"""An async object with the manners of a sync one, so that one suite tests both: each call is awaited to its end."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any


class Awaited:
    """Calls the methods of an async client or collection in an event loop of its own.

    Args:
        loop: where calls are awaited.
        target: the object.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Any) -> None:
        self.__dict__.update(_loop=loop, _target=target)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not inspect.iscoroutinefunction(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._wrapped(self._loop.run_until_complete(value(*args, **kwargs)))

        return call

    def __eq__(self, other: object) -> bool:
        return self._target == (other._target if isinstance(other, Awaited) else other)

    def __hash__(self) -> int:
        return hash(self._target)

    def __enter__(self) -> Awaited:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._wrapped(each) for each in value]
        is_ours = type(value).__name__ in ("AsyncCollection", "AsyncClientFront", "AsyncAdminClientFront")
        return Awaited(self._loop, value) if is_ours else value
