"""Clients of a database in the user's own process, awaited: the work is done in threads (ours; Chroma has none).

`AsyncAdminClient` is here as `AdminClient` is in `embedded.py`: the settings say whether a server is meant.
"""

from __future__ import annotations

from os import PathLike
from typing import Literal

from chroma_search.client.embedded import in_memory
from chroma_search.client.engine_backend import EngineDatabase
from chroma_search.client.persistent import in_folder
from chroma_search.config import ASYNC_HTTP_IMPL, DEFAULT_DATABASE, DEFAULT_TENANT, HTTP_IMPL, Settings
from chroma_search.front.async_client import AsyncAdminClientFront, AsyncClientFront
from chroma_search.front.threaded import ThreadedDatabase
from chroma_search.front.threads import in_thread


async def AsyncAdminClient(settings: Settings | None = None) -> AsyncAdminClientFront:  # noqa: N802 - as upstream's names
    """Return an async client that creates and lists tenants and databases; arguments and errors as `AdminClient`."""
    if settings is not None and settings.chroma_api_impl in (HTTP_IMPL, ASYNC_HTTP_IMPL):
        from chroma_search.http.async_backend import AsyncHttpDatabase  # loads httpx

        return AsyncAdminClientFront(AsyncHttpDatabase(settings))
    return AsyncAdminClientFront(ThreadedDatabase(await in_thread(EngineDatabase, settings)))


async def AsyncEphemeralClient(  # noqa: N802 - as upstream's names
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> AsyncClientFront:
    """Return an async client whose data are in memory; arguments and errors as `EphemeralClient`."""
    return await _opened(in_memory(settings), tenant, database)


async def AsyncPersistentClient(  # noqa: N802 - as upstream's names
    path: str | PathLike[str] = "./chroma",
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
    *,
    mode: Literal["rw", "r"] = "rw",
    memory_limit: int | None = None,
) -> AsyncClientFront:
    """Return an async client whose data are in the folder `path`; arguments and errors as `PersistentClient`."""
    return await _opened(in_folder(path, settings, mode, memory_limit), tenant, database)


async def _opened(settings: Settings, tenant: str, database: str) -> AsyncClientFront:
    backend = ThreadedDatabase(await in_thread(EngineDatabase, settings))
    return await AsyncClientFront.opened(backend, str(tenant), str(database))
