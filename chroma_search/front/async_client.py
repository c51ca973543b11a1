"""The clients that users call, with `await`: `client.py` method by method, the same arguments, checks and results."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any
from uuid import UUID

from typing_extensions import Self

from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.front.async_collection import AsyncCollection
from chroma_search.front.backend import (
    AsyncCollectionBackend,
    AsyncDatabaseBackend,
    DatabaseRecord,
    TenantRecord,
    UserIdentity,
)
from chroma_search.front.embedding import DataLoader
from chroma_search.front.inputs import checked_page
from chroma_search.front.new_collection import DEFAULT_FUNCTION, new_collection
from chroma_search.schema import CreateCollectionConfiguration, Schema
from chroma_search.schema.function_conflict import validate_embedding_function_conflict_on_get
from chroma_search.schema.names import validate_database_name, validate_tenant_name


class _Closing:
    """What every async client has: a backend, let go of by `close()`."""

    _backend: AsyncDatabaseBackend

    async def close(self) -> None:
        """Close the client. Closing twice does nothing."""
        await self._backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncAdminClientFront(_Closing):
    """Creates and lists tenants and databases. Each method is that of `AdminClientFront`, awaited."""

    def __init__(self, backend: AsyncDatabaseBackend) -> None:
        self._backend = backend

    async def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Create a database."""
        await self._backend.create_database(validate_database_name(name), tenant)

    async def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> DatabaseRecord:
        """Return a database."""
        return await self._backend.get_database(name, tenant)

    async def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database with all its collections."""
        await self._backend.delete_database(name, tenant)

    async def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> list[DatabaseRecord]:
        """Return the databases of a tenant, by name."""
        return await self._backend.list_databases(tenant, *checked_page(limit, offset))

    async def create_tenant(self, name: str) -> None:
        """Create a tenant."""
        await self._backend.create_tenant(validate_tenant_name(name))

    async def get_tenant(self, name: str) -> TenantRecord:
        """Return a tenant."""
        return await self._backend.get_tenant(name)


class AsyncClientFront(_Closing):
    """Creates, opens and lists collections of one tenant and database. Each method is that of `ClientFront`, awaited.

    Made by a function that is awaited, for making it asks for tenant and database.
    """

    def __init__(self, backend: AsyncDatabaseBackend) -> None:
        self._backend = backend
        self.tenant, self.database = DEFAULT_TENANT, DEFAULT_DATABASE

    @classmethod
    async def opened(cls, backend: AsyncDatabaseBackend, tenant: str, database: str) -> Self:
        """Return a client of a tenant and database.

        Raises:
            NotFoundError: no such tenant or database.
        """
        client = cls(backend)
        try:
            await client.set_tenant(tenant, database)
        except BaseException:
            await client.close()
            raise
        return client

    async def set_tenant(self, tenant: str, database: str = DEFAULT_DATABASE) -> None:
        """Use another tenant."""
        await self._backend.get_tenant(tenant)
        await self._backend.get_database(database, tenant)
        self.tenant, self.database = tenant, database

    async def set_database(self, database: str) -> None:
        """Use another database of the tenant."""
        await self._backend.get_database(database, self.tenant)
        self.database = database

    async def heartbeat(self) -> int:
        """Return the time in nanoseconds since 1970, of the server if there is one."""
        return await self._backend.heartbeat()

    async def get_version(self) -> str:
        """Return the version of who answers: of the server, or of chroma_search."""
        return await self._backend.version()

    def get_settings(self) -> Settings:
        """Return the settings."""
        return self._backend.settings

    async def get_user_identity(self) -> UserIdentity:
        """Return who the server takes the caller for."""
        return await self._backend.identity()

    async def get_max_batch_size(self) -> int:
        """Return how many records one request may write; a larger `add` is sent as several by itself."""
        return await self._backend.max_batch_size()

    async def backup(self, path: str | PathLike[str]) -> Any:
        """Copy the folder of this client to a new one, consistently, while others read and write it (ours)."""
        return await self._backend.backup(path)

    async def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file, of all tenants (ours)."""
        await self._backend.purge()

    async def reset(self) -> bool:
        """Delete everything of all tenants."""
        return await self._backend.reset()

    async def list_collections(self, limit: int | None = None, offset: int | None = None) -> list[AsyncCollection]:
        """Return the collections of the database, in the order in which they were created."""
        found = await self._backend.list_collections(self._place, *checked_page(limit, offset))
        return [AsyncCollection(each, DEFAULT_FUNCTION) for each in found]

    async def count_collections(self) -> int:
        """Return the number of collections in the database."""
        return await self._backend.count_collections(self._place)

    async def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: CreateCollectionConfiguration | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
        get_or_create: bool = False,
    ) -> AsyncCollection:
        """Create a collection."""
        new = new_collection(name, schema, configuration, metadata, embedding_function)
        backend, was_there = await self._backend.create_collection(new, self._place, get_or_create=get_or_create)
        if was_there:
            return _opened(backend, embedding_function, data_loader)
        return AsyncCollection(backend, embedding_function, data_loader)

    async def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: CreateCollectionConfiguration | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> AsyncCollection:
        """Return the collection of that name; create it, with the other arguments, if there is none."""
        return await self.create_collection(
            name, schema, configuration, metadata, embedding_function, data_loader, get_or_create=True
        )

    async def get_collection(
        self,
        name: str,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> AsyncCollection:
        """Open a collection."""
        return _opened(await self._backend.get_collection(name, self._place), embedding_function, data_loader)

    async def get_collection_by_id(
        self,
        id: UUID,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> AsyncCollection:
        """Open a collection by its id; errors as `get_collection`."""
        return _opened(await self._backend.get_collection_by_id(id, self._place), embedding_function, data_loader)

    async def delete_collection(self, name: str) -> None:
        """Delete a collection with all its records."""
        await self._backend.delete_collection(name, self._place)

    @property
    def _place(self) -> tuple[str, str]:
        return self.tenant, self.database


def _opened(
    backend: AsyncCollectionBackend, embedding_function: Any, data_loader: DataLoader | None
) -> AsyncCollection:
    validate_embedding_function_conflict_on_get(embedding_function, backend.facts.config.embedding_function)
    return AsyncCollection(backend, embedding_function, data_loader)
