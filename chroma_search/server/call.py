"""Route and Call: what a handler is given, and how a route says everything about itself.

A handler is a plain function from a `Call` to something that can be written as JSON. It runs in a thread, after the
gateway has asked who calls, whether they may, and has read and checked the body. The same table of routes makes the
OpenAPI document and the tests of who may do what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from chroma_search.engine.collection import CollectionEngine
from chroma_search.engine.database import Database
from chroma_search.errors import InvalidArgumentError, NotFoundError
from chroma_search.requests import Ran, RunOptions
from chroma_search.server.access.roles import Identity, Role
from chroma_search.server.settings import ServerSettings
from chroma_search.server.slow_calls import RAN


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in and read.

    Attributes:
        database: all data.
        settings: of the server.
        identity: who calls.
        path: parts of the path by name, percent-decoded.
        query: checked query string, a model of the route.
        body: checked body, a model of the route.
        notes: what the log should say of this call beside the usual.
    """

    database: Database
    settings: ServerSettings
    identity: Identity
    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    notes: dict[str, Any] = field(default_factory=dict[str, Any])

    def collection(self) -> CollectionEngine:
        """Return the collection that the path names, which must be in the database of the path.

        Raises:
            InvalidArgumentError: the id is no UUID.
            NotFoundError: no such collection there.
        """
        given = self.path["collection_id"]
        id_ = uuid_of(given, "Collection ID is not a valid UUIDv4")
        try:
            return self.database.get_collection_by_id(id_, self.path["tenant"], self.path["database"])
        except NotFoundError as error:
            raise NotFoundError(f"Collection [{id_}] does not exist.", kind="collection", name=str(id_)) from error

    def run_options(self, *, exact: bool = False, strict: bool = False) -> RunOptions:
        """Return how a search of this call runs; what runs goes into the notes of the call."""
        return RunOptions(exact=exact, strict=strict, observe=self.observe)

    def observe(self, ran: Ran) -> None:
        """Note what runs for this call, for the log of slow ones and the traces."""
        self.notes.setdefault(RAN, []).append(ran)


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        method: HTTP method.
        path: below `/api/v2`, parts in braces.
        handler: what answers.
        role: what one must be allowed, in the tenant and database of the path (in all of them where the path names
            none); None lets everybody in.
        summary: a line for the documentation.
        body: model of the JSON body, or None for no body.
        query: model of the query string, or None.
        answer: type of the answer, for the documentation.
        status: of success.
        writes: whether it may wait for a lock or a disk; such calls have threads of their own.
        anywhere_in_tenant: whether a grant in one database of the tenant is enough.
        any_user: whether every user may call it; what they see is cut to what they may read.
    """

    method: str
    path: str
    handler: Handler
    role: Role | None
    summary: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: Any = None
    status: int = 200
    writes: bool = False
    anywhere_in_tenant: bool = False
    any_user: bool = False

    @property
    def name(self) -> str:
        """Name of the operation in logs, metrics and the OpenAPI document."""
        return self.handler.__name__

    def allows(self, identity: Identity, path: Mapping[str, str]) -> bool:
        """Tell whether someone may call it with these parts of the path."""
        if self.role is None or self.any_user:
            return True
        tenant, database = path.get("tenant", "*"), path.get("database", "*")
        if self.anywhere_in_tenant:
            return identity.may_in(self.role, tenant)
        return identity.may(self.role, tenant, database)


def uuid_of(text: str, refusal: str) -> UUID:
    """Return a UUID.

    Raises:
        InvalidArgumentError: the text is none; `refusal` is the message.
    """
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgumentError(refusal) from None
