"""Async backends of any sync one: each call runs in a worker thread, so that the event loop goes on.

The engine's work is in numpy, SQLite and compiled kernels, which mostly let go of the GIL; several calls run at the
same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any
from uuid import UUID

from chroma_search.config import Settings
from chroma_search.dsl import SearchClauses
from chroma_search.front.backend import (
    CollectionBackend,
    CollectionFacts,
    DatabaseBackend,
    DatabaseRecord,
    ExplainFormat,
    Place,
    TenantRecord,
    UserIdentity,
)
from chroma_search.front.new_collection import NewCollection
from chroma_search.front.read_level import ReadLevel
from chroma_search.front.threads import in_thread
from chroma_search.model.results import IndexingStatus
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


class ThreadedCollection:
    """One collection whose calls run in threads."""

    def __init__(self, backend: CollectionBackend) -> None:
        self._backend = backend

    @property
    def facts(self) -> CollectionFacts:
        """What is known of the collection; knowing needs no thread."""
        return self._backend.facts

    async def count(self, read_level: ReadLevel) -> int:
        return await in_thread(self._backend.count, read_level)

    async def write(self, kind: WriteKind, batch: WriteBatch) -> None:
        await in_thread(self._backend.write, kind, batch)

    async def delete(self, selection: Selection) -> int:
        return await in_thread(self._backend.delete, selection)

    async def get(self, selection: Selection, columns: frozenset[str]) -> Found:
        return await in_thread(self._backend.get, selection, columns)

    async def query(self, request: NearestRequest, columns: frozenset[str], options: RunOptions) -> list[Found]:
        return await in_thread(self._backend.query, request, columns, options)

    async def search(
        self, searches: Sequence[SearchClauses], options: RunOptions, read_level: ReadLevel
    ) -> list[Found]:
        return await in_thread(self._backend.search, searches, options, read_level)

    async def explain(
        self, search: SearchClauses, options: RunOptions, mode: ExplainMode, format: ExplainFormat
    ) -> str | dict[str, Any]:
        return await in_thread(self._backend.explain, search, options, mode, format)

    async def modify(self, changes: Modification) -> None:
        await in_thread(self._backend.modify, changes)

    async def fork(self, new_name: str) -> ThreadedCollection:
        return ThreadedCollection(await in_thread(self._backend.fork, new_name))

    async def fork_count(self) -> int:
        return await in_thread(self._backend.fork_count)

    async def indexing_status(self) -> IndexingStatus:
        return await in_thread(self._backend.indexing_status)

    async def flush(self) -> None:
        await in_thread(self._backend.flush)

    async def compact(self) -> None:
        await in_thread(self._backend.compact)

    async def purge(self) -> None:
        await in_thread(self._backend.purge)

    async def stats(self) -> dict[str, Any]:
        return await in_thread(self._backend.stats)


class ThreadedDatabase:
    """One place whose calls run in threads."""

    def __init__(self, backend: DatabaseBackend) -> None:
        self._backend = backend

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self._backend.settings

    async def close(self) -> None:
        await in_thread(self._backend.close)

    async def heartbeat(self) -> int:
        return await in_thread(self._backend.heartbeat)

    async def version(self) -> str:
        return await in_thread(self._backend.version)

    async def max_batch_size(self) -> int:
        return await in_thread(self._backend.max_batch_size)

    async def identity(self) -> UserIdentity:
        return await in_thread(self._backend.identity)

    async def reset(self) -> bool:
        return await in_thread(self._backend.reset)

    async def backup(self, path: str | PathLike[str]) -> Any:
        return await in_thread(self._backend.backup, path)

    async def purge(self) -> None:
        await in_thread(self._backend.purge)

    async def create_tenant(self, name: str) -> None:
        await in_thread(self._backend.create_tenant, name)

    async def get_tenant(self, name: str) -> TenantRecord:
        return await in_thread(self._backend.get_tenant, name)

    async def create_database(self, name: str, tenant: str) -> None:
        await in_thread(self._backend.create_database, name, tenant)

    async def get_database(self, name: str, tenant: str) -> DatabaseRecord:
        return await in_thread(self._backend.get_database, name, tenant)

    async def delete_database(self, name: str, tenant: str) -> None:
        await in_thread(self._backend.delete_database, name, tenant)

    async def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[DatabaseRecord]:
        return await in_thread(self._backend.list_databases, tenant, limit, offset)

    async def create_collection(
        self, new: NewCollection, place: Place, *, get_or_create: bool
    ) -> tuple[ThreadedCollection, bool]:
        made, was_there = await in_thread(self._backend.create_collection, new, place, get_or_create=get_or_create)
        return ThreadedCollection(made), was_there

    async def get_collection(self, name: str, place: Place) -> ThreadedCollection:
        return ThreadedCollection(await in_thread(self._backend.get_collection, name, place))

    async def get_collection_by_id(self, id: UUID, place: Place) -> ThreadedCollection:
        return ThreadedCollection(await in_thread(self._backend.get_collection_by_id, id, place))

    async def list_collections(self, place: Place, limit: int | None, offset: int) -> list[ThreadedCollection]:
        found = await in_thread(self._backend.list_collections, place, limit, offset)
        return [ThreadedCollection(each) for each in found]

    async def count_collections(self, place: Place) -> int:
        return await in_thread(self._backend.count_collections, place)

    async def delete_collection(self, name: str, place: Place) -> None:
        await in_thread(self._backend.delete_collection, name, place)
