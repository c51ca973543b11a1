"""Clients of a database in the user's own process: `EphemeralClient()`, `Client()`, `AdminClient()`.

A client is a view on one tenant and database; the data belong to the system behind it (`system.py`), which all
in-memory clients of a process share. What clients can do is defined in `front/client.py`, for these and for clients of
a server alike. `Client` and `AdminClient` also make the latter, where the settings say so, as upstream.
"""

from __future__ import annotations

from chroma_search.client.engine_backend import EngineDatabase
from chroma_search.client.system import clear_systems
from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, HTTP_IMPL, Settings
from chroma_search.front.backend import DatabaseBackend
from chroma_search.front.client import AdminClientFront, ClientFront


class SystemClient:
    """What clients share within a process (upstream's `SharedSystemClient`)."""

    @staticmethod
    def clear_system_cache() -> None:
        """Forget the data that clients share: the next client starts empty, open ones keep what they have."""
        clear_systems()


class AdminClient(AdminClientFront, SystemClient):
    """Creates and lists tenants and databases.

    Args:
        settings: must equal those of the other clients of this process, or name a server.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(_backend(settings))


class EmbeddedClient(ClientFront, SystemClient):
    """Creates, opens and lists collections of one tenant and database.

    Made by `EphemeralClient()`, `PersistentClient()` and `Client()`.

    Raises:
        NotFoundError: no such tenant or database.
        ValueError: the process has clients with other settings.
    """

    def __init__(
        self,
        tenant: str | None = DEFAULT_TENANT,
        database: str | None = DEFAULT_DATABASE,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(
            EngineDatabase(settings),
            DEFAULT_TENANT if tenant is None else tenant,
            DEFAULT_DATABASE if database is None else database,
        )


def EphemeralClient(  # noqa: N802 - upstream's name
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> EmbeddedClient:
    """Return a client whose data are in memory, shared with the other in-memory clients of this process.

    Args:
        settings: must equal those of the other clients.
        tenant, database: where its collections are; both must exist.

    >>> client = EphemeralClient()
    >>> with client:
    ...     client.count_collections()
    0
    """
    return EmbeddedClient(str(tenant), str(database), in_memory(settings))


def in_memory(settings: Settings | None) -> Settings:
    """Return the settings, or the default ones, changed so that they name the memory of this process."""
    chosen = settings if settings is not None else Settings()
    chosen.is_persistent = False
    return chosen


def Client(  # noqa: N802 - upstream's name
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> ClientFront:
    """Return a client as the settings say.

    In memory; with `is_persistent` in the folder `persist_directory`; with
    `chroma_api_impl="chromadb.api.fastapi.FastAPI"` of the server at `chroma_server_host`.

    Raises:
        InvalidConfigError: a setting that has no meaning.
    """
    if settings is not None and settings.chroma_api_impl == HTTP_IMPL:
        from chroma_search.http.client import RemoteClient  # loads httpx

        return RemoteClient(settings, str(tenant), str(database))
    return EmbeddedClient(str(tenant), str(database), settings)


def _backend(settings: Settings | None) -> DatabaseBackend:
    if settings is not None and settings.chroma_api_impl == HTTP_IMPL:
        from chroma_search.http.backend import HttpDatabase  # loads httpx

        return HttpDatabase(settings)
    return EngineDatabase(settings)
