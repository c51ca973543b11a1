"""Routes of tenants and databases."""

from __future__ import annotations

from typing import Any

from chroma_search.engine.database import DatabaseInfo
from chroma_search.errors import NotFoundError
from chroma_search.schema.names import validate_database_name, validate_tenant_name
from chroma_search.server import answers, bodies
from chroma_search.server.access.roles import Role
from chroma_search.server.call import Call, Route


def create_tenant(call: Call) -> Any:
    """Create a tenant."""
    call.database.create_tenant(validate_tenant_name(call.body.name))
    return {}


def get_tenant(call: Call) -> Any:
    """Return a tenant."""
    return {"name": call.database.get_tenant(call.path["tenant"]), "resource_name": None}


def update_tenant(call: Call) -> Any:
    """Accept a resource name, which has no meaning on one node, as upstream does."""
    return {}


def create_database(call: Call) -> Any:
    """Create a database; upstream does not ask whether the tenant exists, we do."""
    call.database.create_database(validate_database_name(call.body.name), call.path["tenant"])
    return {}


def list_databases(call: Call) -> Any:
    """Return the databases that the caller may read, by name."""
    found = call.database.list_databases(call.path["tenant"])
    allowed = set(call.identity.visible(call.path["tenant"], (info.name for info in found)))
    shown = [_described(info) for info in found if info.name in allowed]
    end = None if call.query.limit is None else call.query.offset + call.query.limit
    return shown[call.query.offset : end]


def get_database(call: Call) -> Any:
    """Return a database."""
    validate_database_name(call.path["database"])
    return _described(call.database.get_database(call.path["database"], call.path["tenant"]))


def delete_database(call: Call) -> Any:
    """Delete a database with its collections."""
    name = call.path["database"]
    try:
        call.database.delete_database(name, call.path["tenant"])
    except NotFoundError as error:
        raise NotFoundError(f"Database [{name}] not found", kind="database", name=name) from error
    return {}


def _described(info: DatabaseInfo) -> dict[str, Any]:
    return {"id": str(info.id), "name": info.name, "tenant": info.tenant}


TENANT_ROUTES = (
    Route(
        "GET",
        "/tenants/{tenant}/databases/{database}",
        get_database,
        Role.READER,
        "A database",
        answer=answers.DatabaseAnswer,
    ),
    Route(
        "DELETE",
        "/tenants/{tenant}/databases/{database}",
        delete_database,
        Role.ADMIN,
        "Delete a database with its collections",
        answer=answers.Nothing,
        writes=True,
    ),
    Route(
        "GET",
        "/tenants/{tenant}/databases",
        list_databases,
        Role.READER,
        "The databases of a tenant, by name",
        query=bodies.Page,
        answer=list[answers.DatabaseAnswer],
        anywhere_in_tenant=True,
    ),
    Route(
        "POST",
        "/tenants/{tenant}/databases",
        create_database,
        Role.ADMIN,
        "Create a database",
        body=bodies.CreateDatabase,
        answer=answers.Nothing,
        writes=True,
    ),
    Route(
        "GET",
        "/tenants/{tenant}",
        get_tenant,
        Role.READER,
        "A tenant",
        answer=answers.Tenant,
        anywhere_in_tenant=True,
    ),
    Route(
        "PATCH",
        "/tenants/{tenant}",
        update_tenant,
        Role.ADMIN,
        "Name a tenant's resource (no effect on one node)",
        body=bodies.UpdateTenant,
        answer=answers.Nothing,
        writes=True,
    ),
    Route(
        "POST",
        "/tenants",
        create_tenant,
        Role.ADMIN,
        "Create a tenant",
        body=bodies.CreateTenant,
        answer=answers.Nothing,
        writes=True,
    ),
)
