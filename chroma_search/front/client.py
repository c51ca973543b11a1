"""The clients that users call: collections of one tenant and database, and the tenants and databases themselves.

Where the data are - in this process or at a server - is the backend's business. `async_client.py` is the same with
`await`. Names, arguments and defaults are upstream's.

Not for: reading or writing records (`collection.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.front.backend import CollectionBackend, DatabaseBackend, DatabaseRecord, TenantRecord, UserIdentity
from chroma_search.front.collection import Collection
from chroma_search.front.embedding import DataLoader
from chroma_search.front.inputs import checked_page
from chroma_search.front.new_collection import DEFAULT_FUNCTION, new_collection
from chroma_search.schema.function_conflict import validate_embedding_function_conflict_on_get
from chroma_search.schema.names import validate_database_name, validate_tenant_name

if TYPE_CHECKING:
    from typing_extensions import Self

    from chroma_search.schema import CreateCollectionConfiguration, Schema


class _Closing:
    """What every client has: a backend, let go of by `close()`."""

    _backend: DatabaseBackend

    def close(self) -> None:
        """Close the client. Closing twice does nothing."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AdminClientFront(_Closing):
    """Creates and lists tenants and databases."""

    def __init__(self, backend: DatabaseBackend) -> None:
        self._backend = backend

    def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Create a database.

        Raises:
            InvalidArgumentError: a name that is not allowed.
            ConflictError: it exists. NotFoundError: no such tenant.
        """
        self._backend.create_database(validate_database_name(name), tenant)

    def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> DatabaseRecord:
        """Return a database.

        Raises:
            NotFoundError: no such database.
        """
        return self._backend.get_database(name, tenant)

    def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database with all its collections.

        Raises:
            NotFoundError: no such database.
        """
        self._backend.delete_database(name, tenant)

    def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> list[DatabaseRecord]:
        """Return the databases of a tenant, by name."""
        return self._backend.list_databases(tenant, *checked_page(limit, offset))

    def create_tenant(self, name: str) -> None:
        """Create a tenant.

        Raises:
            InvalidArgumentError: a name that is not allowed.
            ConflictError: it exists.
        """
        self._backend.create_tenant(validate_tenant_name(name))

    def get_tenant(self, name: str) -> TenantRecord:
        """Return a tenant.

        Raises:
            NotFoundError: no such tenant.
        """
        return self._backend.get_tenant(name)


