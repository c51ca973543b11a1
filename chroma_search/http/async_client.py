"""AsyncHttpClient: the client of a server, awaited."""

from __future__ import annotations

from chroma_search.config import ASYNC_HTTP_IMPL, DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_search.front.async_client import AsyncClientFront
from chroma_search.http.async_backend import AsyncHttpDatabase
from chroma_search.http.client import DEFAULT_TIMEOUT_S, allowed_place, http_settings


async def AsyncHttpClient(  # noqa: N802 - upstream's name
    host: str = "localhost",
    port: int = 8000,
    ssl: bool = False,
    headers: dict[str, str] | None = None,
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
    *,
    timeout: float | None = DEFAULT_TIMEOUT_S,
) -> AsyncClientFront:
    """Return an async client of a server; arguments and errors as `HttpClient`.

    It belongs to the event loop in which it was made, and is closed by `await client.close()` or
    `async with await AsyncHttpClient() as client`.
    """
    chosen = http_settings(ASYNC_HTTP_IMPL, host, port, ssl, headers, settings, timeout)
    backend = AsyncHttpDatabase(chosen)
    tenant, database = str(tenant), str(database)
    if chosen.chroma_overwrite_singleton_tenant_database_access_from_auth:
        try:
            tenant, database = allowed_place(await backend.identity(), tenant, database)
        except BaseException:
            await backend.close()
            raise
    return await AsyncClientFront.opened(backend, tenant, database)
