"""Clients of a server by library, Chroma's and ours, and by kind, for tests that hold them to the same behaviour.

Chroma's async client sends no credentials of its settings, and all of one event loop share the headers of the first. So
each has a loop of its own, and gets the header that its settings would become.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import chromadb
import chromadb.config
import chromadb.errors
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.api.shared_system_client import SharedSystemClient

import chroma_search
from tests.conformance.awaited import Awaited

TOKEN = {"chroma_client_auth_provider": "chromadb.auth.token_authn.TokenAuthClientProvider"}
BASIC = {"chroma_client_auth_provider": "chromadb.auth.basic_authn.BasicAuthClientProvider"}
WAYS: dict[str, dict[str, Any]] = {
    "bearer": TOKEN,
    "x-chroma-token": {**TOKEN, "chroma_auth_token_transport_header": "X-Chroma-Token"},
    "basic": BASIC,
}
"""The settings of each way to say who one is."""

BY_SETTINGS = ["chromadb sync", "ours sync", "ours async"]
"""Those that send what their settings say."""
EVERYBODY = [*BY_SETTINGS, "chromadb async"]


def header_of(way: str, secret: str) -> dict[str, str]:
    """Return the header that the settings of a way become."""
    if way == "basic":
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {"X-Chroma-Token": secret} if way == "x-chroma-token" else {"Authorization": f"Bearer {secret}"}


class Callers:
    """Opens clients of one kind, with the manners of sync ones, and closes them.

    Args:
        kind: one of `EVERYBODY`.
        port: of the server.
    """

    def __init__(self, kind: str, port: int) -> None:
        library, self._manner = kind.split()
        self._kind, self._port = kind, port
        self.is_ours = library == "ours"
        self.module: Any = chroma_search if self.is_ours else chromadb
        self.errors: Any = chroma_search.errors if self.is_ours else chromadb.errors
        self._opened: list[Any] = []
        self._loops: list[asyncio.AbstractEventLoop] = []

    def settings(self, **values: Any) -> Any:
        """Return settings of the library."""
        if self.is_ours:
            return chroma_search.Settings(**values)
        # Without TLS it would read the certificates that it trusts all the same, for 0.1 s.
        return chromadb.config.Settings(chroma_server_ssl_verify=False, **values)

    def __call__(self, tenant: str = "acme", database: str = "one", headers: Any = None, **settings: Any) -> Any:
        """Return a client with these headers and settings."""
        arguments = {"tenant": tenant, "database": database, "headers": headers, "settings": self.settings(**settings)}
        if self._manner == "sync":
            client = self.module.HttpClient("127.0.0.1", self._port, **arguments)
            self._opened.append(client)
            return client
        loop = asyncio.new_event_loop()
        self._loops.append(loop)
        making = self.module.AsyncHttpClient("127.0.0.1", self._port, **arguments)
        client = Awaited(loop, loop.run_until_complete(making))
        if self.is_ours:
            self._opened.append(client)
        return client

    def with_secret(self, way: str, secret: str, **place: Any) -> Any:
        """Return a client that says in a way who it is."""
        if self._kind in BY_SETTINGS:
            return self(**WAYS[way], chroma_client_auth_credentials=secret, **place)
        return self(headers=header_of(way, secret), **place)

    def admin(self, way: str, secret: str) -> Any:
        """Return a client of tenants and databases, sync."""
        where = {"chroma_server_host": "127.0.0.1", "chroma_server_http_port": self._port}
        who = {**WAYS[way], "chroma_client_auth_credentials": secret}
        client = self.module.AdminClient(self.settings(chroma_api_impl="chromadb.api.fastapi.FastAPI", **where, **who))
        if self.is_ours:  # upstream's has no close
            self._opened.append(client)
        return client

    def close(self) -> None:
        """Close all clients, also those of upstream that nobody got."""
        for client in self._opened:
            client.close()
        for loop in self._loops:
            left = AsyncFastAPI._clients.pop(hash(loop), None)
            if left is not None:
                loop.run_until_complete(left.aclose())
            loop.close()
        if not self.is_ours:
            SharedSystemClient.clear_system_cache()
