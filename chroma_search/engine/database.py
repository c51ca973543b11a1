"""Database: the catalog - tenants, databases, and the collections in them, by name and by id. In memory."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import Any

from chroma_search.engine.collection import CollectionEngine
from chroma_search.errors import ConflictError, NotFoundError
from chroma_search.schema import Schema
from chroma_search.schema.configuration import CollectionConfig

DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database of a tenant."""

    id: uuid.UUID
    name: str
    tenant: str


class Database:
    """All tenants, databases and collections of one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Drop everything; the default tenant and database exist again."""
        with self._lock:
            self._tenants: set[str] = {DEFAULT_TENANT}
            default = DatabaseInfo(uuid.UUID(int=0), DEFAULT_DATABASE, DEFAULT_TENANT)
            self._databases: dict[tuple[str, str], DatabaseInfo] = {(DEFAULT_TENANT, DEFAULT_DATABASE): default}
            self._collections: dict[tuple[str, str, str], CollectionEngine] = {}

    def create_tenant(self, name: str) -> None:
        """Create a tenant.

        Raises:
            ConflictError: it exists.
        """
        with self._lock:
            if name in self._tenants:
                raise ConflictError(f"Tenant [{name}] already exists", kind="tenant", name=name)
            self._tenants.add(name)

    def get_tenant(self, name: str) -> str:
        """Return the tenant's name.

        Raises:
            NotFoundError: no such tenant.
        """
        with self._lock:
            if name not in self._tenants:
                raise NotFoundError(f"Tenant [{name}] not found", kind="tenant", name=name)
            return name

    def create_database(self, name: str, tenant: str) -> None:
        """Create a database.

        Raises:
            ConflictError: it exists. NotFoundError: no such tenant.
        """
        with self._lock:
            self.get_tenant(tenant)
            if (tenant, name) in self._databases:
                raise ConflictError(f"Database [{name}] already exists", kind="database", name=name)
            self._databases[tenant, name] = DatabaseInfo(uuid.uuid4(), name, tenant)

    def get_database(self, name: str, tenant: str) -> DatabaseInfo:
        """Return a database.

        Raises:
            NotFoundError: no such database.
        """
        with self._lock:
            if (tenant, name) not in self._databases:
                raise NotFoundError(f"Database [{name}] not found. Are you sure it exists?", kind="database", name=name)
            return self._databases[tenant, name]

    def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[DatabaseInfo]:
        """Return the databases of a tenant by name; none for an unknown tenant."""
        with self._lock:
            found = sorted((each for each in self._databases.values() if each.tenant == tenant), key=lambda e: e.name)
        return found[offset : None if limit is None else offset + limit]

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database with its collections.

        Raises:
            NotFoundError: no such database.
        """
        with self._lock:
            self.get_database(name, tenant)
            del self._databases[tenant, name]
            for place in [place for place in self._collections if place[:2] == (tenant, name)]:
                del self._collections[place]

    def create_collection(
        self,
        name: str,
        tenant: str,
        database: str,
        *,
        config: CollectionConfig,
        metadata: dict[str, Any] | None = None,
        schema: Schema | None = None,
        get_or_create: bool = False,
    ) -> CollectionEngine:
        """Create a collection, or return the existing one unchanged with `get_or_create`.

        Raises:
            ConflictError: it exists. NotFoundError: no such database.
        """
        with self._lock:
            self.get_database(database, tenant)
            place = (tenant, database, name)
            if place in self._collections:
                if get_or_create:
                    return self._collections[place]
                raise ConflictError(f"Collection [{name}] already exists", kind="collection", name=name)
            engine = CollectionEngine(name, tenant, database, config, metadata, schema)
            self._collections[place] = engine
            return engine

    def get_collection(self, name: str, tenant: str, database: str) -> CollectionEngine:
        """Return a collection by name.

        Raises:
            NotFoundError: no such collection.
        """
        with self._lock:
            found = self._collections.get((tenant, database, name))
        if found is None:
            raise NotFoundError(f"Collection [{name}] does not exist", kind="collection", name=name)
        return found

    def get_collection_by_id(self, collection_id: uuid.UUID, tenant: str, database: str) -> CollectionEngine:
        """Return a collection by id.

        Raises:
            NotFoundError: no such collection in this database.
        """
        with self._lock:
            for (held_tenant, held_database, _), engine in self._collections.items():
                if engine.id == collection_id and (held_tenant, held_database) == (tenant, database):
                    return engine
        raise NotFoundError(f"Collection [{collection_id}] does not exist", kind="collection", name=str(collection_id))

    def list_collections(
        self, tenant: str, database: str, limit: int | None = None, offset: int = 0
    ) -> list[CollectionEngine]:
        """Return the collections of a database in order of creation."""
        with self._lock:
            found = [engine for place, engine in self._collections.items() if place[:2] == (tenant, database)]
        return found[offset : None if limit is None else offset + limit]

    def count_collections(self, tenant: str, database: str) -> int:
        """Return the number of collections of a database."""
        return len(self.list_collections(tenant, database))

    def delete_collection(self, name: str, tenant: str, database: str) -> None:
        """Delete a collection.

        Raises:
            NotFoundError: no such collection.
        """
        with self._lock:
            self.get_collection(name, tenant, database)
            del self._collections[tenant, database, name]

    def modify_collection(
        self,
        engine: CollectionEngine,
        *,
        name: str | None = None,
        metadata: dict[str, Any] | None = None,
        config: CollectionConfig | None = None,
    ) -> None:
        """Rename a collection, replace its metadata or its configuration; None leaves a part as it is.

        Raises:
            ConflictError: the new name is taken. NotFoundError: the collection was deleted.
        """
        with self._lock:
            held = self.get_collection_by_id(engine.id, engine.tenant, engine.database)
            if name is not None and name != held.name:
                place = (held.tenant, held.database, name)
                if place in self._collections:
                    raise ConflictError(f"Collection [{name}] already exists", kind="collection", name=name)
                # Rebuilt rather than moved, so that the order of creation stays.
                self._collections = {(place if each is held else old): each for old, each in self._collections.items()}
                held.name = name
            if metadata is not None:
                held.metadata = metadata
            if config is not None:
                held.reconfigure(config)
