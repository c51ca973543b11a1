"""Catalog: the durable list of tenants, databases and collections, in one SQLite file (or in memory).

What a collection holds is not here but in its own folder (`storage/log.py`). Several processes share the file: each
keeps what it read and reads again when another one has committed.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroma_search.errors import CorruptionError
from chroma_search.storage.failpoint import reach
from chroma_search.storage.sqlite_file import SqliteFile

DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS tenants (name TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS databases (id TEXT NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL, "
    "PRIMARY KEY (tenant, name))",
    "CREATE TABLE IF NOT EXISTS collections (position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
    "name TEXT NOT NULL, tenant TEXT NOT NULL, database TEXT NOT NULL, facts TEXT NOT NULL, checksum INTEGER NOT NULL, "
    "UNIQUE (tenant, database, name))",
    f"INSERT OR IGNORE INTO tenants VALUES ('{DEFAULT_TENANT}')",
    f"INSERT OR IGNORE INTO databases VALUES ('{uuid.UUID(int=0)}', '{DEFAULT_DATABASE}', '{DEFAULT_TENANT}')",
)


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database of a tenant."""

    id: uuid.UUID
    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection as the catalog knows it.

    Attributes:
        id, name, tenant, database: where it is found.
        config: `CollectionConfig.to_stored()`.
        metadata: of the collection itself, or None.
        schema: JSON form of its schema, or None.
    """

    id: uuid.UUID
    name: str
    tenant: str
    database: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any] | None
    schema: Mapping[str, Any] | None

    @property
    def place(self) -> tuple[str, str, str]:
        """Tenant, database, name."""
        return self.tenant, self.database, self.name

    def facts(self) -> str:
        """Return what is stored beside the name."""
        return json.dumps({"config": self.config, "metadata": self.metadata, "schema": self.schema})


@dataclass(frozen=True, slots=True)
class CatalogState:
    """All that a catalog holds."""

    tenants: frozenset[str]
    databases: tuple[DatabaseInfo, ...]
    collections: tuple[CollectionInfo, ...]


class Catalog:
    """The file and what to do with it. Changes are made inside `writing`.

    Args:
        path: the file, made when it is missing; None for memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = SqliteFile(path, _SCHEMA)
        self._data_version = -1
        self._parsed: dict[tuple[str, int], CollectionInfo] = {}  # by id and checksum

    def has_changed(self) -> bool:
        """Tell whether another process has committed since `state` was read last."""
        return self._file.data_version() != self._data_version

    def state(self) -> CatalogState:
        """Return all of it, collections in order of creation.

        Raises:
            CorruptionError: a row is not what its checksum says.
        """
        version = self._file.data_version()
        with self._file.reading():
            tenants = frozenset(name for (name,) in self._file.execute("SELECT name FROM tenants"))
            databases = tuple(
                DatabaseInfo(uuid.UUID(id_), name, tenant)
                for id_, name, tenant in self._file.execute("SELECT id, name, tenant FROM databases")
            )
            rows = self._file.execute(
                "SELECT id, name, tenant, database, facts, checksum FROM collections ORDER BY position"
            )
        self._parsed = {(row[0], row[5]): self._parsed.get((row[0], row[5])) or self._read(*row) for row in rows}
        collections = tuple(self._parsed.values())
        self._data_version = version
        return CatalogState(tenants, databases, collections)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Hold the writer's lock: all changes made inside are durable at the end, or none is made."""
        with self._file.writing():
            yield
            reach("catalog.before_commit")
        reach("catalog.after_commit")

    def add_tenant(self, name: str) -> None:
        """Add a tenant."""
        self._file.execute("INSERT INTO tenants VALUES (?)", (name,))

    def add_database(self, info: DatabaseInfo) -> None:
        """Add a database."""
        self._file.execute("INSERT INTO databases VALUES (?, ?, ?)", (str(info.id), info.name, info.tenant))

    def remove_database(self, name: str, tenant: str) -> None:
        """Remove a database and the collections in it."""
        self._file.execute("DELETE FROM databases WHERE name = ? AND tenant = ?", (name, tenant))
        self._file.execute("DELETE FROM collections WHERE database = ? AND tenant = ?", (name, tenant))

    def put_collection(self, info: CollectionInfo) -> None:
        """Add a collection, or replace what is known of the one with its id; it keeps its place in the order."""
        facts = info.facts()
        values = (str(info.id), info.name, info.tenant, info.database, facts, _checksum(info, facts))
        self._file.execute(
            "INSERT INTO collections (id, name, tenant, database, facts, checksum) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, facts = excluded.facts, checksum = excluded.checksum",
            values,
        )

    def remove_collection(self, id: uuid.UUID) -> None:
        """Remove a collection."""
        self._file.execute("DELETE FROM collections WHERE id = ?", (str(id),))

    def clear(self) -> None:
        """Remove everything but the default tenant and database."""
        for table in ("collections", "databases", "tenants"):
            self._file.execute(f"DELETE FROM {table}")
        for statement in _SCHEMA[-2:]:
            self._file.execute(statement)

    def close(self) -> None:
        """Close the connection."""
        self._file.close()

    def _read(self, id_: str, name: str, tenant: str, database: str, facts: str, checksum: int) -> CollectionInfo:
        try:
            known = json.loads(facts)
            info = CollectionInfo(
                uuid.UUID(id_), name, tenant, database, known["config"], known["metadata"], known["schema"]
            )
            is_sound = _checksum(info, facts) == checksum
        except (ValueError, KeyError):
            is_sound, info = False, None
        if info is None or not is_sound:
            raise CorruptionError(
                f"what {self._path} says of collection {name!r} is damaged",
                path=str(self._path),
                expected="a row as its checksum says",
            )
        return info


def _checksum(info: CollectionInfo, facts: str) -> int:
    return zlib.crc32(repr((str(info.id), info.name, info.tenant, info.database, facts)).encode())
