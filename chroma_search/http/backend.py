"""The backends of clients of a server: each method sends the call of its name. `async_backend.py` awaits the same."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, NoReturn
from uuid import UUID

from chroma_search.config import Settings
from chroma_search.dsl import SearchClauses
from chroma_search.errors import UnsupportedError
from chroma_search.front.backend import DatabaseRecord, ExplainFormat, Place, TenantRecord, UserIdentity
from chroma_search.front.function_cache import RememberedFunction
from chroma_search.front.new_collection import NewCollection
from chroma_search.front.read_level import ReadLevel
from chroma_search.http import collection_calls, record_calls, system_calls
from chroma_search.http.connection import connection_of
from chroma_search.http.record_body import WriteLimits
from chroma_search.http.remote_facts import RemoteFacts
from chroma_search.http.transport import Transport
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


class HttpDatabase:
    """A server.

    Args:
        settings: which, and how to speak to it.

    Raises:
        InvalidConfigError, UnsupportedError: see `connection_of`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transport = Transport(connection_of(settings))
        self._functions: dict[UUID, RememberedFunction] = {}
        self._limits: WriteLimits | None = None

    @property
    def settings(self) -> Settings:
        """The settings of the client."""
        return self._settings

    @property
    def transport(self) -> Transport:
        """What carries the calls."""
        return self._transport

    def close(self) -> None:
        """Close the connections; collections of this client cannot be used any more."""
        self._transport.close()

    def write_limits(self) -> WriteLimits:
        """Return what the server takes in one write; it is asked once."""
        if self._limits is None:
            self._limits = self._transport.send(system_calls.write_limits())
        return self._limits

    def heartbeat(self) -> int:
        """Return the time of the server."""
        return self._transport.send(system_calls.heartbeat())

    def version(self) -> str:
        """Return the version of the server."""
        return self._transport.send(system_calls.version())

    def max_batch_size(self) -> int:
        """Return how many records the server takes in one request."""
        return self.write_limits().max_records

    def identity(self) -> UserIdentity:
        """Return who the server takes us for."""
        return self._transport.send(system_calls.identity())

    def reset(self) -> bool:
        """Delete everything."""
        return self._transport.send(system_calls.reset())

    def backup(self, path: str | PathLike[str]) -> NoReturn:
        """Refuse: the folder is the server's."""
        raise not_here("backup")

    def purge(self) -> None:
        """Refuse: the files are the server's."""
        raise not_here("purge")

    def create_tenant(self, name: str) -> None:
        """Create a tenant."""
        self._transport.send(system_calls.create_tenant(name))

    def get_tenant(self, name: str) -> TenantRecord:
        """Return a tenant."""
        return self._transport.send(system_calls.get_tenant(name))

    def create_database(self, name: str, tenant: str) -> None:
        """Create a database."""
        self._transport.send(system_calls.create_database(name, tenant))

    def get_database(self, name: str, tenant: str) -> DatabaseRecord:
        """Return a database."""
        return self._transport.send(system_calls.get_database(name, tenant))

    def delete_database(self, name: str, tenant: str) -> None:
        """Delete a database."""
        self._transport.send(system_calls.delete_database(name, tenant))

    def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[DatabaseRecord]:
        """Return the databases of a tenant."""
        return self._transport.send(system_calls.list_databases(tenant, limit, offset))

    def create_collection(
        self, new: NewCollection, place: Place, *, get_or_create: bool
    ) -> tuple[HttpCollection, bool]:
        """Create a collection; with `get_or_create` it may have been there before."""
        form = self._transport.send(collection_calls.create_collection(new, place, get_or_create=get_or_create))
        facts = created_facts(form, new, self._functions)
        return HttpCollection(self, facts), get_or_create

    def get_collection(self, name: str, place: Place) -> HttpCollection:
        """Return a collection by name."""
        return self._opened(self._transport.send(collection_calls.get_collection(name, place)))

    def get_collection_by_id(self, id: UUID, place: Place) -> HttpCollection:
        """Return a collection by id."""
        return self._opened(self._transport.send(collection_calls.get_collection_by_id(id, place)))

    def list_collections(self, place: Place, limit: int | None, offset: int) -> list[HttpCollection]:
        """Return the collections of a database."""
        found = self._transport.send(collection_calls.list_collections(place, limit, offset))
        return [self._opened(each) for each in found]

    def count_collections(self, place: Place) -> int:
        """Return how many there are."""
        return self._transport.send(collection_calls.count_collections(place))

    def delete_collection(self, name: str, place: Place) -> None:
        """Delete a collection."""
        self._transport.send(collection_calls.delete_collection(name, place))

    def _opened(self, form: collection_calls.CollectionForm) -> HttpCollection:
        return HttpCollection(self, RemoteFacts(form, self._functions))


