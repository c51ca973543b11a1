"""The backends of async clients of a server: `backend.py` with `await`, method by method.

An async client belongs to the event loop it was made in.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, NoReturn
from uuid import UUID

from chroma_search.config import Settings
from chroma_search.dsl import SearchClauses
from chroma_search.front.backend import DatabaseRecord, ExplainFormat, Place, TenantRecord, UserIdentity
from chroma_search.front.function_cache import RememberedFunction
from chroma_search.front.new_collection import NewCollection
from chroma_search.front.read_level import ReadLevel
from chroma_search.front.threads import from_thread, in_thread
from chroma_search.http import collection_calls, record_calls, system_calls
from chroma_search.http.backend import created_facts, not_here
from chroma_search.http.connection import connection_of
from chroma_search.http.record_body import WriteLimits
from chroma_search.http.remote_facts import RemoteFacts
from chroma_search.http.transport import AsyncTransport
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


class AsyncHttpDatabase:
    """A server.

    Args:
        settings: which, and how to speak to it.

    Raises:
        InvalidConfigError, UnsupportedError: see `connection_of`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transport = AsyncTransport(connection_of(settings))
        self._functions: dict[UUID, RememberedFunction] = {}
        self._limits: WriteLimits | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the client."""
        return self._settings

    @property
    def transport(self) -> AsyncTransport:
        """What carries the calls."""
        return self._transport

    async def close(self) -> None:
        """Close the connections; collections of this client cannot be used any more."""
        await self._transport.close()

    async def write_limits(self) -> WriteLimits:
        """Return what the server takes in one write; it is asked once."""
        if self._limits is None:
            self._limits = await self._transport.send(system_calls.write_limits())
        return self._limits

    async def heartbeat(self) -> int:
        """Return the time of the server."""
        return await self._transport.send(system_calls.heartbeat())

    async def version(self) -> str:
        """Return the version of the server."""
        return await self._transport.send(system_calls.version())

    async def max_batch_size(self) -> int:
        """Return how many records the server takes in one request."""
        return (await self.write_limits()).max_records

    async def identity(self) -> UserIdentity:
        """Return who the server takes us for."""
        return await self._transport.send(system_calls.identity())

    async def reset(self) -> bool:
        """Delete everything."""
        return await self._transport.send(system_calls.reset())

    async def backup(self, path: str | PathLike[str]) -> NoReturn:
        """Refuse: the folder is the server's."""
        raise not_here("backup")

    async def purge(self) -> None:
        """Refuse: the files are the server's."""
        raise not_here("purge")

    async def create_tenant(self, name: str) -> None:
        """Create a tenant."""
        await self._transport.send(system_calls.create_tenant(name))

    async def get_tenant(self, name: str) -> TenantRecord:
        """Return a tenant."""
        return await self._transport.send(system_calls.get_tenant(name))

    async def create_database(self, name: str, tenant: str) -> None:
        """Create a database."""
        await self._transport.send(system_calls.create_database(name, tenant))

    async def get_database(self, name: str, tenant: str) -> DatabaseRecord:
        """Return a database."""
        return await self._transport.send(system_calls.get_database(name, tenant))

    async def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database."""
        await self._transport.send(system_calls.delete_database(name, tenant))

    async def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[DatabaseRecord]:
        """Return the databases of a tenant."""
        return await self._transport.send(system_calls.list_databases(tenant, limit, offset))

    async def create_collection(
        self, new: NewCollection, place: Place, *, get_or_create: bool
    ) -> tuple[AsyncHttpCollection, bool]:
        """Create a collection; with `get_or_create` it may have been there before."""
        form = await self._transport.send(collection_calls.create_collection(new, place, get_or_create=get_or_create))
        facts = created_facts(form, new, self._functions)
        return AsyncHttpCollection(self, facts), get_or_create

    async def get_collection(self, name: str, place: Place) -> AsyncHttpCollection:
        """Return a collection by name."""
        return self._opened(await self._transport.send(collection_calls.get_collection(name, place)))

    async def get_collection_by_id(self, id: UUID, place: Place) -> AsyncHttpCollection:
        """Return a collection by id."""
        return self._opened(await self._transport.send(collection_calls.get_collection_by_id(id, place)))

    async def list_collections(self, place: Place, limit: int | None, offset: int) -> list[AsyncHttpCollection]:
        """Return the collections of a database."""
        found = await self._transport.send(collection_calls.list_collections(place, limit, offset))
        return [self._opened(each) for each in found]

    async def count_collections(self, place: Place) -> int:
        """Return how many there are."""
        return await self._transport.send(collection_calls.count_collections(place))

    async def delete_collection(self, name: str, place: Place) -> None:
        """Delete a collection."""
        await self._transport.send(collection_calls.delete_collection(name, place))

    def _opened(self, form: collection_calls.CollectionForm) -> AsyncHttpCollection:
        return AsyncHttpCollection(self, RemoteFacts(form, self._functions))


class AsyncHttpCollection:
    """A collection at a server.

    Args:
        database: the server.
        facts: what it said of the collection.
    """

    def __init__(self, database: AsyncHttpDatabase, facts: RemoteFacts) -> None:
        self._database = database
        self._transport = database.transport
        self._facts = facts
        facts.store = lambda changes: from_thread(self.modify, changes)

    @property
    def facts(self) -> RemoteFacts:
        """What is known of the collection."""
        return self._facts

    async def count(self, read_level: ReadLevel) -> int:
        """Return the number of records."""
        return await self._transport.send(record_calls.count(self._facts, read_level))

    async def write(self, kind: WriteKind, batch: WriteBatch) -> None:
        """Write rows, in several requests where the server asks for it."""
        calls = record_calls.writes(self._facts, kind, batch, await self._database.write_limits())
        while (call := await in_thread(next, calls, None)) is not None:  # 5,000 x 384 take 0.05 s to write as JSON
            await self._transport.send(call)

    async def delete(self, selection: Selection) -> int:
        """Delete records; return how many."""
        return await self._transport.send(record_calls.delete(self._facts, selection))

    async def get(self, selection: Selection, columns: frozenset[str]) -> Found:
        """Return records in order of insertion."""
        return await self._transport.send(record_calls.get(self._facts, selection, columns))

    async def query(self, request: NearestRequest, columns: frozenset[str], options: RunOptions) -> list[Found]:
        """Return the nearest records per query."""
        return await self._transport.send(record_calls.query(self._facts, request, columns, options))

    async def search(
        self, searches: Sequence[SearchClauses], options: RunOptions, read_level: ReadLevel
    ) -> list[Found]:
        """Run searches."""
        return await self._transport.send(record_calls.search(self._facts, searches, options, read_level))

    async def explain(
        self, search: SearchClauses, options: RunOptions, mode: ExplainMode, format: ExplainFormat
    ) -> str | dict[str, Any]:
        """Return how a search is run."""
        return await self._transport.send(record_calls.explain(self._facts, search, options, mode, format))

    async def modify(self, changes: Modification) -> None:
        """Change name, metadata or configuration."""
        await self._transport.send(collection_calls.modify(self._facts, changes))
        self._facts.take(changes)

    async def fork(self, new_name: str) -> AsyncHttpCollection:
        """Copy the collection."""
        form = await self._transport.send(collection_calls.fork(self._facts, new_name))
        return AsyncHttpCollection(self._database, RemoteFacts(form, self._facts.functions))

    async def fork_count(self) -> int:
        """Return how many forks there are."""
        return await self._transport.send(collection_calls.fork_count(self._facts))

    async def indexing_status(self) -> IndexingStatus:
        """Return how much is indexed."""
        return await self._transport.send(record_calls.indexing_status(self._facts))

    async def flush(self) -> None:
        """Refuse: the server does it by itself."""
        raise not_here("flush")

    async def compact(self) -> None:
        """Refuse: the server does it by itself."""
        raise not_here("compact")

    async def purge(self) -> None:
        """Refuse: the files are the server's."""
        raise not_here("purge")

    async def stats(self) -> dict[str, Any]:
        """Refuse: the segments are the server's."""
        raise not_here("stats")
