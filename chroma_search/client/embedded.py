"""Clients of a database in the user's own process: `EphemeralClient()`, `Client()`, `AdminClient()`.

A client is a view on one tenant and database; the data belong to the system behind it (`system.py`), which all
in-memory clients of a process share. Names, arguments and defaults are upstream's.

Not for: reading or writing records (`collection.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from chroma_search.client.collection import Collection
from chroma_search.client.embedding import DataLoader
from chroma_search.client.function_cache import RememberedFunction
from chroma_search.client.inputs import checked_page
from chroma_search.client.system import System, clear_systems, open_system, release_system
from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_search.embeddings.default import DefaultEmbeddingFunction
from chroma_search.embeddings.protocol import EmbeddingFunction, validate_embedding_function
from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.database import Database, DatabaseInfo
from chroma_search.errors import ClosedError, ForbiddenError, UnsupportedError
from chroma_search.schema.collection_metadata import validate_collection_metadata
from chroma_search.schema.function_conflict import (
    validate_embedding_function_conflict_on_create,
    validate_embedding_function_conflict_on_get,
)
from chroma_search.schema.names import validate_collection_name, validate_database_name, validate_tenant_name
from chroma_search.version import __version__

if TYPE_CHECKING:
    from typing_extensions import Self

    from chroma_search.engine.backup import BackupReport
    from chroma_search.schema import CreateCollectionConfiguration, Schema

MAX_BATCH_SIZE = 2**31 - 1
"""What `get_max_batch_size` answers. There is no limit but memory; programs split their batches by this number."""

_DEFAULT_FUNCTION = DefaultEmbeddingFunction()


class TenantRecord(TypedDict):
    """A tenant as clients return it."""

    name: str


class DatabaseRecord(TypedDict):
    """A database as clients return it."""

    id: UUID
    name: str
    tenant: str


class SystemClient:
    """What every client has: one share in a system, given back by `close()`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._system = open_system(settings if settings is not None else Settings())
        self._is_closed = False

    def close(self) -> None:
        """Close the client; after the last one of a system its data are gone. Closing twice does nothing."""
        if not self._is_closed:
            self._is_closed = True
            release_system(self._system)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def clear_system_cache() -> None:
        """Forget the data that clients share: the next client starts empty, open ones keep what they have."""
        clear_systems()

    def _open(self) -> System:
        if self._is_closed:
            raise ClosedError("the client is closed: make a new one")
        return self._system

    def _database(self) -> Database:
        return self._open().database


