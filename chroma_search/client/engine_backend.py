"""The backends of clients in the user's own process: a share in a system, and the engines of its collections.

Not for: what the engine does (`engine/`), what callers may pass (`front/`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chroma_search.client.system import System, open_system, release_system
from chroma_search.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings
from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.database import Database, DatabaseInfo
from chroma_search.errors import ClosedError, ForbiddenError, NotFoundError, UnsupportedError
from chroma_search.front.backend import UserIdentity
from chroma_search.front.progress import busy
from chroma_search.model.results import IndexingStatus
from chroma_search.schema.names import validate_collection_name
from chroma_search.version import __version__

if TYPE_CHECKING:
    from chroma_search.dsl import SearchClauses
    from chroma_search.engine.backup import BackupReport
    from chroma_search.front.backend import DatabaseRecord, ExplainFormat, Place, TenantRecord
    from chroma_search.front.collection import Collection
    from chroma_search.front.function_cache import RememberedFunction
    from chroma_search.front.new_collection import NewCollection
    from chroma_search.front.read_level import ReadLevel
    from chroma_search.requests import (
        ExplainMode,
        Found,
        Modification,
        NearestRequest,
        RunOptions,
        Selection,
        WriteBatch,
        WriteKind,
    )
    from chroma_search.schema.configuration import CollectionConfig
    from chroma_search.schema.index_rules import IndexRules

MAX_BATCH_SIZE = 2**31 - 1
"""What `get_max_batch_size` answers. There is no limit but memory; programs split their batches by this number."""


class EngineCollection:
    """One collection of a system; it is its own facts.

    Args:
        system: where it is.
        engine: the collection.
    """

    def __init__(self, system: System, engine: CollectionEngine) -> None:
        self.system = system
        self.engine = engine
        self._rules: IndexRules | None = None

    @property
    def facts(self) -> EngineCollection:
        """The collection itself."""
        return self

    @property
    def id(self) -> UUID:
        """The id."""
        return self.engine.id

    @property
    def name(self) -> str:
        """The name."""
        return self.engine.name

    @property
    def tenant(self) -> str:
        """The tenant."""
        return self.engine.tenant

    @property
    def database(self) -> str:
        """The database."""
        return self.engine.database

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """The metadata, not to be changed."""
        return self.engine.metadata

    @property
    def config(self) -> CollectionConfig:
        """The configuration as it is now."""
        return self.engine.config

    @property
    def functions(self) -> MutableMapping[UUID, RememberedFunction]:
        """Functions as objects, shared by the clients of the system."""
        return self.system.functions

    def configuration_json(self) -> dict[str, Any]:
        """Return the configuration as JSON."""
        return self.engine.config.to_json()

    def schema_json(self) -> dict[str, Any]:
        """Return the complete schema as JSON."""
        from chroma_search.schema.schema_form import complete_form  # what reads a schema back is seldom needed

        return complete_form(self.engine.schema_form, self.engine.config, self.engine.observed_types())

    def rules(self) -> IndexRules:
        """Return what the schema says of keys and functions."""
        if self._rules is None:
            from chroma_search.schema.index_rules import IndexRules  # 0.02 s, of no use to a search by vectors

            self._rules = IndexRules(self.engine.schema_form, self.system.key_functions.get(self.engine.id, {}))
        return self._rules

    def store_function(self, config: CollectionConfig) -> None:
        """Store a configuration whose function was fitted."""
        self.system.database.modify_collection(self.engine, config=config)

    def live(self) -> CollectionEngine:
        """Return the engine, after a look whether the collection is still there (about 1 us).

        Raises:
            NotFoundError: it was deleted.
        """
        engine, database = self.engine, self.system.database
        try:
            if database.get_collection(engine.name, engine.tenant, engine.database) is engine:
                return engine
        except NotFoundError:
            pass
        # Deleted, or renamed between the two look-ups: its id tells.
        return database.get_collection_by_id(engine.id, engine.tenant, engine.database)

    def count(self, read_level: ReadLevel) -> int:
        """Return the number of records; every level sees every write."""
        return self.live().count()

    def write(self, kind: WriteKind, batch: WriteBatch) -> None:
        """Write rows."""
        engine = self.live()
        write = {"add": engine.add, "update": engine.update, "upsert": engine.upsert}[kind]
        with busy(len(batch.ids), f"Indexing {len(batch.ids):,} records"):
            write(batch)

    def delete(self, selection: Selection) -> int:
        """Delete records; return how many."""
        return self.live().delete(selection)

    def get(self, selection: Selection, columns: frozenset[str]) -> Found:
        """Return records in order of insertion."""
        return self.live().get(selection, columns)

    def query(self, request: NearestRequest, columns: frozenset[str], options: RunOptions) -> list[Found]:
        """Return the nearest records per query."""
        return self.live().query(request.vectors, request.n_results, request.ids, request.where, columns, options)

    def search(self, searches: Sequence[SearchClauses], options: RunOptions, read_level: ReadLevel) -> list[Found]:
        """Run searches; every level sees every write."""
        return self.live().search(searches, options)

    def explain(
        self, search: SearchClauses, options: RunOptions, mode: ExplainMode, format: ExplainFormat
    ) -> str | dict[str, Any]:
        """Return how a search is run."""
        explanation = self.live().explain(search, options, mode)
        return explanation.to_dict() if format == "json" else str(explanation)

    def modify(self, changes: Modification) -> None:
        """Change name, metadata or configuration."""
        self.system.database.modify_collection(
            self.engine, name=changes.name, metadata=changes.metadata, config=changes.config
        )

    def fork(self, new_name: str) -> EngineCollection:
        """Make a collection with the records of this moment; what was remembered of functions goes with it."""
        system = self.system
        engine = system.database.fork_collection(self.engine, new_name)
        for held in (system.functions, system.key_functions):
            if self.id in held:
                held[engine.id] = held[self.id]  # pyright: ignore[reportArgumentType] both of the same dict
        return EngineCollection(system, engine)

    def fork_count(self) -> int:
        """Return the number of forks in the lineage."""
        return self.system.database.fork_count(self.engine)

    def indexing_status(self) -> IndexingStatus:
        """Return how many operations on records there were, and how many of these have reached an index."""
        total, indexed = self.live().operations()
        return IndexingStatus(
            num_indexed_ops=indexed,
            num_unindexed_ops=total - indexed,
            total_ops=total,
            op_indexing_progress=indexed / total if total else 1.0,
        )

    def flush(self) -> None:
        """Give the rows of the tail an index."""
        self.live().flush()

    def compact(self) -> None:
        """Bring all records into one segment."""
        self.live().compact()

    def purge(self) -> None:
        """Let nothing of what was deleted stay in any file."""
        self.live().purge()

    def stats(self) -> dict[str, Any]:
        """Return where the records are."""
        return self.live().stats()


class EngineDatabase:
    """One client's share in a system.

    Args:
        settings: name the system; they must equal those of its other clients.

    Raises:
        InvalidConfigError: they do not.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._system = open_system(settings if settings is not None else Settings())
        self._is_closed = False

    @property
    def settings(self) -> Settings:
        """The settings of the system."""
        return self._open().settings

    def close(self) -> None:
        """Give the share back; after the last one of a system its data are gone."""
        if not self._is_closed:
            self._is_closed = True
            release_system(self._system)

    def heartbeat(self) -> int:
        """Return the time in nanoseconds since 1970."""
        self._open()
        return time.time_ns()

    def version(self) -> str:
        """Return the version of chroma_search."""
        return __version__

    def max_batch_size(self) -> int:
        """Return a number larger than any batch."""
        return MAX_BATCH_SIZE

    def identity(self) -> UserIdentity:
        """Return nobody in particular: there is no server that asks."""
        self._open()
        return UserIdentity("", DEFAULT_TENANT, [DEFAULT_DATABASE])

    def reset(self) -> bool:
        """Delete everything, if the settings allow it."""
        system = self._open()
        if not system.settings.allow_reset:
            raise ForbiddenError("Reset is disabled by config: make the client with Settings(allow_reset=True)")
        system.database.reset()
        system.functions.clear()
        system.key_functions.clear()
        return True

    def backup(self, path: str | PathLike[str]) -> BackupReport:
        """Copy the folder to a new one."""
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
        """Let nothing of what was deleted stay in any file."""
        self._database().purge()

    def create_tenant(self, name: str) -> None:
        """Create a tenant."""
        self._database().create_tenant(name)

    def get_tenant(self, name: str) -> TenantRecord:
        """Return a tenant."""
        return {"name": self._database().get_tenant(name)}

    def create_database(self, name: str, tenant: str) -> None:
        """Create a database."""
        self._database().create_database(name, tenant)

    def get_database(self, name: str, tenant: str) -> DatabaseRecord:
        """Return a database."""
        return _record(self._database().get_database(name, tenant))

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database."""
        self._database().delete_database(name, tenant)

    def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[DatabaseRecord]:
        """Return the databases of a tenant."""
        return [_record(each) for each in self._database().list_databases(tenant, limit, offset)]

    def create_collection(
        self, new: NewCollection, place: Place, *, get_or_create: bool
    ) -> tuple[EngineCollection, bool]:
        """Create a collection; return it, and whether it was there before."""
        system = self._open()
        engine = system.database.create_collection(
            new.name,
            *place,
            config=new.config,
            metadata=new.metadata,
            schema=new.form,
            get_or_create=get_or_create,
        )
        was_there = engine.config is not new.config
        if not was_there and new.remembered is not None:
            system.functions[engine.id] = new.remembered
        if not was_there and new.key_functions:
            system.key_functions[engine.id] = new.key_functions
        return EngineCollection(system, engine), was_there

    def get_collection(self, name: str, place: Place) -> EngineCollection:
        """Return a collection by name."""
        return EngineCollection(self._open(), self._database().get_collection(name, *place))

    def get_collection_by_id(self, id: UUID, place: Place) -> EngineCollection:
        """Return a collection by id."""
        return EngineCollection(self._open(), self._database().get_collection_by_id(id, *place))

    def list_collections(self, place: Place, limit: int | None, offset: int) -> list[EngineCollection]:
        """Return the collections of a database."""
        system = self._open()
        return [EngineCollection(system, each) for each in system.database.list_collections(*place, limit, offset)]

    def count_collections(self, place: Place) -> int:
        """Return how many there are."""
        return self._database().count_collections(*place)

    def delete_collection(self, name: str, place: Place) -> None:
        """Delete a collection."""
        system = self._open()
        engine = system.database.get_collection(name, *place)
        system.database.delete_collection(name, *place)
        system.functions.pop(engine.id, None)
        system.key_functions.pop(engine.id, None)

    def _open(self) -> System:
        if self._is_closed:
            raise ClosedError("the client is closed: make a new one")
        return self._system

    def _database(self) -> Database:
        return self._open().database


def rename_together(renamed: Sequence[tuple[Collection, str]]) -> None:
    """Give collections of one client other names, to all or to none, also after a kill.

    Raises:
        ValueError: a name that is not allowed.
        ConflictError: a name is taken. NotFoundError: a collection was deleted.
    """
    backends = [(engine_backend(each), validate_collection_name(name)) for each, name in renamed]
    if backends:
        first, _ = backends[0]
        first.system.database.rename_collections([(backend.engine, name) for backend, name in backends])


def engine_backend(collection: Collection) -> EngineCollection:
    """Return what answers a collection of this process.

    Raises:
        UnsupportedError: it is one of a server.
    """
    backend = collection._backend  # pyright: ignore[reportPrivateUsage]
    if not isinstance(backend, EngineCollection):
        raise UnsupportedError(
            "the records of a server are read beside its folder: chroma-search export",
            feature="one snapshot over HTTP",
            why="a server gives a new snapshot with each request",
            instead="run chroma-search export beside its folder",
        )
    return backend


def _record(info: DatabaseInfo) -> DatabaseRecord:
    return {"id": info.id, "name": info.name, "tenant": info.tenant}
