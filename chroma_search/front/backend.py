"""The seam below the classes that users call: what a collection and a database must be able to do.

The engine in this process is behind it (`client/engine_backend.py`). What a backend is given is checked already and
what it returns is plain, so that arguments, results and errors have one definition.

Facts are not awaited: a backend knows the name and configuration of its collection without asking anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, Protocol
from uuid import UUID

from typing_extensions import TypedDict

from chroma_search.config import Settings
from chroma_search.dsl import SearchClauses
from chroma_search.front.function_cache import RememberedFunction
from chroma_search.front.new_collection import NewCollection
from chroma_search.front.read_level import ReadLevel
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
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.schema.index_rules import IndexRules

ExplainFormat = Literal["text", "json"]
Place = tuple[str, str]
"""Tenant and database."""


class TenantRecord(TypedDict):
    """A tenant as clients return it."""

    name: str


class DatabaseRecord(TypedDict):
    """A database as clients return it."""

    id: UUID
    name: str
    tenant: str


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who the server takes the caller for.

    Attributes:
        user_id: empty for a server without authentication.
        tenant: the tenant of the user; `*` for any.
        databases: those that the user may use; `*` for any.
        attributes: whatever else the server says.
    """

    user_id: str
    tenant: str | None = None
    databases: Sequence[str] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


class CollectionFacts(Protocol):
    """What is known of a collection without asking for records."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def database(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, Any] | None: ...
    @property
    def config(self) -> CollectionConfig: ...
    @property
    def functions(self) -> MutableMapping[UUID, RememberedFunction]: ...

    def configuration_json(self) -> dict[str, Any]:
        """Return the configuration as JSON, a new dict."""
        ...

    def schema_json(self) -> dict[str, Any]:
        """Return the complete schema as JSON."""
        ...

    def rules(self) -> IndexRules:
        """Return what the schema says of keys and functions."""
        ...

    def store_function(self, config: CollectionConfig) -> None:
        """Store a configuration whose function was fitted. Called where the texts are embedded, and may wait."""
        ...


class CollectionBackend(Protocol):
    """One collection; each call raises NotFoundError when it was deleted."""

    @property
    def facts(self) -> CollectionFacts: ...

    def count(self, read_level: ReadLevel) -> int: ...
    def write(self, kind: WriteKind, batch: WriteBatch) -> None: ...
    def delete(self, selection: Selection) -> int: ...
    def get(self, selection: Selection, columns: frozenset[str]) -> Found: ...
    def query(self, request: NearestRequest, columns: frozenset[str], options: RunOptions) -> list[Found]: ...
    def search(self, searches: Sequence[SearchClauses], options: RunOptions, read_level: ReadLevel) -> list[Found]: ...
    def explain(
        self, search: SearchClauses, options: RunOptions, mode: ExplainMode, format: ExplainFormat
    ) -> str | dict[str, Any]: ...
    def modify(self, changes: Modification) -> None: ...
    def fork(self, new_name: str) -> CollectionBackend: ...
    def fork_count(self) -> int: ...
    def indexing_status(self) -> IndexingStatus: ...
    def flush(self) -> None: ...
    def compact(self) -> None: ...
    def purge(self) -> None: ...
    def stats(self) -> dict[str, Any]: ...


class DatabaseBackend(Protocol):
    """Tenants, databases and collections of one place."""

    @property
    def settings(self) -> Settings: ...

    def close(self) -> None: ...
    def heartbeat(self) -> int: ...
    def version(self) -> str: ...
    def max_batch_size(self) -> int: ...
    def identity(self) -> UserIdentity: ...
    def reset(self) -> bool: ...
    def backup(self, path: str | PathLike[str]) -> Any: ...
    def purge(self) -> None: ...
    def create_tenant(self, name: str) -> None: ...
    def get_tenant(self, name: str) -> TenantRecord: ...
    def create_database(self, name: str, tenant: str) -> None: ...
    def get_database(self, name: str, tenant: str) -> DatabaseRecord: ...
    def delete_database(self, name: str, tenant: str) -> None: ...
    def list_databases(self, tenant: str, limit: int | None, offset: int) -> list[DatabaseRecord]: ...
    def create_collection(
        self, new: NewCollection, place: Place, *, get_or_create: bool
    ) -> tuple[CollectionBackend, bool]:
        """Return the collection, and whether it was there before (or may have been)."""
        ...

    def get_collection(self, name: str, place: Place) -> CollectionBackend: ...
    def get_collection_by_id(self, id: UUID, place: Place) -> CollectionBackend: ...
    def list_collections(self, place: Place, limit: int | None, offset: int) -> Sequence[CollectionBackend]: ...
    def count_collections(self, place: Place) -> int: ...
    def delete_collection(self, name: str, place: Place) -> None: ...