class AdminClient(SystemClient):
    """Creates and lists tenants and databases.

    Args:
        settings: must equal those of the other clients of this process.
    """

    def create_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Create a database.

        Raises:
            InvalidArgumentError: a name that is not allowed.
            ConflictError: it exists. NotFoundError: no such tenant.
        """
        self._database().create_database(validate_database_name(name), tenant)

    def get_database(self, name: str, tenant: str = DEFAULT_TENANT) -> DatabaseRecord:
        """Return a database.

        Raises:
            NotFoundError: no such database.
        """
        return _record(self._database().get_database(name, tenant))

    def delete_database(self, name: str, tenant: str = DEFAULT_TENANT) -> None:
        """Delete a database with all its collections.

        Raises:
            NotFoundError: no such database.
        """
        self._database().delete_database(name, tenant)

    def list_databases(
        self, limit: int | None = None, offset: int | None = None, tenant: str = DEFAULT_TENANT
    ) -> list[DatabaseRecord]:
        """Return the databases of a tenant, by name."""
        most, first = checked_page(limit, offset)
        return [_record(each) for each in self._database().list_databases(tenant, most, first)]

    def create_tenant(self, name: str) -> None:
        """Create a tenant.

        Raises:
            InvalidArgumentError: a name that is not allowed.
            ConflictError: it exists.
        """
        self._database().create_tenant(validate_tenant_name(name))

    def get_tenant(self, name: str) -> TenantRecord:
        """Return a tenant.

        Raises:
            NotFoundError: no such tenant.
        """
        return {"name": self._database().get_tenant(name)}


class EmbeddedClient(SystemClient):
    """Creates, opens and lists collections of one tenant and database.

    Made by `EphemeralClient()` and `Client()`.

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
        super().__init__(settings)
        try:
            self.set_tenant(
                DEFAULT_TENANT if tenant is None else tenant, DEFAULT_DATABASE if database is None else database
            )
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
        held = self._database()
        held.get_tenant(tenant)
        held.get_database(database, tenant)
        self.tenant, self.database = tenant, database

    def set_database(self, database: str) -> None:
        """Use another database of the tenant.

        Raises:
            NotFoundError: no such database.
        """
        self._database().get_database(database, self.tenant)
        self.database = database

    def heartbeat(self) -> int:
        """Return the time in nanoseconds since 1970."""
        self._open()
        return time.time_ns()

    def get_version(self) -> str:
        """Return the version of chroma_search."""
        return __version__

    def get_settings(self) -> Settings:
        """Return the settings."""
        return self._open().settings

    def get_max_batch_size(self) -> int:
        """Return how many records one call may write; larger than any memory."""
        return MAX_BATCH_SIZE

    def backup(self, path: str | PathLike[str]) -> BackupReport:
        """Copy the folder of this client to a new one, consistently, while others read and write it (ours).

        Args:
            path: the new folder; it must not exist, or be empty. It can be opened with `PersistentClient`.

        Raises:
            UnsupportedError: the data are in memory.
            ConflictError: `path` exists and is not empty.
            CorruptionError: what would be copied is damaged; there is no backup then.
            StorageError: a file cannot be read or written; there is no backup then.
        """
        settings = self._open().settings
        if not settings.is_persistent:
            raise UnsupportedError(
                "a client in memory has no folder to copy: use PersistentClient, or export its collections",
                feature="backup",
                why="the data are in memory",
                instead="use PersistentClient",
            )
        from chroma_search.engine.backup import back_up  # rarely needed, and not on the way from open to answer

        return back_up(settings.persist_directory, path)

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file, of all tenants (ours).

        What an earlier repair() put aside under `damaged/` goes, too. On disks that keep old blocks (SSDs, snapshots of
        the file system) the bytes may still be found below the files.

        Raises:
            LockedError: another process is reading all the time, so that its files cannot be cut.
        """
        self._open().database.purge()

    def reset(self) -> bool:
        """Delete everything of all tenants.

        Raises:
            ForbiddenError: the settings do not say `allow_reset=True`.
        """
        system = self._open()
        if not system.settings.allow_reset:
            raise ForbiddenError("Reset is disabled by config: make the client with Settings(allow_reset=True)")
        system.database.reset()
        system.functions.clear()
        return True

    def list_collections(self, limit: int | None = None, offset: int | None = None) -> list[Collection]:
        """Return the collections of the database, in the order in which they were created."""
        most, first = checked_page(limit, offset)
        engines = self._database().list_collections(self.tenant, self.database, most, first)
        return [Collection(self._system, engine, _DEFAULT_FUNCTION) for engine in engines]

    def count_collections(self) -> int:
        """Return the number of collections in the database."""
        return self._database().count_collections(self.tenant, self.database)

    def create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: CreateCollectionConfiguration | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: EmbeddingFunction[Any] | None = _DEFAULT_FUNCTION,
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
        # Here and below: 0.03 s of modules that a program which opens a collection does not need.
        from chroma_search.schema.reconcile import resolve_configuration
        from chroma_search.schema.schema_validation import checked_form

        database = self._database()
        validate_collection_name(name)
        wanted = dict(configuration or {})
        validate_embedding_function_conflict_on_create(embedding_function, wanted.get("embedding_function"))
        if embedding_function is not None:
            validate_embedding_function(embedding_function)
            if wanted.get("embedding_function") is None:
                wanted["embedding_function"] = embedding_function
        held_metadata = validate_collection_metadata(metadata)
        form = None if schema is None else checked_form(schema.serialize_to_json())
        config = resolve_configuration(wanted, held_metadata, form)
        held_schema = None if schema is None else _own_schema(schema)
        engine = database.create_collection(
            name,
            self.tenant,
            self.database,
            config=config,
            metadata=held_metadata,
            schema=held_schema,
            get_or_create=get_or_create,
        )
        if engine.config is not config:  # it was there before
            return self._opened(engine, embedding_function, data_loader)
        self._remember(engine, wanted.get("embedding_function"), schema)
        return Collection(self._system, engine, embedding_function, data_loader)

    def get_or_create_collection(
        self,
        name: str,
        schema: Schema | None = None,
        configuration: CreateCollectionConfiguration | None = None,
        metadata: Mapping[str, Any] | None = None,
        embedding_function: EmbeddingFunction[Any] | None = _DEFAULT_FUNCTION,
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
        embedding_function: EmbeddingFunction[Any] | None = _DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> Collection:
        """Open a collection.

        Raises:
            NotFoundError: no such collection.
            ValueError: the collection has an embedding function of another name.
        """
        engine = self._database().get_collection(name, self.tenant, self.database)
        return self._opened(engine, embedding_function, data_loader)

    def get_collection_by_id(
        self,
        id: UUID,
        embedding_function: EmbeddingFunction[Any] | None = _DEFAULT_FUNCTION,
        data_loader: DataLoader | None = None,
    ) -> Collection:
        """Open a collection by its id; errors as `get_collection`."""
        engine = self._database().get_collection_by_id(id, self.tenant, self.database)
        return self._opened(engine, embedding_function, data_loader)

    def delete_collection(self, name: str) -> None:
        """Delete a collection with all its records.

        Raises:
            NotFoundError: no such collection.
        """
        database = self._database()
        engine = database.get_collection(name, self.tenant, self.database)
        database.delete_collection(name, self.tenant, self.database)
        self._system.functions.pop(engine.id, None)

    def _opened(
        self, engine: CollectionEngine, embedding_function: Any | None, data_loader: DataLoader | None
    ) -> Collection:
        validate_embedding_function_conflict_on_get(embedding_function, engine.config.embedding_function)
        return Collection(self._system, engine, embedding_function, data_loader)

    def _remember(self, engine: CollectionEngine, function: Any | None, schema: Schema | None) -> None:
        """Keep the function of a new collection as the object that it is."""
        from chroma_search.schema.index_rules import functions_of  # as above
        from chroma_search.schema.value_types import EMBEDDING_KEY

        of_schema = {} if schema is None else functions_of(schema)
        chosen = of_schema.get(EMBEDDING_KEY) if function is None or _is_default(function) else function
        if callable(chosen) and not _is_default(chosen):  # what is written as JSON is built when it is needed
            self._system.functions[engine.id] = RememberedFunction(engine.config.embedding_function, chosen)


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
    chosen = settings if settings is not None else Settings()
    chosen.is_persistent = False
    return EmbeddedClient(str(tenant), str(database), chosen)


def Client(  # noqa: N802 - upstream's name
    settings: Settings | None = None, tenant: str = DEFAULT_TENANT, database: str = DEFAULT_DATABASE
) -> EmbeddedClient:
    """Return a client as the settings say: in memory, or with `is_persistent` in the folder `persist_directory`.

    Raises:
        UnsupportedError: the settings ask for a server.
    """
    return EmbeddedClient(str(tenant), str(database), settings)


def _own_schema(schema: Schema) -> Schema:
    """Return a copy that later changes by the caller do not reach; the functions in it stay the same objects."""
    from chroma_search.schema.value_types import LAYOUT, get_index  # as above

    trees = (schema.defaults, *schema.keys.values())
    indexes = [index for tree in trees for slot in LAYOUT if (index := get_index(tree, slot)) is not None]
    functions = [getattr(index.config, "embedding_function", None) for index in indexes]
    # What deepcopy finds in its memo it takes as copied: a function may hold a model, or a lock.
    return deepcopy(schema, {id(function): function for function in functions if function is not None})


def _is_default(function: object) -> bool:
    return isinstance(function, DefaultEmbeddingFunction)


def _record(info: DatabaseInfo) -> DatabaseRecord:
    return {"id": info.id, "name": info.name, "tenant": info.tenant}
