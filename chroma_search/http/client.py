"""HttpClient: the client of a server, with the methods of every other client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chroma_search.config import ASYNC_HTTP_IMPL, DEFAULT_DATABASE, DEFAULT_TENANT, EMBEDDED_IMPLS, HTTP_IMPL, Settings
from chroma_search.errors import InvalidConfigError
from chroma_search.front.backend import UserIdentity
from chroma_search.front.client import ClientFront
from chroma_search.http.backend import HttpDatabase

DEFAULT_TIMEOUT_S = 300.0
"""Longest wait for an answer: a server that indexes a large batch takes its time, one that hangs is noticed."""


class RemoteClient(ClientFront):
    """Creates, opens and lists collections of one tenant and database of a server. Made by `HttpClient()`.

    Args:
        settings: which server, and how to speak to it.
        tenant, database: both must exist.
    """

    def __init__(
        self,
        settings: Settings,
        tenant: str = DEFAULT_TENANT,
        database: str = DEFAULT_DATABASE,
    ) -> None:
        backend = HttpDatabase(settings)
        if settings.chroma_overwrite_singleton_tenant_database_access_from_auth:
            try:
                tenant, database = allowed_place(backend.identity(), tenant, database)
            except BaseException:
                backend.close()
                raise
        super().__init__(backend, tenant, database)


def HttpClient(  # noqa: N802 - upstream's name
    host: str = "localhost",
    port: int = 8000,
    ssl: bool = False,
    headers: dict[str, str] | None = None,
    settings: Settings | None = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
    *,
    timeout: float | None = DEFAULT_TIMEOUT_S,
) -> RemoteClient:
    """Return a client of a server: of chroma_search, or of Chroma (version 1, API v2).

    Its collections have the methods of all others. A write that is larger than the server takes in one request is sent
    as several; each is whole, all together are not: an error in the middle leaves the first ones written. Nothing is
    tried again by itself.

    Args:
        host: name or address, or a URL, with which `port` does not count.
        port: of the server.
        ssl: https, also for a URL that begins with http://.
        headers: sent with every request, such as `{"X-Chroma-Token": ...}`.
        settings: more of it, such as authentication; not changed.
        tenant, database: where its collections are; both must exist.
        timeout: seconds to wait for an answer, None for ever (ours). Connecting never waits for more than 10 s.

    Raises:
        ConnectionFailedError, RequestTimeoutError: no answer.
        NotFoundError: no such tenant or database.
        ForbiddenError: the server does not let the caller in.
        InvalidConfigError: a host that is none, or settings that name another one.
    """
    return RemoteClient(
        http_settings(HTTP_IMPL, host, port, ssl, headers, settings, timeout), str(tenant), str(database)
    )


def http_settings(
    impl: str,
    host: str,
    port: int,
    ssl: bool,
    headers: Mapping[str, str] | None,
    settings: Settings | None,
    timeout: float | None,
) -> Settings:
    """Return new settings for the arguments of `HttpClient` and `AsyncHttpClient`.

    Raises:
        InvalidConfigError: the settings name another host, port or kind of client.
    """
    given: dict[str, Any] = {} if settings is None else dict(vars(settings))
    known = given.get("chroma_api_impl")
    if known not in (None, *EMBEDDED_IMPLS, HTTP_IMPL, ASYNC_HTTP_IMPL):
        raise InvalidConfigError(f"chroma_api_impl={known!r} is no client of a server", path="chroma_api_impl")
    for name, value in (("chroma_server_host", str(host)), ("chroma_server_http_port", int(port))):
        if given.get(name) not in (None, "", value):
            raise InvalidConfigError(
                f"{name} provided in settings[{given[name]}] is different to the one provided in HttpClient: [{value}]",
                path=name,
            )
        given[name] = value
    if timeout != DEFAULT_TIMEOUT_S or "chroma_http_timeout_secs" not in given:
        given["chroma_http_timeout_secs"] = timeout
    given.update(
        chroma_api_impl=impl,
        chroma_server_ssl_enabled=bool(ssl),
        chroma_server_headers=None if headers is None else dict(headers),
    )
    return Settings(**given)


def allowed_place(identity: UserIdentity, tenant: str, database: str) -> tuple[str, str]:
    """Return tenant and database: those that a user is bound to in place of the default ones, as upstream."""
    if tenant == DEFAULT_TENANT and identity.tenant not in (None, "*"):
        tenant = str(identity.tenant)
    if database == DEFAULT_DATABASE and len(identity.databases) == 1 and identity.databases[0] != "*":
        database = identity.databases[0]
    return tenant, database
