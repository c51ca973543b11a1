"""Catalog: the durable list of tenants, databases and collections, in one SQLite file (or in memory).

What a collection holds is not here but in its own folder (`storage/log.py`). Several processes share the file: each
keeps what it read and reads again when another one has committed. Each row has a checksum, and the head counts and sums
them: a row that changed or is gone shows. The changes are counted, and the last one is noted beside the file
(`storage/last_commit.py`): so it shows when the last changes are gone.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chroma_search.errors import CorruptionError
from chroma_search.record import record
from chroma_search.storage.failpoint import reach
from chroma_search.storage.last_commit import CommitNote, LastCommit
from chroma_search.storage.sqlite_file import Mode, SqliteFile

if TYPE_CHECKING:
    from chroma_search.storage.sqlite_salvage import DamagedDatabase

DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"

_SCHEMA = (
    "CREATE TABLE tenants (name TEXT PRIMARY KEY, checksum INTEGER NOT NULL)",
    "CREATE TABLE databases (id TEXT NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL, checksum INTEGER NOT NULL, "
    "PRIMARY KEY (tenant, name))",
    "CREATE TABLE collections (position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
    "name TEXT NOT NULL, tenant TEXT NOT NULL, database TEXT NOT NULL, facts TEXT NOT NULL, checksum INTEGER NOT NULL, "
    "UNIQUE (tenant, database, name))",
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), n_rows INTEGER NOT NULL, total INTEGER NOT NULL)",
    "CREATE TABLE removed (id TEXT PRIMARY KEY)",
)
_ADDITIONS = ("CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL)",)
_TABLES = ("tenants", "databases", "collections")


@record()
class DatabaseInfo:
    """A database of a tenant."""

    id: uuid.UUID
    name: str
    tenant: str


@record()
class CollectionInfo:
    """A collection as the catalog knows it.

    Attributes:
        id, name, tenant, database: where it is found.
        config: `CollectionConfig.to_stored()`.
        metadata: of the collection itself, or None.
        schema: JSON form of its schema, or None.
        lineage: of a fork, the collection from which it and its siblings come; None of others.
    """

    id: uuid.UUID
    name: str
    tenant: str
    database: str
    config: Mapping[str, Any]
    metadata: Mapping[str, Any] | None
    schema: Mapping[str, Any] | None
    lineage: uuid.UUID | None = None

    @staticmethod
    def of(id_: str, name: str, tenant: str, database: str, facts: Mapping[str, Any]) -> CollectionInfo:
        """Return what is stored; `facts` as `facts()` gives them.

        Raises:
            KeyError, ValueError, TypeError: it is nothing of ours.
        """
        lineage = facts.get("lineage")  # folders of earlier programs have none
        known = facts["config"], facts["metadata"], facts["schema"]
        return CollectionInfo(uuid.UUID(id_), name, tenant, database, *known, lineage and uuid.UUID(lineage))

    @property
    def place(self) -> tuple[str, str, str]:
        """Tenant, database, name."""
        return self.tenant, self.database, self.name

    def facts(self) -> str:
        """Return what is stored beside the name."""
        known = {"config": self.config, "metadata": self.metadata, "schema": self.schema}
        return json.dumps(known if self.lineage is None else {**known, "lineage": str(self.lineage)})


@record()
class CatalogState:
    """All that a catalog holds."""

    tenants: frozenset[str]
    databases: tuple[DatabaseInfo, ...]
    collections: tuple[CollectionInfo, ...]


class Catalog:
    """The file and what to do with it. Changes are made inside `writing`.

    Args:
        path: the file; None for memory.
        mode: see `SqliteFile`.

    Raises:
        CorruptionError: it is missing, or damaged.
        FormatVersionError: a newer program has written it.
    """

    def __init__(self, path: Path | None, mode: Mode = "create") -> None:
        self._path = path
        self._note = None if path is None else CommitNote(path)
        self._noted = None if self._note is None else self._note.read()  # before the file: others may be changing it
        self._file = SqliteFile(path, _SCHEMA, additions=_ADDITIONS, mode=mode)
        self._data_version = -1
        self._parsed: dict[tuple[str, int], CollectionInfo] = {}  # by id and checksum

    def has_changed(self) -> bool:
        """Tell whether another process has committed since `state` was read last."""
        return self._file.data_version() != self._data_version

    def state(self) -> CatalogState:
        """Return all of it, collections in order of creation; a new catalog holds nothing until `clear`.

        Raises:
            CorruptionError: a row is not what its checksum says, or is missing.
        """
        version = self._file.data_version()
        with self._file.reading():
            names = self._file.execute("SELECT name, checksum FROM tenants")
            facts = self._file.execute("SELECT id, name, tenant, checksum FROM databases")
            rows = self._file.execute(
                "SELECT id, name, tenant, database, facts, checksum FROM collections ORDER BY position"
            )
            head = self._file.execute("SELECT n_rows, total FROM head")
            last = self._last_change()
        sums = [row[-1] for row in (*names, *facts, *rows)]
        # in a damaged file a column may be of any type
        if any(type(each) is not int for each in sums) or head != ([(len(sums), sum(sums))] if sums else []):
            raise self._damaged("it holds other rows than were written")
        if self._noted is not None and self._noted.is_missing_from(last):
            raise self._damaged(f"it ends with change {last.number}, but change {self._noted.number} was acknowledged")
        self._noted = None
        for row in (*names, *facts):
            if _checksum(*row[:-1]) != row[-1]:
                raise self._damaged("the name of a tenant or of a database is not what was written")
        self._parsed = {(row[0], row[5]): self._parsed.get((row[0], row[5])) or self._read(*row) for row in rows}
        collections = tuple(self._parsed.values())
        databases = tuple(DatabaseInfo(uuid.UUID(id_), name, tenant) for id_, name, tenant, _ in facts)
        self._data_version = version
        return CatalogState(frozenset(name for name, _ in names), databases, collections)

    @contextmanager
    def writing(self, *, waits: bool = True) -> Generator[None]:
        """Hold the writer's lock: all changes made inside are durable at the end, or none is made."""
        with self._file.writing(waits=waits):
            yield
            union = " UNION ALL ".join(f"SELECT checksum FROM {table}" for table in _TABLES)
            self._file.execute(f"INSERT OR REPLACE INTO head SELECT 1, count(*), sum(checksum) FROM ({union})")
            self._file.execute("INSERT INTO changes VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1")
            last = self._last_change()
            reach("catalog.before_commit")
        reach("catalog.after_commit")
        if self._note is not None:
            self._note.write(last)

    def _last_change(self) -> LastCommit:
        changes = self._file.execute("SELECT n FROM changes") if self._file.has_table("changes") else []
        totals = self._file.execute("SELECT total FROM head")
        numbers = [row[0] for row in (*changes, *totals)]
        # in a damaged file a column may be of any type
        is_sound = len(numbers) == 2 and all(type(each) is int and each >= 0 for each in numbers)
        return LastCommit(numbers[0], numbers[1]) if is_sound else LastCommit(0, 0)

    def add_tenant(self, name: str) -> None:
        """Add a tenant."""
        self._file.execute("INSERT INTO tenants VALUES (?, ?)", (name, _checksum(name)))

    def add_database(self, info: DatabaseInfo) -> None:
        """Add a database."""
        values = (str(info.id), info.name, info.tenant)
        self._file.execute("INSERT INTO databases VALUES (?, ?, ?, ?)", (*values, _checksum(*values)))

    def remove_database(self, name: str, tenant: str) -> None:
        """Remove a database and the collections in it."""
        self._file.execute("DELETE FROM databases WHERE name = ? AND tenant = ?", (name, tenant))
        self._remove_collections("database = ? AND tenant = ?", (name, tenant))

    def put_collection(self, info: CollectionInfo) -> None:
        """Add a collection, or replace what is known of the one with its id; it keeps its place in the order."""
        values = (str(info.id), info.name, info.tenant, info.database, info.facts())
        self._file.execute(
            "INSERT INTO collections (id, name, tenant, database, facts, checksum) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, facts = excluded.facts, checksum = excluded.checksum",
            (*values, _checksum(*values)),
        )

    def remove_collection(self, id: uuid.UUID) -> None:
        """Remove a collection."""
        self._remove_collections("id = ?", (str(id),))

    def _remove_collections(self, which: str, values: Sequence[str]) -> None:
        self._file.execute(f"INSERT OR IGNORE INTO removed SELECT id FROM collections WHERE {which}", values)
        self._file.execute(f"DELETE FROM collections WHERE {which}", values)

    def announce(self, id: uuid.UUID) -> None:
        """Count a collection as removed until it is put: so its folder goes if that never happens."""
        self._file.execute("INSERT OR IGNORE INTO removed VALUES (?)", (str(id),))

    def removed(self) -> set[str]:
        """Return the ids of collections that were removed, or not made yet, and whose folders may be there."""
        ids = self._file.execute("SELECT id FROM removed")
        return {id_ for (id_,) in ids if isinstance(id_, str)}  # in a damaged file it may be anything

    def forget_removed(self, id: str) -> None:
        """Take note that the folder of a removed collection is gone."""
        self._file.execute("DELETE FROM removed WHERE id = ?", (id,))

    def clear(self) -> None:
        """Remove everything but the default tenant and database, which are made if they are missing."""
        self._remove_collections("1", ())
        for table in _TABLES:
            self._file.execute(f"DELETE FROM {table}")
        self.add_tenant(DEFAULT_TENANT)
        self.add_database(DatabaseInfo(uuid.UUID(int=0), DEFAULT_DATABASE, DEFAULT_TENANT))

    def check_pages(self) -> None:
        """Check that the file is a sound database; `state` checks what is in it.

        Raises:
            CorruptionError: it is not.
        """
        self._file.check_pages()

    def copy_to(self, path: Path) -> None:
        """Write a copy of the catalog as it is at this moment, and of the note beside it: `state` checks both."""
        self._file.copy_to(path)
        if self._noted is not None:
            CommitNote(path).write(self._noted)

    def shrink(self, *, wait_s: float) -> bool:
        """Let nothing of removed rows stay in the file; see `SqliteFile.shrink`."""
        return self._file.shrink(wait_s=wait_s)

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        if self._note is not None:
            self._note.close()

    def _read(self, id_: str, name: str, tenant: str, database: str, facts: str, checksum: int) -> CollectionInfo:
        if _checksum(id_, name, tenant, database, facts) != checksum:
            raise self._damaged("what it says of a collection is not what was written")
        return CollectionInfo.of(id_, name, tenant, database, json.loads(facts))

    def _damaged(self, what: str) -> CorruptionError:
        return CorruptionError(
            f"{self._path} is damaged ({what}): repair() the folder, or restore it from a backup",
            path=str(self._path),
            expected="rows as their checksums say",
        )


