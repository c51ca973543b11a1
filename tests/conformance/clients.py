"""Every kind of client, by name, for suites that hold all of them to the same answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chroma_search import (
    AdminClient,
    AsyncAdminClient,
    AsyncEphemeralClient,
    AsyncHttpClient,
    AsyncPersistentClient,
    EphemeralClient,
    HttpClient,
    PersistentClient,
    Settings,
)
from tests.conformance.awaited import Awaited
from tests.conformance.servers import kinds

HOST = "127.0.0.1"
HERE = ["memory", "folder", "async memory", "async folder"]
EVERYWHERE = [*HERE, *(f"{word} {kind}" for kind in kinds() for word in ("http", "async http"))]
OF_ANY_THREAD = [each for each in EVERYWHERE if "async" not in each]
"""An async client belongs to one event loop."""

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
        return self._kept(self._make(tenant=tenant, database=database))

    def admin(self) -> Any:
        """Return a client that creates tenants and databases."""
        settings = self._settings()
        return self._kept(AsyncAdminClient(settings) if self._is_async else AdminClient(settings))

    def of_new_database(self) -> Any:
        """Return a client of an empty database of its own."""
        name = new_database_name()
        self.admin().create_database(name)
        return self(database=name)

    def close(self) -> None:
        """Close all clients."""
        for client in self._opened:
            client.close()

    @property
    def _is_async(self) -> bool:
        return self._kind.startswith("async")

    @property
    def _where(self) -> str:
        return self._kind.rpartition(" ")[2]

    def _kept(self, made: Any) -> Any:
        client = Awaited(self._loop, self._loop.run_until_complete(made)) if self._is_async else made
        self._opened.append(client)
        return client

    def _make(self, **place: Any) -> Any:
        match self._where, self._is_async:
            case "memory", False:
                return EphemeralClient(**place)
            case "memory", True:
                return AsyncEphemeralClient(**place)
            case "folder", False:
                return PersistentClient(self._folder, **place)
            case "folder", True:
                return AsyncPersistentClient(self._folder, **place)
            case server, False:
                return HttpClient(HOST, self._port(server), **place)
            case server, True:
                return AsyncHttpClient(HOST, self._port(server), **place)

    def _settings(self) -> Settings:
        match self._where:
            case "memory":
                return Settings()
            case "folder":
                return Settings(is_persistent=True, persist_directory=str(self._folder))
            case server:
                impl = "chromadb.api.fastapi.FastAPI"
                port = self._port(server)
                return Settings(chroma_api_impl=impl, chroma_server_host=HOST, chroma_server_http_port=port)