class ClientFront(_Closing):
    """Creates, opens and lists collections of one tenant and database.

    Raises:
        NotFoundError: no such tenant or database.
    """

    def __init__(self, backend: DatabaseBackend, tenant: str, database: str) -> None:
        self._backend = backend
        try:
            self.set_tenant(tenant, database)
        except BaseException:
            self.close()
            raise

    tenant: str
    """The tenant in use; `set_tenant` changes it."""
    database: str
    """The database in use; `set_database` changes it."""

    def set_tenant(self, tenant: str, database: str = DEFAULT_DATABASE) -> None:
        """Use another tenant.

        Raises:
            NotFoundError: no such tenant, or no such database in it; the old ones stay in use.
        """
        self._backend.get_tenant(tenant)
        self._backend.get_database(database, tenant)
        self.tenant, self.database = tenant, database

    def set_database(self, database: str) -> None:
        """Use another database of the tenant.

        Raises:
            NotFoundError: no such database.
        """
        self._backend.get_database(database, self.tenant)
        self.database = database

    def heartbeat(self) -> int:
        """Return the time in nanoseconds since 1970, of the server if there is one."""
        return self._backend.heartbeat()

    def get_version(self) -> str:
        """Return the version of who answers: of the server, or of chroma_search."""
        return self._backend.version()

    def get_settings(self) -> Settings:
        """Return the settings."""
        return self._backend.settings

    def get_user_identity(self) -> UserIdentity:
        """Return who the server takes the caller for."""
        return self._backend.identity()

    def get_max_batch_size(self) -> int:
        """Return how many records one request may write; a larger `add` is sent as several by itself."""
        return self._backend.max_batch_size()

    def backup(self, path: str | PathLike[str]) -> Any:
        """Copy the folder of this client to a new one, consistently, while others read and write it (ours).

        Args:
            path: the new folder; it must not exist, or be empty. It can be opened with `PersistentClient`.

        Returns:
            a `BackupReport`.

        Raises:
            UnsupportedError: the data are in memory, or at a server.
            ConflictError: `path` exists and is not empty.
            CorruptionError: what would be copied is damaged; there is no backup then.
            StorageError: a file cannot be read or written; there is no backup then.
        """
        return self._backend.backup(path)

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file, of all tenants (ours).

        What an earlier repair() put aside under `damaged/` goes, too. On disks that keep old blocks (SSDs, snapshots of
        the file system) the bytes may still be found below the files.

        Raises:
            LockedError: another process is reading all the time, so that its files cannot be cut.
            UnsupportedError: the data are at a server.
        """
        self._backend.purge()

    def reset(self) -> bool:
        """Delete everything of all tenants.

        Raises:
            ForbiddenError: the settings (of the server, if there is one) do not say `allow_reset=True`.
        """
        return self._backend.reset()

    def list_collections(self, limit: int | None = None, offset: int | None = None) -> list[Collection]:
        """Return the collections of the database, in the order in which they were created."""
        found = self._backend.list_collections(self._place, *checked_page(limit, offset))
        return [Collection(each, DEFAULT_FUNCTION) for each in found]

    def count_collections(self) -> int:
        """Return the number of collections in the database."""
        return self._backend.count_collections(self._place)

    def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: CreateCollectionConfiguration | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
        get_or_create: bool = False,
    ) -> Collection:
        """Create a collection.

        Args:
            name: 3-512 characters of `[a-zA-Z0-9._-]`.
            schema: which index is on for which key; a function of the dense vectors belongs into it then.
            configuration: index and distance, such as `{"hnsw": {"space": "cosine"}}`.
            metadata: anything to remember about the collection.
            embedding_function: embeds texts; None for none.
            data_loader: loads URIs.
            get_or_create: return the collection of that name, unchanged, if there is one.

        Raises:
            ValueError: an argument that is not valid, or two embedding functions.
            ConflictError: it exists. NotFoundError: the database was deleted.
        """
        new = new_collection(name, schema, configuration, metadata, embedding_function)
        backend, was_there = self._backend.create_collection(new, self._place, get_or_create=get_or_create)
        if was_there:
            return _opened(backend, embedding_function, data_loader)
        return Collection(backend, embedding_function, data_loader)

    def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: CreateCollectionConfiguration | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> Collection:
        """Return the collection of that name; create it, with the other arguments, if there is none.

        Raises:
            ValueError: as `create_collection`, or the collection has an embedding function of another name.
        """
        return self.create_collection(
            name, schema, configuration, metadata, embedding_function, data_loader, get_or_create=True
        )

    def get_collection(
        self,
        name: str,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> Collection:
        """Open a collection.

        Raises:
            NotFoundError: no such collection.
            ValueError: the collection has an embedding function of another name.
        """
        return _opened(self._backend.get_collection(name, self._place), embedding_function, data_loader)

    def get_collection_by_id(
        self,
        id: UUID,
        embedding_function: EmbeddingFunction[Any] | None = DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> Collection:
        """Open a collection by its id; errors as `get_collection`."""
        return _opened(self._backend.get_collection_by_id(id, self._place), embedding_function, data_loader)

    def delete_collection(self, name: str) -> None:
        """Delete a collection with all its records.

        Raises:
            NotFoundError: no such collection.
        """
        self._backend.delete_collection(name, self._place)

    @property
    def _place(self) -> tuple[str, str]:
        return self.tenant, self.database


def _opened(backend: CollectionBackend, embedding_function: Any, data_loader: DataLoader | None) -> Collection:
    validate_embedding_function_conflict_on_get(embedding_function, backend.facts.config.embedding_function)
    return Collection(backend, embedding_function, data_loader)