@record()
class SoundRows:
    """What is left of a damaged catalog.

    Attributes:
        tenants, databases, collections: those that are what was written.
        n_lost: rows that are not; None when that cannot be told.
        n_changes_lost: last changes that the catalog does not hold, though they were acknowledged.
    """

    tenants: set[str]
    databases: list[DatabaseInfo]
    collections: list[CollectionInfo]
    n_lost: int | None
    n_changes_lost: int


def sound_rows(path: Path) -> SoundRows:
    """Return the rows of a damaged catalog that are what was written, for `repair`.

    It is read from a copy, with all that its write-ahead file has for it, and not changed.
    """
    from chroma_search.storage.sqlite_salvage import opened_copy  # only for what is damaged

    with opened_copy(path, _SCHEMA) as copy:
        tenants = {name for (name,) in _sound(copy, "tenants", "name")}
        databases = [
            DatabaseInfo(uuid.UUID(id_), name, tenant)
            for id_, name, tenant in _sound(copy, "databases", "id, name, tenant")
        ]
        collections: list[CollectionInfo] = []
        for id_, name, tenant, database, facts in _sound(copy, "collections", "id, name, tenant, database, facts"):
            collections.append(CollectionInfo.of(id_, name, tenant, database, json.loads(facts)))
        head = copy.read("SELECT n_rows, total FROM head").rows
        changes = copy.read("SELECT n FROM changes").rows
    noted = CommitNote(path).read()
    n_changes = changes[0][0] if len(changes) == 1 and type(changes[0][0]) is int else None
    n_changes_lost = 0 if noted is None or n_changes is None else max(0, noted.number - n_changes)
    n_found = len(tenants) + len(databases) + len(collections)
    n_rows = head[0][0] if len(head) == 1 and type(head[0][0]) is int else None
    is_known = copy.has_last_commit and n_rows is not None and n_found <= n_rows < n_found + 10**6
    n_lost = n_rows - n_found if is_known and n_rows is not None else None
    return SoundRows(tenants, databases, collections, n_lost, n_changes_lost)


def _sound(copy: DamagedDatabase, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table that are what their checksums say, in their order."""
    found: dict[int, tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):  # reading ends where the file is damaged: so from both ends
        statement = f"SELECT rowid, {columns}, checksum FROM {table} NOT INDEXED ORDER BY rowid {order}"
        for row, *values, checksum in copy.read(statement).rows:
            if _checksum(*values) == checksum:
                found[row] = tuple(values)
    return [found[row] for row in sorted(found)]


def _checksum(*values: str) -> int:
    return zlib.crc32(repr(values).encode())
