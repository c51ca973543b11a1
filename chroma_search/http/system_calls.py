"""Calls about the server itself, tenants and databases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chroma_search.front.backend import DatabaseRecord, TenantRecord, UserIdentity
from chroma_search.http.call import Call, Request, Response, json_body, nothing, path_of
from chroma_search.http.record_body import WriteLimits


def heartbeat() -> Call[int]:
    """Ask for the time of the server."""
    return Call(Request("GET", path_of("heartbeat")), lambda response: int(response.json()["nanosecond heartbeat"]))


def version() -> Call[str]:
    """Ask for the version of the server."""
    return Call(Request("GET", path_of("version")), lambda response: str(response.json()))


def write_limits() -> Call[WriteLimits]:
    """Ask what the server takes in one write."""
    return Call(Request("GET", path_of("pre-flight-checks")), _write_limits)


def identity() -> Call[UserIdentity]:
    """Ask who the server takes us for."""
    return Call(Request("GET", path_of("auth", "identity")), _identity)


def reset() -> Call[bool]:
    """Delete everything."""
    return Call(Request("POST", path_of("reset")), lambda response: bool(response.json()))


def create_tenant(name: str) -> Call[None]:
    """Create a tenant."""
    return Call(Request("POST", path_of("tenants"), json_body({"name": name})), nothing)


def get_tenant(name: str) -> Call[TenantRecord]:
    """Ask for a tenant."""
    return Call(Request("GET", path_of("tenants", name)), _tenant)


def create_database(name: str, tenant: str) -> Call[None]:
    """Create a database."""
    return Call(Request("POST", path_of("tenants", tenant, "databases"), json_body({"name": name})), nothing)


def get_database(name: str, tenant: str) -> Call[DatabaseRecord]:
    """Ask for a database."""
    return Call(
        Request("GET", path_of("tenants", tenant, "databases", name)), lambda response: _database(response.json())
    )


def delete_database(name: str, tenant: str) -> Call[None]:
    """Delete a database."""
    return Call(Request("DELETE", path_of("tenants", tenant, "databases", name)), nothing)


def list_databases(tenant: str, limit: int | None, offset: int) -> Call[list[DatabaseRecord]]:
    """Ask for the databases of a tenant."""
    params = {"limit": limit, "offset": offset or None}
    return Call(
        Request("GET", path_of("tenants", tenant, "databases", params=params)),
        lambda response: [_database(each) for each in response.json()],
    )


def _write_limits(response: Response) -> WriteLimits:
    form = response.json()
    return WriteLimits(int(form["max_batch_size"]), bool(form.get("supports_base64_encoding", False)))


def _identity(response: Response) -> UserIdentity:
    form = dict(response.json())
    return UserIdentity(str(form.pop("user_id")), form.pop("tenant", None), form.pop("databases", None) or [], form)


def _tenant(response: Response) -> TenantRecord:
    return {"name": str(response.json()["name"])}


def _database(form: Any) -> DatabaseRecord:
    return {"id": UUID(form["id"]), "name": str(form["name"]), "tenant": str(form["tenant"])}
