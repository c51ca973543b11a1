"""Every kind of client, by name, for suites that hold all of them to the same answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chroma_search import (
    AsyncEphemeralClient,
    AsyncHttpClient,
    AsyncPersistentClient,
    EphemeralClient,
    HttpClient,
    PersistentClient,
)
from tests.conformance.awaited import Awaited
from tests.conformance.servers import kinds

HOST = "127.0.0.1"
HERE = ["memory", "folder", "async memory", "async folder"]
EVERYWHERE = [*HERE, *(f"{word} {kind}" for kind in kinds() for word in ("http", "async http"))]

_numbers = itertools.count()


def new_database_name() -> str:
    """Return a name that no other test has."""
    return f"database-{next(_numbers)}"


class Clients:
    """Opens clients of one kind, and closes them.

    Args:
        kind: one of `EVERYWHERE`.
        folder: where those of a folder are.
        port: gives the port of a server, by its kind.
        loop: where async clients live.
    """

    def __init__(self, kind: str, folder: Path, port: Callable[[str], int], loop: asyncio.AbstractEventLoop) -> None:
        self._kind, self._folder, self._port, self._loop = kind, folder, port, loop
        self._opened: list[Any] = []

    def __call__(self, tenant: str = "default_tenant", database: str = "default_database") -> Any:
        """Return a client."""
        made = self._make(tenant=tenant, database=database)
        is_async = self._kind.startswith("async")
        client = Awaited(self._loop, self._loop.run_until_complete(made)) if is_async else made
        self._opened.append(client)
        return client

    def of_new_database(self) -> Any:
        """Return a client of an empty database of its own."""
        first, name = self(), new_database_name()
        made = first._backend.create_database(name, "default_tenant")
        if isinstance(first, Awaited):
            self._loop.run_until_complete(made)
        return self(database=name)

    def close(self) -> None:
        """Close all clients."""
        for client in self._opened:
            client.close()

    def _make(self, **place: Any) -> Any:
        word, _, server = self._kind.rpartition(" ")
        match word, server:
            case "", "memory":
                return EphemeralClient(**place)
            case "", "folder":
                return PersistentClient(self._folder, **place)
            case "async", "memory":
                return AsyncEphemeralClient(**place)
            case "async", "folder":
                return AsyncPersistentClient(self._folder, **place)
            case "http", _:
                return HttpClient(HOST, self._port(server), **place)
            case _:
                return AsyncHttpClient(HOST, self._port(server), **place)