class HttpCollection:
    """A collection at a server.

    Args:
        database: the server.
        facts: what it said of the collection.
    """

    def __init__(self, database: HttpDatabase, facts: RemoteFacts) -> None:
        self._database = database
        self._transport = database.transport
        self._facts = facts
        facts.store = self.modify

    @property
    def facts(self) -> RemoteFacts:
        """What is known of the collection."""
        return self._facts

    def count(self, read_level: ReadLevel) -> int:
        """Return the number of records."""
        return self._transport.send(record_calls.count(self._facts, read_level))

    def write(self, kind: WriteKind, batch: WriteBatch) -> None:
        """Write rows, in several requests where the server asks for it."""
        for call in record_calls.writes(self._facts, kind, batch, self._database.write_limits()):
            self._transport.send(call)

    def delete(self, selection: Selection) -> int:
        """Delete records; return how many."""
        return self._transport.send(record_calls.delete(self._facts, selection))

    def get(self, selection: Selection, columns: frozenset[str]) -> Found:
        """Return records in order of insertion."""
        return self._transport.send(record_calls.get(self._facts, selection, columns))

    def query(self, request: NearestRequest, columns: frozenset[str], options: RunOptions) -> list[Found]:
        """Return the nearest records per query."""
        return self._transport.send(record_calls.query(self._facts, request, columns, options))

    def search(self, searches: Sequence[SearchClauses], options: RunOptions, read_level: ReadLevel) -> list[Found]:
        """Run searches."""
        return self._transport.send(record_calls.search(self._facts, searches, options, read_level))

    def explain(
        self, search: SearchClauses, options: RunOptions, mode: ExplainMode, format: ExplainFormat
    ) -> str | dict[str, Any]:
        """Return how a search is run."""
        return self._transport.send(record_calls.explain(self._facts, search, options, mode, format))

    def modify(self, changes: Modification) -> None:
        """Change name, metadata or configuration."""
        self._transport.send(collection_calls.modify(self._facts, changes))
        self._facts.take(changes)

    def fork(self, new_name: str) -> HttpCollection:
        """Copy the collection."""
        form = self._transport.send(collection_calls.fork(self._facts, new_name))
        return HttpCollection(self._database, RemoteFacts(form, self._facts.functions))

    def fork_count(self) -> int:
        """Return how many forks there are."""
        return self._transport.send(collection_calls.fork_count(self._facts))

    def indexing_status(self) -> IndexingStatus:
        """Return how much is indexed."""
        return self._transport.send(record_calls.indexing_status(self._facts))

    def flush(self) -> None:
        """Refuse: the server does it by itself."""
        raise not_here("flush")

    def compact(self) -> None:
        """Refuse: the server does it by itself."""
        raise not_here("compact")

    def purge(self) -> None:
        """Refuse: the files are the server's."""
        raise not_here("purge")

    def stats(self) -> dict[str, Any]:
        """Refuse: the segments are the server's."""
        raise not_here("stats")


def created_facts(
    form: collection_calls.CollectionForm, new: NewCollection, functions: dict[UUID, RememberedFunction]
) -> RemoteFacts:
    """Return the facts of a collection that was created or was there, and keep its function as the object it is."""
    facts = RemoteFacts(form, functions, new.key_functions)
    remembered = new.remembered
    if remembered is not None and facts.config.embedding_function == remembered.form:
        functions[facts.id] = remembered
    return facts


def not_here(feature: str) -> UnsupportedError:
    """Return the error of what only the machine with the files can do."""
    why, instead = "the data are at a server", "run the command line chroma-search on the folder of the server"
    return UnsupportedError(
        f"{feature} is not possible over HTTP ({why}): {instead}", feature=feature, why=why, instead=instead
    )
