"""Database: tenants, databases, and the collections in them, by name and by id - in memory or in a folder.

The catalog is what is durable (`catalog.py`), what lies beside it is in `database_folder.py`; here are the rules, and
the engines of the collections in use.

A folder opened to be read is not written at all, so it may lie on a file system that cannot be written.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chroma_search.engine.after_fork import renew_after_fork
from chroma_search.engine.catalog import DEFAULT_DATABASE, DEFAULT_TENANT, Catalog, CollectionInfo, DatabaseInfo
from chroma_search.engine.collection import CollectionEngine, only_reads
from chroma_search.engine.database_folder import DatabaseFolder
from chroma_search.engine.taking_turns import TakingTurns
from chroma_search.errors import ConflictError, LockedError, NotFoundError
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.storage.failpoint import reach
from chroma_search.storage.sqlite_file import BUSY_S

if TYPE_CHECKING:
    from chroma_search.schema.schema_form import SchemaForm

__all__ = ["DEFAULT_DATABASE", "DEFAULT_TENANT", "Database", "DatabaseInfo"]

Place = tuple[str, str, str]


class Database:
    """All tenants, databases and collections of one place. Thread-safe; several processes may share a folder.

    Args:
        folder: where they are kept, made when it is missing; None for memory.
        reads_only: whether nothing may be written; the folder must exist then.
        memory_limit: bytes that collections may hold in memory together; those not used for the longest time are let
            go of, and read again when they are used. None for no limit.

    Raises:
        StorageError: the folder cannot be made or written.
        CorruptionError: what is in it is damaged.
        NotFoundError: there is nothing to read.
    """

    def __init__(
        self, folder: Path | None = None, *, reads_only: bool = False, memory_limit: int | None = None
    ) -> None:
        self._folder = None if folder is None else DatabaseFolder(folder)
        self._reads_only = reads_only
        self._memory_limit = memory_limit
        self._turns = TakingTurns()
        self._turn = threading.RLock()  # taken before the other one; of the threads that change it one asks at a time
        self._lock = threading.RLock()
        self._engines: dict[uuid.UUID, CollectionEngine] = {}
        self._catalog = Catalog(None) if self._folder is None else self._folder.open_catalog(reads_only=reads_only)
        self._read()
        if not self._tenants and not reads_only:
            self._begin()
        if self._folder is not None and not reads_only:
            self._sweep(self._folder)
        renew_after_fork(self)

    def begin_anew(self) -> None:
        """Take new locks, in a child of a fork: a thread of the parent may have held the old ones."""
        self._turn, self._lock = threading.RLock(), threading.RLock()

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._catalog.close()

    def reset(self) -> None:
        """Drop everything; the default tenant and database exist again."""
        with self._changing():
            doomed = list(self._collections.values())
            self._catalog.clear()
        if self._folder is not None:
            self._folder.discard(doomed)

    def create_tenant(self, name: str) -> None:
        """Create a tenant.

        Raises:
            ConflictError: it exists.
        """
        with self._changing():
            if name in self._tenants:
                raise ConflictError(f"Tenant [{name}] already exists", kind="tenant", name=name)
            self._catalog.add_tenant(name)

    def get_tenant(self, name: str) -> str:
        """Return the tenant's name.

        Raises:
            NotFoundError: no such tenant.
        """
        with self._lock:
            self._look_again()
            return self._tenant(name)

    def create_database(self, name: str, tenant: str) -> None:
        """Create a database.

        Raises:
            ConflictError: it exists. NotFoundError: no such tenant.
        """
        with self._changing():
            self._tenant(tenant)
            if (tenant, name) in self._databases:
                raise ConflictError(f"Database [{name}] already exists", kind="database", name=name)
            self._catalog.add_database(DatabaseInfo(uuid.uuid4(), name, tenant))

    def get_database(self, name: str, tenant: str) -> DatabaseInfo:
        """Return a database.

        Raises:
            NotFoundError: no such database.
        """
        with self._lock:
            self._look_again()
            return self._database(name, tenant)

    def list_databases(self, tenant: str, limit: int | None = None, offset: int = 0) -> list[DatabaseInfo]:
        """Return the databases of a tenant by name; none for an unknown tenant."""
        with self._lock:
            self._look_again()
            found = sorted((each for each in self._databases.values() if each.tenant == tenant), key=lambda e: e.name)
        return found[offset : None if limit is None else offset + limit]

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database with its collections.

        Raises:
            NotFoundError: no such database.
        """
        with self._changing():
            self._database(name, tenant)
            doomed = [info for info in self._collections.values() if (info.tenant, info.database) == (tenant, name)]
            self._catalog.remove_database(name, tenant)
        if self._folder is not None:
            self._folder.discard(doomed)

    def create_collection(
        self,
        name: str,
        tenant: str,
        database: str,
        *,
        config: CollectionConfig,
        metadata: dict[str, Any] | None = None,
        schema: SchemaForm | None = None,
        get_or_create: bool = False,
    ) -> CollectionEngine:
        """Create a collection, or return the existing one unchanged with `get_or_create`.

        Args:
            schema: JSON form, checked (`schema_validation.py`), or None for the default.

        Raises:
            ConflictError: it exists. NotFoundError: no such database.
        """
        with self._changing():
            self._database(database, tenant)
            held = self._collections.get((tenant, database, name))
            if held is not None:
                if get_or_create:
                    return self._engine(held)
                raise ConflictError(f"Collection [{name}] already exists", kind="collection", name=name)
            info = CollectionInfo(uuid.uuid4(), name, tenant, database, config.to_stored(), metadata, schema)
            self._catalog.put_collection(info)
            if self._folder is not None:
                self._folder.make(info)
            engine = self._engines[info.id] = self._new_engine(info, config)
            return engine

    def get_collection(self, name: str, tenant: str, database: str) -> CollectionEngine:
        """Return a collection by name.

        Raises:
            NotFoundError: no such collection.
        """
        with self._lock:
            self._look_again()
            found = self._collections.get((tenant, database, name))
            if found is not None:
                return self._engine(found)
        raise NotFoundError(f"Collection [{name}] does not exist", kind="collection", name=name)

    def get_collection_by_id(self, collection_id: uuid.UUID, tenant: str, database: str) -> CollectionEngine:
        """Return a collection by id.

        Raises:
            NotFoundError: no such collection in this database.
        """
        with self._lock:
            self._look_again()
            info = self._by_id.get(collection_id)
            if info is not None and (info.tenant, info.database) == (tenant, database):
                return self._engine(info)
        raise NotFoundError(f"Collection [{collection_id}] does not exist", kind="collection", name=str(collection_id))

    def list_collections(
        self, tenant: str, database: str, limit: int | None = None, offset: int = 0
    ) -> list[CollectionEngine]:
        """Return the collections of a database in order of creation."""
        with self._lock:
            self._look_again()
            found = [info for place, info in self._collections.items() if place[:2] == (tenant, database)]
            return [self._engine(each) for each in found[offset : None if limit is None else offset + limit]]

    def count_collections(self, tenant: str, database: str) -> int:
        """Return the number of collections of a database."""
        with self._lock:
            self._look_again()
            return sum(place[:2] == (tenant, database) for place in self._collections)

    def delete_collection(self, name: str, tenant: str, database: str) -> None:
        """Delete a collection.

        Raises:
            NotFoundError: no such collection.
        """
        with self._changing():
            held = self._collections.get((tenant, database, name))
            if held is None:
                raise NotFoundError(f"Collection [{name}] does not exist", kind="collection", name=name)
            self._catalog.remove_collection(held.id)
        if self._folder is not None:
            self._folder.discard([held])

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
        with self._changing():
            self._modify(engine.id, name, metadata, config)

    def rename_collections(self, renamed: Sequence[tuple[CollectionEngine, str]]) -> None:
        """Give collections other names, to all or to none.

        Raises:
            ConflictError: a name is taken. NotFoundError: a collection was deleted.
        """
        with self._changing():
            for engine, name in renamed:
                self._modify(engine.id, name, None, None)

    def _modify(
        self, id_: uuid.UUID, name: str | None, metadata: dict[str, Any] | None, config: CollectionConfig | None
    ) -> None:
        held = changed = self._info(id_)
        if name is not None and name != held.name:
            if (held.tenant, held.database, name) in self._collections:
                raise ConflictError(f"Collection [{name}] already exists", kind="collection", name=name)
            changed = replace(changed, name=name)
        if metadata is not None:
            changed = replace(changed, metadata=metadata)
        if config is not None:
            changed = replace(changed, config=config.to_stored())
        self._catalog.put_collection(changed)
        self._collections[changed.place] = self._by_id[id_] = changed  # `_read` makes both anew at the end
        if self._folder is not None:
            self._folder.write_card(changed)

    def fork_collection(self, engine: CollectionEngine, name: str) -> CollectionEngine:
        """Make a collection with the records, configuration, schema and metadata that another one has now.

        In memory both share what does not change; in a folder the new one gets links to the segment files and a copy of
        the log. It is there whole or not at all, also after a kill.

        Raises:
            ConflictError: the name is taken. NotFoundError: the collection was deleted.
            StorageError: the disk is full or fails; nothing is changed then.
        """
        fork_id = uuid.uuid4()
        while True:
            if self._folder is not None:
                with self._changing():
                    self._forked(engine, fork_id, name)
                    # What a kill leaves holds records, and would look as if the catalog had lost it.
                    self._catalog.announce(fork_id)
                reach("fork.after_announcement")
            with self._changing():
                info = self._forked(engine, fork_id, name)
                if self._folder is not None:
                    if str(fork_id) not in self._catalog.removed():
                        continue  # another process has opened the folder just now, and swept
                    self._folder.copy(engine.id, info)
                    self._catalog.forget_removed(str(fork_id))
                self._catalog.put_collection(info)
                fork = self._engines[fork_id] = self._new_engine(info, engine.config)
                if self._folder is None:
                    fork.begin_as(engine)
                return fork

    def fork_count(self, engine: CollectionEngine) -> int:
        """Return how many forks there are in the lineage of a collection, itself included if it is one.

        Raises:
            NotFoundError: the collection was deleted.
        """
        with self._lock:
            self._look_again()
            held = self._info(engine.id)
            root = held.lineage or held.id
            return sum(info.lineage == root for info in self._collections.values())

    def _forked(self, engine: CollectionEngine, fork_id: uuid.UUID, name: str) -> CollectionInfo:
        held = self._info(engine.id)
        if (held.tenant, held.database, name) in self._collections:
            raise ConflictError(f"Collection [{name}] already exists", kind="collection", name=name)
        return replace(held, id=fork_id, name=name, lineage=held.lineage or held.id)

    def purge(self) -> None:
        """Let nothing of what was deleted or replaced stay in any file; also not what `repair` put aside.

        Raises:
            LockedError: another process reads all the time.
        """
        with self._lock:
            self._look_again()
            engines = [self._engine(info) for info in self._collections.values()]
        for engine in engines:
            engine.purge()
        if self._folder is not None:
            if not self._catalog.shrink(wait_s=BUSY_S):
                raise LockedError(f"other processes are reading {self._folder.path} all the time: purge it again")
            self._folder.discard_damaged()

    # --- what is known, and keeping it true ---------------------------------------------------------------------------

    def _look_again(self) -> None:
        """Take in what other processes changed; under the lock."""
        if self._catalog.has_changed():
            self._read()

    @contextmanager
    def _changing(self) -> Generator[None]:
        """Hold the writer's lock of the catalog; what is known is read again at the end, be it changed or not.

        While another process holds that lock, ours is free: readers go on.

        Raises:
            LockedError: other processes have been writing for `BUSY_S`.
        """
        if self._reads_only:
            raise only_reads("changing tenants, databases or collections")
        arrived_at = time.monotonic()
        with self._turn:
            self._turns.begin()
            while True:
                try:
                    begun = self._begin_changing()
                    break
                except LockedError as error:
                    self._turns.wait(arrived_at, error)
            try:
                with begun:
                    yield
            finally:
                self._turns.end()

    def _begin_changing(self) -> ExitStack:
        """Take both locks; what is returned commits, reads again and lets go."""
        with ExitStack() as begun:
            begun.enter_context(self._lock)
            with ExitStack() as writing:
                writing.enter_context(self._catalog.writing(waits=False))
                begun.callback(self._read)
                begun.push(writing.pop_all())
            if self._catalog.has_changed():
                self._read()
            return begun.pop_all()

    def _read(self) -> None:
        state = self._catalog.state()
        self._tenants = state.tenants
        self._databases = {(info.tenant, info.name): info for info in state.databases}
        self._collections: dict[Place, CollectionInfo] = {info.place: info for info in state.collections}
        self._by_id: dict[uuid.UUID, CollectionInfo] = {info.id: info for info in state.collections}
        for id_, engine in list(self._engines.items()):
            if id_ in self._by_id:
                self._refresh(engine, self._by_id[id_])
            else:
                del self._engines[id_]

    def _refresh(self, engine: CollectionEngine, info: CollectionInfo) -> None:
        engine.name = info.name
        engine.metadata = None if info.metadata is None else dict(info.metadata)
        if engine.config.to_stored() != info.config:
            engine.reconfigure(CollectionConfig.from_stored(info.config))

    def _engine(self, info: CollectionInfo) -> CollectionEngine:
        engine = self._engines.get(info.id)
        if engine is None:
            config = CollectionConfig.from_stored(info.config)
            engine = self._engines[info.id] = self._new_engine(info, config)
        return engine

    def _new_engine(self, info: CollectionInfo, config: CollectionConfig) -> CollectionEngine:
        metadata = None if info.metadata is None else dict(info.metadata)
        return CollectionEngine(
            info.name,
            info.tenant,
            info.database,
            config,
            metadata,
            info.schema,
            id=info.id,
            folder=None if self._folder is None else self._folder.of_collection(info.id),
            reads_only=self._reads_only,
            on_growth=None if self._folder is None or self._memory_limit is None else self._make_room,
        )

    def _make_room(self, grown: CollectionEngine) -> None:
        """Unload the collections that were used least recently, until all together are within the limit.

        One that is at work in another thread is left out; so is the one that has grown, however large it is.
        """
        assert self._memory_limit is not None
        engines = [engine for engine in list(self._engines.values()) if engine is not grown]
        held = grown.home.held_bytes + sum(engine.home.held_bytes for engine in engines)
        for engine in sorted(engines, key=lambda each: each.home.last_used):
            if held <= self._memory_limit:
                return
            n_bytes = engine.home.held_bytes
            if n_bytes and engine.home.unload():
                held -= n_bytes

    def _info(self, id_: uuid.UUID) -> CollectionInfo:
        found = self._by_id.get(id_)
        if found is None:
            raise NotFoundError(f"Collection [{id_}] does not exist", kind="collection", name=str(id_))
        return found

    def _tenant(self, name: str) -> str:
        if name not in self._tenants:
            raise NotFoundError(f"Tenant [{name}] not found", kind="tenant", name=name)
        return name

    def _database(self, name: str, tenant: str) -> DatabaseInfo:
        if (tenant, name) not in self._databases:
            raise NotFoundError(f"Database [{name}] not found. Are you sure it exists?", kind="database", name=name)
        return self._databases[tenant, name]

    def _begin(self) -> None:
        """Fill a new catalog."""
        with self._catalog.writing():
            if not self._catalog.state().tenants:
                self._catalog.clear()
        self._read()

    def _sweep(self, folder: DatabaseFolder) -> None:
        """Remove what killed processes have left. Where that is nothing, opening a folder writes nothing."""
        if folder.is_swept(self._catalog, self._known()):
            return
        with self._lock, self._catalog.writing():
            self._read()
            folder.sweep(self._catalog, self._known())

    def _known(self) -> set[str]:
        return {str(id_) for id_ in self._by_id}
